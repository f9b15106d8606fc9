// Package v2 registers the objects of manifests as resources.
package v2

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RegisterResource registers an object under the type token of its kind, such as kubernetes:apps/v1:Deployment.
func RegisterResource(
	ctx *pulumi.Context, apiVersion, kind, name string, properties pulumi.Input, options ...pulumi.ResourceOption,
) (pulumi.CustomResource, error) {
	if apiVersion == "v1" { // the tokens of the core group have its name, unlike its API version
		apiVersion = "core/v1"
	}
	var object pulumi.CustomResourceState
	token := fmt.Sprintf("kubernetes:%s:%s", apiVersion, kind)
	if err := ctx.RegisterResource(token, name, properties, &object, options...); err != nil {
		return nil, err
	}
	return &object, nil
}
