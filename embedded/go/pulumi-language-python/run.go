package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"istio-minikube/embedded/go/lifeline"
)

// What a program exits with after it has told the engine itself what is wrong.
const saidWhy = 32

// Run runs a program to its end.
func (h *host) Run(call context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	ctx, cancel := h.until(call)
	defer cancel()
	if request.GetAttachDebugger() {
		return nil, errors.New("this language host attaches no debugger")
	}
	tool, err := python(request.GetInfo(), false)
	if err != nil {
		return nil, err
	}
	if err := tool.ValidateVenv(ctx); err != nil {
		return nil, err
	}
	variables, err := configuration(request)
	if err != nil {
		return nil, err
	}
	// Not with ctx: lifeline ends it.
	program, err := tool.Command(context.Background(), arguments(h.executor, h.engine, request)...)
	if err != nil {
		return nil, err
	}
	inEnvironment(program, variables...)
	program.Stdout, program.Stderr = os.Stdout, os.Stderr
	return outcome(ctx, lifeline.Run(ctx, program)), nil
}

// outcome is what is said of a program that has finished. One that was ended has nothing to say.
func outcome(ctx context.Context, err error) *pulumirpc.RunResponse {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}
	case ctx.Err() != nil, errors.As(err, &exit) && exit.ExitCode() == saidWhy:
		return &pulumirpc.RunResponse{Bail: true}
	case exit != nil && exit.Exited():
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited with non-zero exit code: %d", exit.ExitCode())}
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program could not run: %v", err)}
	}
}

// arguments is the command line of the SDK's script, after Python itself.
func arguments(script, engine string, request *pulumirpc.RunRequest) []string {
	words := []string{"-u", script}
	for _, option := range [][2]string{
		{"--monitor", request.GetMonitorAddress()},
		{"--engine", engine},
		{"--project", request.GetProject()},
		{"--root_directory", request.GetInfo().GetRootDirectory()},
		{"--stack", request.GetStack()},
		{"--pwd", request.GetPwd()},
		{"--dry_run", strconv.FormatBool(request.GetDryRun())},
		{"--parallel", strconv.Itoa(int(request.GetParallel()))},
		{"--organization", request.GetOrganization()},
	} {
		if option[1] != "" {
			words = append(words, option[:]...)
		}
	}
	return append(append(words, request.GetInfo().GetEntryPoint()), request.GetArgs()...)
}

// configuration is how a program is told the configuration of its stack.
func configuration(request *pulumirpc.RunRequest) ([]string, error) {
	values, keys := request.GetConfig(), request.GetConfigSecretKeys()
	if values == nil {
		values = map[string]string{}
	}
	if keys == nil {
		keys = []string{}
	}
	config, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	secret, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	return []string{"PULUMI_CONFIG=" + string(config), "PULUMI_CONFIG_SECRET_KEYS=" + string(secret)}, nil
}
