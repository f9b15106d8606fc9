// What the Kubernetes plugin uses of this module, and no more: the releases of it that the plugin compiles with need
// types that Kubernetes 1.36 no longer has. See ssa.go.
module github.com/fluxcd/pkg/ssa

go 1.26.0

require (
	k8s.io/apimachinery v0.36.3
	sigs.k8s.io/structured-merge-diff/v4 v4.7.0
)
