package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// started is a host, asked through gRPC.
func started(t *testing.T) pulumirpc.LanguageRuntimeClient {
	t.Helper()
	cancel := make(chan bool)
	h := newHost("/the/script", "engine:1")
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, h)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", handle.Port)
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close(); h.end(); close(cancel); <-handle.Done })
	return pulumirpc.NewLanguageRuntimeClient(connection)
}

// project is a folder with a virtual environment whose Python is a shell script, in which $HERE is the folder.
func project(t *testing.T, python string) *pulumirpc.ProgramInfo {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "env", "bin", "python"), "#!/bin/sh\nHERE="+folder+"\n"+python)
	options, err := structpb.NewStruct(map[string]any{"virtualenv": "env"})
	if err != nil {
		t.Fatal(err)
	}
	return &pulumirpc.ProgramInfo{
		RootDirectory: folder, ProgramDirectory: folder, EntryPoint: ".", Options: options,
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, info *pulumirpc.ProgramInfo, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(info.GetRootDirectory(), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOptions(t *testing.T) {
	for name, test := range map[string]struct {
		options  map[string]any
		isPlugin bool
		expected toolchain.PythonOptions
		failure  string
	}{
		"none":                   {},
		"a virtual environment":  {options: map[string]any{"virtualenv": "e"}, expected: toolchain.PythonOptions{Virtualenv: "e"}},
		"pip":                    {options: map[string]any{"toolchain": "pip"}, expected: toolchain.PythonOptions{Toolchain: toolchain.Pip}},
		"uv":                     {options: map[string]any{"toolchain": "uv"}, expected: toolchain.PythonOptions{Toolchain: toolchain.Uv}},
		"poetry":                 {options: map[string]any{"toolchain": "poetry"}, expected: toolchain.PythonOptions{Toolchain: toolchain.Poetry}},
		"another toolchain":      {options: map[string]any{"toolchain": "conda"}, failure: `option toolchain is "conda"; accepted: pip, poetry, uv`},
		"not a string":           {options: map[string]any{"virtualenv": 1}, failure: "option virtualenv is 1; accepted: a string"},
		"a typechecker":          {options: map[string]any{"typechecker": "mypy"}, failure: "option typechecker is mypy"},
		"an option of the later": {options: map[string]any{"later": 1}},
		"a plugin":               {isPlugin: true, expected: toolchain.PythonOptions{Virtualenv: "venv"}},
		"a plugin with uv": {
			isPlugin: true, options: map[string]any{"toolchain": "uv"}, expected: toolchain.PythonOptions{Toolchain: toolchain.Uv},
		},
		"a plugin with an environment": {
			isPlugin: true, options: map[string]any{"virtualenv": "e"}, expected: toolchain.PythonOptions{Virtualenv: "e"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			options, err := structpb.NewStruct(test.options)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parse(&pulumirpc.ProgramInfo{Options: options}, test.isPlugin)
			if test.failure != "" {
				if err == nil || !strings.Contains(err.Error(), test.failure) {
					t.Fatalf("got %v", err)
				}
			} else if err != nil || got != test.expected {
				t.Fatalf("got %v, %v", got, err)
			}
		})
	}
}

func TestAProgramIsToldWhatTheSDKReads(t *testing.T) {
	info := project(t, `printf '%s\n' "$@" >$HERE/words
echo "$PULUMI_CONFIG $PULUMI_CONFIG_SECRET_KEYS $VIRTUAL_ENV" >$HERE/variables`)
	response, err := started(t).Run(t.Context(), &pulumirpc.RunRequest{
		Info: info, Project: "p", Stack: "s", Pwd: "/", Args: []string{"argument"}, DryRun: true, Parallel: 4,
		MonitorAddress: "monitor:1", Organization: "o",
		Config: map[string]string{"p:key": "a \"b\""}, ConfigSecretKeys: []string{"p:key"},
	})
	if err != nil || response.GetError() != "" || response.GetBail() {
		t.Fatalf("got %v, %v", response, err)
	}
	root := info.GetRootDirectory()
	expected := "-u /the/script --monitor monitor:1 --engine engine:1 --project p --root_directory " + root +
		" --stack s --pwd / --dry_run true --parallel 4 --organization o . argument"
	if got := strings.Join(strings.Fields(read(t, info, "words")), " "); got != expected {
		t.Errorf("got %s", got)
	}
	variables := `{"p:key":"a \"b\""} ["p:key"] ` + root + "/env\n"
	if got := read(t, info, "variables"); got != variables {
		t.Errorf("got %s", got)
	}
}

func TestAStackWithoutConfigurationHasAnEmptyOne(t *testing.T) {
	got, err := configuration(&pulumirpc.RunRequest{})
	if err != nil || !slices.Equal(got, []string{"PULUMI_CONFIG={}", "PULUMI_CONFIG_SECRET_KEYS=[]"}) {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestHowAProgramEnds(t *testing.T) {
	for python, expected := range map[string]*pulumirpc.RunResponse{
		"exit 0":        {},
		"exit 32":       {Bail: true},
		"exit 7":        {Error: "program exited with non-zero exit code: 7"},
		"kill -KILL $$": {Error: "the program could not run: signal: killed"},
	} {
		t.Run(python, func(t *testing.T) {
			got, err := started(t).Run(t.Context(), &pulumirpc.RunRequest{Info: project(t, python)})
			if err != nil || got.GetError() != expected.GetError() || got.GetBail() != expected.GetBail() {
				t.Fatalf("got %v, %v", got, err)
			}
		})
	}
}

func TestAMissingEnvironmentIsNamed(t *testing.T) {
	info := project(t, "")
	if err := os.RemoveAll(filepath.Join(info.GetRootDirectory(), "env")); err != nil {
		t.Fatal(err)
	}
	_, err := started(t).Run(t.Context(), &pulumirpc.RunRequest{Info: info})
	if err == nil || !strings.Contains(err.Error(), `'virtualenv' option in Pulumi.yaml is set to "env"`) {
		t.Fatalf("got %v", err)
	}
}

func TestAProgramEndsWithTheCallOrWithCancel(t *testing.T) {
	for name, end := range map[string]func(pulumirpc.LanguageRuntimeClient, context.CancelFunc) error{
		"the call is given up": func(_ pulumirpc.LanguageRuntimeClient, giveUp context.CancelFunc) error {
			giveUp()
			return nil
		},
		"cancelled": func(client pulumirpc.LanguageRuntimeClient, _ context.CancelFunc) error {
			_, err := client.Cancel(context.Background(), &emptypb.Empty{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := started(t)
			info := project(t, "echo $$ >$HERE/pid.part; mv $HERE/pid.part $HERE/pid; sleep 60")
			ctx, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			done := make(chan *pulumirpc.RunResponse, 1)
			go func() {
				response, _ := client.Run(ctx, &pulumirpc.RunRequest{Info: info}) // its error is the call's end
				done <- response
			}()
			file := filepath.Join(info.GetRootDirectory(), "pid")
			eventually(t, "a process id", func() bool { _, err := os.Stat(file); return err == nil })
			pid, err := strconv.Atoi(strings.TrimSpace(read(t, info, "pid")))
			if err != nil {
				t.Fatal(err)
			}
			if err := end(client, giveUp); err != nil {
				t.Fatal(err)
			}
			if response := <-done; response != nil && !response.GetBail() {
				t.Errorf("got %v", response)
			}
			// The host's own child: it is no zombie once it has been waited for.
			eventually(t, "the program's end", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
		})
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within a minute: %s", what)
}

// received is all that a plugin's stream tells.
func received(t *testing.T, client pulumirpc.LanguageRuntimeClient, request *pulumirpc.RunPluginRequest) (
	stdout, stderr string, code int32,
) {
	t.Helper()
	stream, err := client.RunPlugin(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stdout, stderr, code
		}
		if err != nil {
			t.Fatal(err)
		}
		stdout += string(response.GetStdout())
		stderr += string(response.GetStderr())
		code += response.GetExitcode()
	}
}

func TestAPluginRunsInTheFolderOfItsUser(t *testing.T) {
	info, user := project(t, `echo "$@"; pwd -P; echo "$A" >&2; exit 3`), t.TempDir()
	folder := info.GetProgramDirectory()
	write(t, filepath.Join(folder, "__main__.py"), "")
	if err := os.Rename(filepath.Join(folder, "env"), filepath.Join(folder, "venv")); err != nil {
		t.Fatal(err)
	}
	info.Options = nil // a plugin's environment has a name of its own then
	stdout, stderr, code := received(t, started(t), &pulumirpc.RunPluginRequest{
		Info: info, Kind: "resource", Pwd: user, Args: []string{"engine:1"}, Env: []string{"A=a"},
	})
	if stdout != "-u "+folder+" engine:1\n"+user+"\n" || stderr != "a\n" || code != 3 {
		t.Fatalf("got %q, %q, %d", stdout, stderr, code)
	}
}

func TestAPluginIsAFolderOrAPackage(t *testing.T) {
	folder := t.TempDir()
	if _, err := pluginWords(folder, nil); err == nil || !strings.Contains(err.Error(), folder+" holds no plugin") {
		t.Errorf("got %v", err)
	}
	write(t, filepath.Join(folder, "pyproject.toml"), "[project]\nname = \"a\"\n[build-system]\nbuild-backend = \"b\"\n")
	got, err := pluginWords(folder, []string{"e"})
	if err != nil || !slices.Equal(got, []string{"-u", "-m", "pulumi.run.plugin", "a", "e"}) {
		t.Errorf("got %q, %v", got, err)
	}
	write(t, filepath.Join(folder, "__main__.py"), "")
	if got, err = pluginWords(folder, []string{"e"}); err != nil || !slices.Equal(got, []string{"-u", folder, "e"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAPackIsToldTheStacksConfiguration(t *testing.T) {
	if got, err := stackVariables(nil); err != nil || got != nil {
		t.Errorf("got %q, %v", got, err)
	}
	got, err := stackVariables(&pulumirpc.AnalyzerStackConfigureRequest{
		Stack: "s", Project: "p", Organization: "o", DryRun: true, Config: map[string]string{"p:a": "b"},
	})
	expected := []string{
		"PULUMI_ORGANIZATION=o", "PULUMI_PROJECT=p", "PULUMI_STACK=s", "PULUMI_DRY_RUN=true", `PULUMI_CONFIG={"p:a":"b"}`,
	}
	if err != nil || !slices.Equal(got, expected) {
		t.Errorf("got %q, %v", got, err)
	}
}

// installed is what the stream of an installation tells, and its error.
func installed(
	t *testing.T, client pulumirpc.LanguageRuntimeClient, request *pulumirpc.InstallDependenciesRequest,
) (string, error) {
	t.Helper()
	stream, err := client.InstallDependencies(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return told.String(), nil
		}
		if err != nil {
			return told.String(), err
		}
		told.Write(response.GetStdout())
		told.Write(response.GetStderr())
	}
}

// unprepared is a project whose virtual environment is still to be created, by the Python on PATH; the Python of the
// environment is a shell script.
func unprepared(t *testing.T, python string) *pulumirpc.ProgramInfo {
	t.Helper()
	bin, info := t.TempDir(), project(t, "")
	if err := os.RemoveAll(filepath.Join(info.GetRootDirectory(), "env")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(bin, "of-the-environment"), "#!/bin/sh\n"+python)
	write(t, filepath.Join(bin, "python3"), `#!/bin/sh
mkdir -p "$3/bin"; cp "$(dirname "$0")/of-the-environment" "$3/bin/python"`)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	write(t, filepath.Join(info.GetProgramDirectory(), "requirements.txt"), "a")
	return info
}

func TestInstallingCreatesTheEnvironment(t *testing.T) {
	info := unprepared(t, `echo "asked: $*"; echo "aside" >&2`)
	folder := info.GetProgramDirectory()
	write(t, filepath.Join(folder, "pyproject.toml"), "[project]\nname = \"a\"\n[build-system]\nbuild-backend = \"b\"\n")
	told, err := installed(t, started(t), &pulumirpc.InstallDependenciesRequest{Info: info})
	if err != nil {
		t.Fatal(err)
	}
	for _, expected := range []string{"asked: -m pip install -r requirements.txt\n", "aside\n"} {
		if !strings.Contains(told, expected) {
			t.Errorf("got %q", told)
		}
	}
	if strings.Contains(told, "install "+folder) {
		t.Errorf("a program was installed as a package: %q", told)
	}
	told, err = installed(t, started(t), &pulumirpc.InstallDependenciesRequest{Info: info, IsPlugin: true})
	if err != nil || !strings.Contains(told, "asked: -m pip install "+folder+"\n") {
		t.Errorf("got %q, %v", told, err)
	}
}

func TestAProgramGetsItsEnvironmentBeforeItRuns(t *testing.T) {
	info := unprepared(t, "")
	response, err := started(t).GetRequiredPackages(t.Context(), &pulumirpc.GetRequiredPackagesRequest{Info: info})
	if err != nil || len(response.GetPackages()) > 0 {
		t.Fatalf("got %v, %v", response, err)
	}
	if _, err := os.Stat(filepath.Join(info.GetRootDirectory(), "env", "bin", "python")); err != nil {
		t.Fatal(err)
	}
}

func TestAFailedInstallationIsAnError(t *testing.T) {
	info := unprepared(t, "echo no such package >&2; exit 1")
	if _, err := installed(t, started(t), &pulumirpc.InstallDependenciesRequest{Info: info}); err == nil ||
		!strings.Contains(err.Error(), "no such package") {
		t.Fatalf("got %v", err)
	}
}

func TestAboutTellsWhichPythonAndWhichPackages(t *testing.T) {
	info := project(t, `case "$*" in
*--not-required*) echo '[{"name": "A_b", "version": "1"}]' ;;
"-m pip list"*) echo '[{"name": "A_b", "version": "1"}, {"name": "c", "version": "2"}]' ;;
"-m pip --version"*) echo pip 25.1 ;;
*--version*) echo Python 3.11.4 ;;
*) echo /the/python ;;
esac`)
	client := started(t)
	about, err := client.About(t.Context(), &pulumirpc.AboutRequest{Info: info})
	if err != nil || about.GetExecutable() != "/the/python" || about.GetVersion() != "3.11.4" {
		t.Errorf("got %v, %v", about, err)
	}
	if got := about.GetMetadata()["languageHost"]; got != "stand-in of istio-minikube" {
		t.Errorf("got %q", got)
	}
	for transitive, expected := range map[bool]string{false: "a-b1", true: "a-b1c2"} {
		response, err := client.GetProgramDependencies(
			t.Context(), &pulumirpc.GetProgramDependenciesRequest{Info: info, TransitiveDependencies: transitive},
		)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, found := range response.GetDependencies() {
			got += found.GetName() + found.GetVersion()
		}
		if got != expected {
			t.Errorf("got %s", got)
		}
	}
}

func TestAnEngineCanIntroduceItself(t *testing.T) {
	info := project(t, `printf '%s\n' "$@" >$HERE/words`)
	client := started(t)
	request := &pulumirpc.LanguageHandshakeRequest{EngineAddress: "other:1"}
	if _, err := client.Handshake(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Run(t.Context(), &pulumirpc.RunRequest{Info: info}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, info, "words"); !strings.Contains(got, "--engine\nother:1\n") {
		t.Fatalf("got %q", got)
	}
}

func TestAnAddedSDKIsRequiredAndImportable(t *testing.T) {
	info := project(t, "")
	folder := info.GetProgramDirectory()
	write(t, filepath.Join(folder, "requirements.txt"), "pulumi\n")
	request := &pulumirpc.LinkRequest{
		Info: info, Packages: []*pulumirpc.LinkRequest_LinkDependency{{Path: "sdks/a"}},
	}
	client := started(t)
	if _, err := client.Link(t.Context(), request); err == nil ||
		!strings.Contains(err.Error(), folder+"/sdks/a has 0 modules") {
		t.Fatalf("got %v", err)
	}
	write(t, filepath.Join(folder, "sdks", "a", "pulumi_a", "pulumi-plugin.json"), "{}")
	for range 2 {
		response, err := client.Link(t.Context(), request)
		if err != nil || !strings.Contains(response.GetImportInstructions(), "import pulumi_a as a\n") {
			t.Fatalf("got %v, %v", response, err)
		}
	}
	if got := read(t, info, "requirements.txt"); got != "pulumi\nsdks/a\n" {
		t.Fatalf("got %q", got)
	}
}
