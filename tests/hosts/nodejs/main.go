// The language host for Node.js by which the tests run examples/typescript where Pulumi's own cannot be had: neither its
// Go module nor a package with it is served by any registry. It runs programs and writes SDKs, and nothing else.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	codegen "github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"istio-minikube/embedded/go/lifeline"
	"istio-minikube/embedded/go/sdks"
)

// What the SDK's runner exits with after it has told the engine itself what is wrong.
const saidWhy = 32

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string
	ended  context.Context
}

func (h *host) Handshake(
	_ context.Context, request *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.engine = request.GetEngineAddress()
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// GetRequiredPackages names none: the engine finds what is installed when the program asks for it.
func (h *host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

// Run runs a program by the runner of the SDK that is installed with it.
func (h *host) Run(_ context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	folder := request.GetInfo().GetProgramDirectory()
	words := []string{filepath.Join(folder, "node_modules", "@pulumi", "pulumi", "cmd", "run")}
	for _, option := range [][2]string{
		{"--monitor", request.GetMonitorAddress()},
		{"--engine", h.engine},
		{"--organization", request.GetOrganization()},
		{"--project", request.GetProject()},
		{"--root-directory", request.GetInfo().GetRootDirectory()},
		{"--stack", request.GetStack()},
		{"--pwd", request.GetPwd()},
		{"--parallel", strconv.Itoa(int(request.GetParallel()))},
	} {
		if option[1] != "" {
			words = append(words, option[:]...)
		}
	}
	if request.GetDryRun() {
		words = append(words, "--dry-run")
	}
	config, err := json.Marshal(request.GetConfig())
	if err != nil {
		return nil, err
	}
	program := exec.Command("node", append(words, request.GetInfo().GetEntryPoint())...)
	program.Dir, program.Stdout, program.Stderr = request.GetPwd(), os.Stdout, os.Stderr
	program.Env = append(os.Environ(), "PULUMI_CONFIG="+string(config))
	err = lifeline.Run(h.ended, program)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == saidWhy:
		return &pulumirpc.RunResponse{Bail: true}, nil
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program failed: %v", err)}, nil
	}
}

// InstallDependencies is `npm install`.
func (h *host) InstallDependencies(
	request *pulumirpc.InstallDependenciesRequest, server pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(server, request.GetIsTerminal())
	if err != nil {
		return err
	}
	command := exec.Command("npm", "install", "--no-audit", "--no-fund", "--prefer-offline")
	command.Dir, command.Stdout, command.Stderr = request.GetInfo().GetProgramDirectory(), stdout, stderr
	return errors.Join(lifeline.Run(h.ended, command), closer.Close())
}

// GeneratePackage writes an SDK, as `pulumi install` and `pulumi package add` ask for one.
func (h *host) GeneratePackage(
	_ context.Context, request *pulumirpc.GeneratePackageRequest,
) (*pulumirpc.GeneratePackageResponse, error) {
	return sdks.Write(request, func(bound *schema.Package, loader schema.ReferenceLoader) (map[string][]byte, error) {
		return codegen.GeneratePackage(
			"pulumi-language-nodejs", bound, request.GetExtraFiles(), request.GetLocalDependencies(), request.GetLocal(), loader,
		)
	})
}

// Link has nothing to do: the example's package.json names the SDK's folder.
func (h *host) Link(context.Context, *pulumirpc.LinkRequest) (*pulumirpc.LinkResponse, error) {
	return &pulumirpc.LinkResponse{}, nil
}

func main() {
	ended, end := context.WithCancel(context.Background())
	h := &host{engine: os.Args[len(os.Args)-1], ended: ended}
	register := func(server *grpc.Server) { pulumirpc.RegisterLanguageRuntimeServer(server, h) }
	if err := lifeline.Serve(register, end); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-language-nodejs: %v\n", err)
		os.Exit(1)
	}
}
