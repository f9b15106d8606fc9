// What the Kubernetes plugin uses of this module, and no more: the whole of it takes six minutes of a processor and 4 GB
// of memory to compile.
module github.com/pulumi/pulumi-kubernetes/sdk/v4

go 1.26.0

require github.com/pulumi/pulumi/sdk/v3 v3.229.0
