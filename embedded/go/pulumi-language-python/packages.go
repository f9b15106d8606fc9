package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	codegen "github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// GeneratePackage writes an SDK for Python, as `pulumi package add` asks for one.
func (h *host) GeneratePackage(
	_ context.Context, request *pulumirpc.GeneratePackageRequest,
) (*pulumirpc.GeneratePackageResponse, error) {
	remote, err := schema.NewLoaderClient(request.GetLoaderTarget())
	if err != nil {
		return nil, err
	}
	defer remote.Close()
	loader := schema.NewCachedLoader(remote)
	var spec schema.PackageSpec
	if err := json.Unmarshal([]byte(request.GetSchema()), &spec); err != nil {
		return nil, err
	}
	bound, diagnostics, err := schema.BindSpec(spec, loader, schema.ValidationOptions{AllowDanglingReferences: true})
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GeneratePackageResponse{Diagnostics: plugin.HclDiagnosticsToRPCDiagnostics(diagnostics)}
	if diagnostics.HasErrors() {
		return response, nil
	}
	files, err := codegen.GeneratePackage("pulumi-language-python", bound, request.GetExtraFiles(), loader)
	if err != nil {
		return nil, err
	}
	for name, content := range files {
		file := filepath.Join(request.GetDirectory(), name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return nil, err
		}
	}
	return response, nil
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
