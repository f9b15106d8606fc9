package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
)

// Where a plugin's packages are unless its YAML says otherwise.
const pluginEnvironment = "venv"

// Prints the metadata of the Pulumi packages that a program can import, a file a line.
const listPackages = `import pathlib, sys
for folder in sys.path:
    for file in sorted(pathlib.Path(folder).glob("*/pulumi-plugin.json")):
        print(file)
`

// python is the toolchain that the options of a Pulumi.yaml, PulumiPolicy.yaml or PulumiPlugin.yaml name.
func python(info *pulumirpc.ProgramInfo, isPlugin bool) (toolchain.Toolchain, error) {
	options, err := parse(info, isPlugin)
	if err != nil {
		return nil, err
	}
	return toolchain.ResolveToolchain(options)
}

func parse(info *pulumirpc.ProgramInfo, isPlugin bool) (toolchain.PythonOptions, error) {
	options := toolchain.PythonOptions{Root: info.GetRootDirectory(), ProgramDir: info.GetProgramDirectory()}
	for name, value := range info.GetOptions().AsMap() {
		text, isText := value.(string)
		switch known := name == "toolchain" || name == "virtualenv"; {
		case name == "typechecker":
			return options, fmt.Errorf("option typechecker is %v; this language host runs none, remove the option", value)
		case known && !isText:
			return options, fmt.Errorf("option %s is %v; accepted: a string", name, value)
		case name == "virtualenv":
			options.Virtualenv = text
		case name == "toolchain":
			switch text {
			case "pip":
				options.Toolchain = toolchain.Pip
			case "poetry":
				options.Toolchain = toolchain.Poetry
			case "uv":
				options.Toolchain = toolchain.Uv
			default:
				return options, fmt.Errorf("option toolchain is %q; accepted: pip, poetry, uv", text)
			}
		}
	}
	if isPlugin && options.Virtualenv == "" && options.Toolchain <= toolchain.Pip {
		options.Virtualenv = pluginEnvironment
	}
	return options, nil
}

// inEnvironment gives a command the toolchain's environment, which is empty for a Python found on PATH, and more.
func inEnvironment(command *exec.Cmd, variables ...string) {
	if command.Env == nil {
		command.Env = os.Environ()
	}
	command.Env = append(command.Env, variables...)
}

// GetRequiredPackages names the plugins of the SDKs that are installed for a program, once its environment is there.
func (h *host) GetRequiredPackages(
	ctx context.Context, request *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	ctx, cancel := h.until(ctx)
	defer cancel()
	tool, err := python(request.GetInfo(), false)
	if err != nil {
		return nil, err
	}
	// The CLI shows what the host prints.
	if err := tool.EnsureVenv(ctx, request.GetInfo().GetProgramDirectory(), false, true, os.Stdout, os.Stderr); err != nil {
		return nil, err
	}
	command, err := tool.Command(ctx, "-I", "-c", listPackages)
	if err != nil {
		return nil, err
	}
	listed, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("Python does not tell which packages it has: %w", err)
	}
	response := &pulumirpc.GetRequiredPackagesResponse{}
	for file := range strings.Lines(string(listed)) {
		found, err := requiredPackage(strings.TrimSuffix(file, "\n"))
		if err != nil {
			return nil, err
		}
		if found != nil {
			response.Packages = append(response.Packages, found)
		}
	}
	return response, nil
}

// requiredPackage is what an SDK's metadata says of its plugin; nil if it has none.
func requiredPackage(file string) (*pulumirpc.PackageDependency, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var metadata plugin.PulumiPluginJSON
	if err := json.Unmarshal(content, &metadata); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if !metadata.Resource {
		return nil, nil
	}
	found := &pulumirpc.PackageDependency{
		Name: metadata.Name, Kind: "resource", Version: metadata.Version, Server: metadata.Server,
	}
	if found.Name == "" {
		found.Name = strings.TrimPrefix(filepath.Base(filepath.Dir(file)), "pulumi_")
	}
	if found.Version != "" && !strings.HasPrefix(found.Version, "v") {
		found.Version = "v" + found.Version
	}
	if base := metadata.Parameterization; base != nil {
		found.Parameterization = &pulumirpc.PackageParameterization{
			Name: base.Name, Version: base.Version, Value: base.Value,
		}
	}
	return found, nil
}

func (h *host) GetProgramDependencies(
	ctx context.Context, request *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	tool, err := python(request.GetInfo(), false)
	if err != nil {
		return nil, err
	}
	packages, err := tool.ListPackages(ctx, request.GetTransitiveDependencies())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, found := range packages {
		response.Dependencies = append(
			response.Dependencies, &pulumirpc.DependencyInfo{Name: found.Name, Version: found.Version},
		)
	}
	return response, nil
}

// About tells which Python runs a program; outside a project, the one on PATH.
func (h *host) About(ctx context.Context, request *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	options, err := parse(request.GetInfo(), false)
	if err != nil {
		return nil, err
	}
	tool, err := toolchain.ResolveToolchain(options)
	if err != nil {
		return nil, err
	}
	about, err := tool.About(ctx)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{
		Executable: about.PythonExecutable,
		Version:    about.PythonVersion.String(),
		Metadata: map[string]string{
			"languageHost":     "stand-in of istio-minikube",
			"toolchain":        toolchain.Name(options.Toolchain),
			"toolchainVersion": about.ToolchainVersion.String(),
		},
	}, nil
}
