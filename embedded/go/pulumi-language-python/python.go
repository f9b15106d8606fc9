package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
)

// Where a plugin's packages are unless its YAML says otherwise.
const pluginEnvironment = "venv"

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

// GetRequiredPackages creates a program's virtual environment if it is not there yet, as the CLI expects of this call.
//
// It names no plugins, which the CLI would look for in vain: this host is used where nothing can be downloaded. The
// engine finds those that are installed when the program asks for them.
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
	err = tool.EnsureVenv(ctx, request.GetInfo().GetProgramDirectory(), false, true, os.Stdout, os.Stderr)
	return &pulumirpc.GetRequiredPackagesResponse{}, err
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
