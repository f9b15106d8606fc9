package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	codegen "github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"istio-minikube/embedded/go/sdks"
)

// GeneratePackage writes an SDK for Python, as `pulumi package add` asks for one.
func (h *host) GeneratePackage(
	_ context.Context, request *pulumirpc.GeneratePackageRequest,
) (*pulumirpc.GeneratePackageResponse, error) {
	return sdks.Write(request, func(bound *schema.Package, loader schema.ReferenceLoader) (map[string][]byte, error) {
		return codegen.GeneratePackage("pulumi-language-python", bound, request.GetExtraFiles(), loader)
	})
}

// Link adds SDKs that are in folders of a program to its requirements, and tells how they are imported.
func (h *host) Link(ctx context.Context, request *pulumirpc.LinkRequest) (*pulumirpc.LinkResponse, error) {
	tool, err := python(request.GetInfo(), false)
	if err != nil {
		return nil, err
	}
	folders := map[string]string{}
	imports := "The program can now:\n\n"
	for _, added := range request.GetPackages() {
		module, err := moduleOf(filepath.Join(request.GetInfo().GetProgramDirectory(), added.GetPath()))
		if err != nil {
			return nil, err
		}
		folders[module] = added.GetPath()
		imports += fmt.Sprintf("  import %s as %s\n", module, strings.TrimPrefix(module, "pulumi_"))
	}
	if err := tool.LinkPackages(ctx, folders); err != nil {
		return nil, err
	}
	return &pulumirpc.LinkResponse{ImportInstructions: imports}, nil
}

// moduleOf is the name of the Python module in an SDK's folder.
func moduleOf(folder string) (string, error) {
	found, err := filepath.Glob(filepath.Join(folder, "*", "pulumi-plugin.json"))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s has %d modules with pulumi-plugin.json; expected: 1", folder, len(found))
	}
	return filepath.Base(filepath.Dir(found[0])), nil
}
