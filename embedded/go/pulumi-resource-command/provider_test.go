package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

const urn = "urn:pulumi:stack::project::command:local:Command::name"

// engine keeps what is logged.
type engine struct {
	pulumirpc.UnimplementedEngineServer
	lock  sync.Mutex
	lines []string
}

func (e *engine) Log(_ context.Context, request *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	e.lock.Lock()
	defer e.lock.Unlock()
	e.lines = append(e.lines, request.GetMessage())
	return &emptypb.Empty{}, nil
}

func (e *engine) logged() []string {
	e.lock.Lock()
	defer e.lock.Unlock()
	return slices.Clone(e.lines)
}

// serving serves on a free port until the test's end.
func serving(t *testing.T, register func(*grpc.Server)) *grpc.ClientConn {
	t.Helper()
	cancel := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel, Init: func(server *grpc.Server) error { register(server); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", handle.Port)
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close(); close(cancel); <-handle.Done })
	return connection
}

// started is the plugin, asked through gRPC, with an engine beside it.
func started(t *testing.T) (pulumirpc.ResourceProviderClient, *engine) {
	t.Helper()
	e := &engine{}
	logs := serving(t, func(server *grpc.Server) { pulumirpc.RegisterEngineServer(server, e) })
	p := newProvider(pulumirpc.NewEngineClient(logs))
	return pulumirpc.NewResourceProviderClient(
		serving(t, func(server *grpc.Server) { pulumirpc.RegisterResourceProviderServer(server, p) }),
	), e
}

type values = map[string]any

// sent is properties as the engine sends them. A string that begins with "secret " is marked, "unknown" is not known.
func sent(t *testing.T, from values) *structpb.Struct {
	t.Helper()
	whole := resource.NewPropertyMapFromMapRepl(from, nil, func(value any) (resource.PropertyValue, bool) {
		text, isText := value.(string)
		switch {
		case isText && strings.HasPrefix(text, "secret "):
			return resource.MakeSecret(resource.NewProperty(text)), true
		case text == "unknown":
			return resource.MakeComputed(resource.NewProperty("")), true
		}
		return resource.PropertyValue{}, false
	})
	marshalled, err := plugin.MarshalProperties(whole, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	if err != nil {
		t.Fatal(err)
	}
	return marshalled
}

func received(t *testing.T, properties *structpb.Struct) resource.PropertyMap {
	t.Helper()
	read, err := unmarshal(properties)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func create(t *testing.T, client pulumirpc.ResourceProviderClient, inputs values) (resource.PropertyMap, error) {
	t.Helper()
	response, err := client.Create(
		t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: sent(t, inputs)},
	)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(response.GetId(), "name") {
		t.Errorf("id %q", response.GetId())
	}
	return received(t, response.GetProperties()), nil
}

func TestCreate(t *testing.T) {
	folder := t.TempDir()
	for name, test := range map[string]struct {
		inputs         values
		stdout, stderr string
	}{
		"both outputs, without the last newline": {values{"create": "echo a; echo b; echo c >&2"}, "a\nb", "c"},
		"standard input":                         {values{"create": "cat", "stdin": "in"}, "in", ""},
		"no standard input":                      {values{"create": "cat"}, "", ""},
		"variables": {
			values{"create": `echo "$A $HOME"`, "environment": values{"A": "a", "HOME": "h"}}, "a h", "",
		},
		"a folder":             {values{"create": "pwd -P", "dir": folder}, folder, ""},
		"an interpreter":       {values{"create": "text", "interpreter": []any{"echo", "-n", "a"}}, "a text", ""},
		"no interpreter":       {values{"create": "echo a", "interpreter": []any{}}, "a", ""},
		"nothing to create":    {values{"delete": "echo a"}, "", ""},
		"nothing before":       {values{"create": `echo "${PULUMI_COMMAND_STDOUT-none}"`}, "none", ""},
		"a line of a megabyte": {values{"create": "head -c 1000000 /dev/zero | tr '\\0' a"}, strings.Repeat("a", 1000000), ""},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := started(t)
			state, err := create(t, client, test.inputs)
			if err != nil {
				t.Fatal(err)
			}
			if got := state["stdout"].StringValue(); got != test.stdout {
				t.Errorf("stdout %q", got)
			}
			if got := state["stderr"].StringValue(); got != test.stderr {
				t.Errorf("stderr %q", got)
			}
			for name := range test.inputs {
				if !state.HasValue(resource.PropertyKey(name)) {
					t.Errorf("input %s is not in the state", name)
				}
			}
		})
	}
}

func TestAFailureTellsWhatTheCommandHasWritten(t *testing.T) {
	client, _ := started(t)
	command := "echo a; echo b >&2; exit 3"
	_, err := create(t, client, values{"create": command, "logging": "none"})
	if err == nil {
		t.Fatal("no error")
	}
	// Which of two outputs is read first is not known.
	for _, expected := range []string{fmt.Sprintf("exit status 3: running %q:\n", command), "\na\n", "\nb\n"} {
		if !strings.Contains(err.Error(), expected) {
			t.Errorf("got %v", err)
		}
	}
	if _, err = create(t, client, values{"create": "true", "dir": "/no/such/folder"}); err == nil {
		t.Fatal("it ran in a folder that is not there")
	}
}

func TestOutputIsLoggedAsAsked(t *testing.T) {
	for logging, expected := range map[string][]string{
		"": {"o", "e", "rest"}, "stdoutAndStderr": {"o", "e", "rest"}, "stdout": {"o", "rest"}, "stderr": {"e"}, "none": nil,
	} {
		t.Run("logging "+logging, func(t *testing.T) {
			client, engine := started(t)
			inputs := values{"create": "echo o; echo e >&2; printf rest"}
			if logging != "" {
				inputs["logging"] = logging
			}
			if _, err := create(t, client, inputs); err != nil {
				t.Fatal(err)
			}
			got := engine.logged()
			slices.Sort(got)
			slices.Sort(expected)
			if !slices.Equal(got, expected) {
				t.Fatalf("got %q", got)
			}
		})
	}
}

func TestLinesAreLoggedWhileTheCommandRuns(t *testing.T) {
	client, engine := started(t)
	file := filepath.Join(t.TempDir(), "go-on")
	done := make(chan error, 1)
	inputs := sent(t, values{"create": fmt.Sprintf("echo first; until [ -e %s ]; do sleep 0.05; done", file)})
	go func() {
		_, err := client.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urn, Properties: inputs})
		done <- err
	}()
	for !slices.Contains(engine.logged(), "first") {
		select {
		case err := <-done:
			t.Fatalf("it finished before its line was logged: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestUpdate(t *testing.T) {
	show := `echo "$PULUMI_COMMAND_STDOUT,$PULUMI_COMMAND_STDERR"`
	for name, test := range map[string]struct {
		inputs values
		stdout string
	}{
		"the command for it":          {values{"create": "echo created", "update": show}, "out,err"},
		"create if there is none":     {values{"create": show}, "out,err"},
		"nothing to run":              {values{"delete": "true"}, "out"},
		"without what was before":     {values{"update": show, "addPreviousOutputInEnv": false}, ","},
		"with what was before, asked": {values{"update": show, "addPreviousOutputInEnv": true}, "out,err"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := started(t)
			response, err := client.Update(t.Context(), &pulumirpc.UpdateRequest{
				Urn: urn, News: sent(t, test.inputs), Olds: sent(t, values{"stdout": "out", "stderr": "err"}),
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := received(t, response.GetProperties())["stdout"].StringValue(); got != test.stdout {
				t.Fatalf("got %q", got)
			}
		})
	}
}

func TestDeleteKnowsWhatWasWritten(t *testing.T) {
	client, _ := started(t)
	file := filepath.Join(t.TempDir(), "deleted")
	state := values{"delete": `echo "$PULUMI_COMMAND_STDOUT" >` + file, "stdout": "out", "stderr": ""}
	request := &pulumirpc.DeleteRequest{Urn: urn, Properties: sent(t, state)}
	if _, err := client.Delete(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "out\n" {
		t.Fatalf("got %q, %v", got, err)
	}
	request.Properties = sent(t, values{"create": "exit 1"})
	if _, err := client.Delete(t.Context(), request); err != nil {
		t.Fatalf("nothing to delete: %v", err)
	}
	request.Properties = sent(t, values{"delete": "exit 1"})
	if _, err := client.Delete(t.Context(), request); err == nil {
		t.Fatal("a failed deletion is no error")
	}
}

func TestOutputsOfSecretsAreSecret(t *testing.T) {
	client, _ := started(t)
	state, err := create(t, client, values{"create": `echo "$A"`, "environment": values{"A": "secret a"}})
	if err != nil {
		t.Fatal(err)
	}
	if !state["stdout"].IsSecret() || state["stdout"].SecretValue().Element.StringValue() != "secret a" {
		t.Errorf("stdout %v", state["stdout"])
	}
	if !state["stderr"].IsSecret() || !state["environment"].ContainsSecrets() {
		t.Errorf("state %v", state)
	}
	if state["create"].IsSecret() {
		t.Error("what is not secret became so")
	}
}

func TestAPreviewRunsNothing(t *testing.T) {
	client, _ := started(t)
	file := filepath.Join(t.TempDir(), "ran")
	inputs := sent(t, values{"create": "touch " + file, "update": "touch " + file, "stdin": "unknown"})
	created, err := client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: inputs, Preview: true})
	if err != nil {
		t.Fatal(err)
	}
	olds := sent(t, values{"stdout": "old"})
	updated, err := client.Update(
		t.Context(), &pulumirpc.UpdateRequest{Urn: urn, News: inputs, Olds: olds, Preview: true},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []*structpb.Struct{created.GetProperties(), updated.GetProperties()} {
		if got := received(t, state); !got["stdout"].IsComputed() || !got["stdin"].IsComputed() || !got["create"].IsString() {
			t.Errorf("got %v", got)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("a command ran")
	}
}

func TestReadFindsWhatWas(t *testing.T) {
	client, _ := started(t)
	state := sent(t, values{"create": "true", "stdout": "out", "stderr": ""})
	response, err := client.Read(t.Context(), &pulumirpc.ReadRequest{Urn: urn, Id: "i", Properties: state, Inputs: state})
	if err != nil || response.GetId() != "i" || !received(t, response.GetProperties()).DeepEquals(received(t, state)) {
		t.Fatalf("got %v, %v", response, err)
	}
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		inputs   values
		expected string // a part of the reason; empty if the inputs are right
	}{
		"all inputs": {
			values{
				"create": "a", "update": "secret a", "delete": "unknown", "stdin": "a", "dir": "a", "logging": "stderr",
				"interpreter": []any{"a", "unknown"}, "environment": values{"A": "secret a"},
				"triggers": []any{1.0, values{"a": true}}, "addPreviousOutputInEnv": true, "__defaults": []any{},
			}, "",
		},
		"an unknown input": {values{"assetPaths": []any{"a"}}, "assetPaths is not known to this stand-in of pulumi-command"},
		"not a string":     {values{"create": 1.0}, "create is of type number; accepted: a string"},
		"not a boolean":    {values{"addPreviousOutputInEnv": "yes"}, "accepted: true or false"},
		"not a list":       {values{"interpreter": "sh"}, "interpreter is of type string; accepted: a list"},
		"not a map":        {values{"environment": []any{}}, "accepted: a map"},
		"in a list":        {values{"interpreter": []any{"sh", 1.0}}, "interpreter[1] is of type number; accepted: a string"},
		"in a map":         {values{"environment": values{"A": true}}, "environment.A is of type bool; accepted: a string"},
		"not enumerated": {
			values{"logging": "all"}, "logging is all; accepted: stdout, stderr, stdoutAndStderr, none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := started(t)
			response, err := client.Check(t.Context(), &pulumirpc.CheckRequest{Urn: urn, News: sent(t, test.inputs)})
			if err != nil {
				t.Fatal(err)
			}
			var reasons []string
			for _, failure := range response.GetFailures() {
				reasons = append(reasons, failure.GetReason())
			}
			got := strings.Join(reasons, "; ")
			if (test.expected == "") != (got == "") || !strings.Contains(got, test.expected) {
				t.Fatalf("got %q", got)
			}
		})
	}
}

func TestOtherResourcesAreRefused(t *testing.T) {
	client, _ := started(t)
	request := &pulumirpc.CheckRequest{Urn: strings.Replace(urn, "local", "remote", 1), News: sent(t, values{})}
	if _, err := client.Check(t.Context(), request); err == nil || !strings.Contains(err.Error(), "command:remote:Command") {
		t.Fatalf("got %v", err)
	}
}

func TestDiff(t *testing.T) {
	old := values{"create": "a", "triggers": []any{"t"}, "environment": values{"A": "a"}}
	for name, test := range map[string]struct {
		change   values
		ignore   []string
		updates  []string // paths
		replaces []string
	}{
		"nothing":                {},
		"another command":        {change: values{"create": "b"}, updates: []string{"create"}},
		"one of the variables":   {change: values{"environment": values{"A": "b"}}, updates: []string{"environment.A"}},
		"an input more":          {change: values{"stdin": "a"}, updates: []string{"stdin"}},
		"an input not yet known": {change: values{"create": "unknown"}, updates: []string{"create"}},
		"ignored":                {change: values{"create": "b", "stdin": "a"}, ignore: []string{"create", "stdin"}},
		"the engine's own":       {change: values{"__defaults": []any{"a"}}},
		"another trigger":        {change: values{"triggers": []any{"u"}}, replaces: []string{"triggers[0]"}},
		"a trigger more":         {change: values{"triggers": []any{"t", 1.0}}, replaces: []string{"triggers[1]"}},
		"an unknown trigger":     {change: values{"triggers": []any{"unknown"}}, replaces: []string{"triggers[0]"}},
		"no triggers":            {change: values{"triggers": nil}, replaces: []string{"triggers"}},
		"a trigger in a trigger": {
			change: values{"triggers": []any{values{"a": 1.0}}}, replaces: []string{"triggers[0]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := started(t)
			news := values{}
			for _, from := range []values{old, test.change} {
				for key, value := range from {
					news[key] = value
				}
			}
			response, err := client.Diff(t.Context(), &pulumirpc.DiffRequest{
				Urn: urn, OldInputs: sent(t, old), News: sent(t, news), IgnoreChanges: test.ignore,
				Olds: sent(t, values{"create": "not looked at"}),
			})
			if err != nil {
				t.Fatal(err)
			}
			changed := response.GetChanges() == pulumirpc.DiffResponse_DIFF_SOME
			if changed != (len(test.updates)+len(test.replaces) > 0) {
				t.Errorf("changes: %v", response.GetChanges())
			}
			if !slices.Equal(response.GetReplaces(), test.replaces) {
				t.Errorf("replaces %q", response.GetReplaces())
			}
			for _, path := range append(slices.Clone(test.updates), test.replaces...) {
				if kind, isThere := response.GetDetailedDiff()[path]; !isThere ||
					strings.HasSuffix(kind.GetKind().String(), "_REPLACE") != slices.Contains(test.replaces, path) {
					t.Errorf("%s: %v", path, response.GetDetailedDiff())
				}
			}
			if len(response.GetDetailedDiff()) != len(test.updates)+len(test.replaces) {
				t.Errorf("got %v", response.GetDetailedDiff())
			}
		})
	}
}

func TestCancelInterruptsAndLetsNothingStart(t *testing.T) {
	client, engine := started(t)
	done := make(chan error, 1)
	inputs := sent(t, values{"create": "trap 'echo interrupted; exit 1' TERM; echo up; sleep 60 & wait"})
	go func() {
		_, err := client.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urn, Properties: inputs})
		done <- err
	}()
	for !slices.Contains(engine.logged(), "up") {
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := client.Cancel(t.Context(), &emptypb.Empty{}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "context canceled") ||
		!strings.Contains(err.Error(), "\nup\ninterrupted\n") {
		t.Fatalf("got %v", err)
	}
	if _, err := create(t, client, values{"create": "true"}); err == nil {
		t.Fatal("a command started after Cancel")
	}
}

func TestATimeoutInterrupts(t *testing.T) {
	client, _ := started(t)
	inputs := sent(t, values{"create": "sleep 60"})
	_, err := client.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: inputs, Timeout: 0.1})
	if err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
		t.Fatalf("got %v", err)
	}
}

func TestTheFunctionRuns(t *testing.T) {
	client, _ := started(t)
	invoke := func(token string, arguments values) (*pulumirpc.InvokeResponse, error) {
		return client.Invoke(t.Context(), &pulumirpc.InvokeRequest{Tok: token, Args: sent(t, arguments)})
	}
	response, err := invoke(runFunction, values{"command": "cat", "stdin": "a"})
	if err != nil {
		t.Fatal(err)
	}
	if got := received(t, response.GetReturn()); got["stdout"].StringValue() != "a" || got["command"].StringValue() != "cat" {
		t.Errorf("got %v", got)
	}
	if response, err = invoke(runFunction, values{"command": 1.0}); err != nil || len(response.GetFailures()) != 1 {
		t.Errorf("got %v, %v", response, err)
	}
	if _, err = invoke("command:local:other", values{}); err == nil {
		t.Error("an unknown function ran")
	}
}

func TestTheSchemaSaysWhatThePluginIs(t *testing.T) {
	client, _ := started(t)
	response, err := client.GetSchema(t.Context(), &pulumirpc.GetSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Name, Version string
		Resources     map[string]struct {
			InputProperties, Properties map[string]any
		}
	}
	if err := json.Unmarshal([]byte(response.GetSchema()), &got); err != nil {
		t.Fatal(err)
	}
	info, err := client.GetPluginInfo(t.Context(), &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "command" || got.Version != version || info.GetVersion() != version || !strings.Contains(version, "+of.") {
		t.Errorf("%s %s, plugin %s", got.Name, got.Version, info.GetVersion())
	}
	for name := range got.Resources[commandType].InputProperties {
		if _, isThere := got.Resources[commandType].Properties[name]; !isThere {
			t.Errorf("input %s is no property", name)
		}
	}
}
