package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"

	"istio-minikube/embedded/go/lifeline"
)

// What the engine calls a policy pack.
const policyPack = "analyzer"

// runStream and installStream can be sent to from the two goroutines that copy a process's two outputs.
type runStream struct {
	pulumirpc.LanguageRuntime_RunPluginServer
	lock sync.Mutex
}

func (s *runStream) Send(response *pulumirpc.RunPluginResponse) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.LanguageRuntime_RunPluginServer.Send(response)
}

type installStream struct {
	pulumirpc.LanguageRuntime_InstallDependenciesServer
	lock sync.Mutex
}

func (s *installStream) Send(response *pulumirpc.InstallDependenciesResponse) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.LanguageRuntime_InstallDependenciesServer.Send(response)
}

// RunPlugin runs a policy pack, or a plugin that is a folder with __main__.py or an installed package.
func (h *host) RunPlugin(
	request *pulumirpc.RunPluginRequest, server pulumirpc.LanguageRuntime_RunPluginServer,
) error {
	ctx, cancel := h.until(server.Context())
	defer cancel()
	if request.GetAttachDebugger() {
		return errors.New("this language host attaches no debugger")
	}
	isPack := request.GetKind() == policyPack
	tool, err := python(request.GetInfo(), !isPack)
	if err != nil {
		return err
	}
	stream := &runStream{LanguageRuntime_RunPluginServer: server}
	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(stream, false)
	if err != nil {
		return err
	}
	defer closer.Close()
	if isPack {
		err = runPack(ctx, tool, request, stdout, stderr)
	} else {
		err = runPlugin(ctx, tool, request, stdout, stderr)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(exit.ExitCode())}
		return stream.Send(&pulumirpc.RunPluginResponse{Output: code})
	}
	return err
}

// runPlugin runs in the folder of the project that uses the plugin.
func runPlugin(
	ctx context.Context, tool toolchain.Toolchain, request *pulumirpc.RunPluginRequest, stdout, stderr io.Writer,
) error {
	words, err := pluginWords(request.GetInfo().GetProgramDirectory(), request.GetArgs())
	if err != nil {
		return err
	}
	command, err := tool.Command(context.Background(), words...)
	if err != nil {
		return err
	}
	command.Dir, command.Stdout, command.Stderr = request.GetPwd(), stdout, stderr
	inEnvironment(command, request.GetEnv()...)
	return lifeline.Run(ctx, command)
}

func pluginWords(folder string, arguments []string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(folder, "__main__.py")); err == nil {
		return append([]string{"-u", folder}, arguments...), nil
	}
	if built, err := toolchain.IsBuildablePackage(folder); err != nil {
		return nil, err
	} else if !built {
		return nil, fmt.Errorf("%s holds no plugin: neither __main__.py nor a pyproject.toml with a build system", folder)
	}
	project, err := toolchain.LoadPyproject(folder)
	if err != nil {
		return nil, err
	}
	return append([]string{"-u", "-m", "pulumi.run.plugin", project.Project.Name}, arguments...), nil
}

// runPack runs in the pack's folder. A pack reads the stack's configuration from its environment when it starts, which
// the engine tells through the protocol: until then the SDK's proxy stands before the pack.
func runPack(
	ctx context.Context, tool toolchain.Toolchain, request *pulumirpc.RunPluginRequest, stdout, stderr io.Writer,
) error {
	proxy, output, err := sdk.NewPolicyProxy(ctx, stdout)
	if err != nil {
		return err
	}
	stack, err := proxy.AwaitConfiguration(ctx)
	if err != nil {
		return err
	}
	folder := request.GetInfo().GetProgramDirectory()
	words := append([]string{"-u", "-m", "pulumi.policy"}, request.GetArgs()...)
	command, err := tool.Command(context.Background(), append(words, folder)...)
	if err != nil {
		return err
	}
	command.Dir, command.Stdout, command.Stderr = folder, output, stderr
	variables, err := stackVariables(stack)
	if err != nil {
		return err
	}
	inEnvironment(command, append(variables, request.GetEnv()...)...)
	err = lifeline.RunUntil(ctx, command, func() error {
		err := proxy.Attach(context.Background(), command)
		// A pack that cannot be attached to may run on.
		lifeline.Kill(command)
		return err
	})
	if err != nil {
		proxy.Abort(err)
	}
	return err
}

// stackVariables is how a pack is told for which stack it runs; for none when it is published.
func stackVariables(stack *pulumirpc.AnalyzerStackConfigureRequest) ([]string, error) {
	if stack == nil {
		return nil, nil
	}
	config, err := json.Marshal(stack.GetConfig())
	if err != nil {
		return nil, err
	}
	return []string{
		"PULUMI_ORGANIZATION=" + stack.GetOrganization(),
		"PULUMI_PROJECT=" + stack.GetProject(),
		"PULUMI_STACK=" + stack.GetStack(),
		"PULUMI_DRY_RUN=" + strconv.FormatBool(stack.GetDryRun()),
		"PULUMI_CONFIG=" + string(config),
	}, nil
}

// InstallDependencies creates the virtual environment of a program or plugin, and installs what it needs into it.
func (h *host) InstallDependencies(
	request *pulumirpc.InstallDependenciesRequest, server pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	ctx, cancel := h.until(server.Context())
	defer cancel()
	tool, err := python(request.GetInfo(), request.GetIsPlugin())
	if err != nil {
		return err
	}
	stream := &installStream{LanguageRuntime_InstallDependenciesServer: server}
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(stream, request.GetIsTerminal())
	if err != nil {
		return err
	}
	folder, versions := request.GetInfo().GetProgramDirectory(), request.GetUseLanguageVersionTools()
	err = install(ctx, tool, folder, request.GetIsPlugin(), versions, stdout, stderr)
	return errors.Join(err, closer.Close())
}

func install(
	ctx context.Context, tool toolchain.Toolchain, folder string, isPlugin, versions bool, stdout, stderr io.Writer,
) error {
	built, err := toolchain.IsBuildablePackage(folder)
	if err != nil {
		return err
	}
	if isPlugin && built {
		if err := tool.InstallPackage(ctx, folder, versions, true, stdout, stderr); err != nil {
			return err
		}
	}
	return tool.InstallDependencies(ctx, folder, versions, true, stdout, stderr)
}
