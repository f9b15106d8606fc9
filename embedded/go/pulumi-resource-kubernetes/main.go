// The Kubernetes resource plugin for Pulumi, from its Go module. The module lacks the generated schema that its own
// main embeds; the engine and the SDKs do without it, except for `pulumi import`, `.get` functions in YAML and the like.
package main

import (
	"encoding/json"
	"log"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

func main() {
	schema, err := json.Marshal(map[string]string{"name": "kubernetes", "version": version.Version})
	if err != nil {
		log.Fatal(err)
	}
	provider.Serve("kubernetes", version.Version, schema, []byte("{}"))
}
