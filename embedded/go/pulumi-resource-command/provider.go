package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

type provider struct {
	pulumirpc.UnimplementedResourceProviderServer
	engine pulumirpc.EngineClient
	ended  context.Context // done when the CLI wants no more commands to run
	end    context.CancelFunc
}

func newProvider(engine pulumirpc.EngineClient) *provider {
	ended, end := context.WithCancel(context.Background())
	return &provider{engine: engine, ended: ended, end: end}
}

func (p *provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

func (p *provider) GetSchema(context.Context, *pulumirpc.GetSchemaRequest) (*pulumirpc.GetSchemaResponse, error) {
	text, err := schemaOf(version)
	return &pulumirpc.GetSchemaResponse{Schema: text}, err
}

func (p *provider) CheckConfig(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: request.GetNews()}, nil
}

func (p *provider) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{}, nil
}

func (p *provider) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true}, nil
}

// Cancel interrupts the commands that run, and lets no other start.
func (p *provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	p.end()
	return &emptypb.Empty{}, nil
}

func (p *provider) Check(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	if kind := string(resource.URN(request.GetUrn()).Type()); kind != commandType {
		return nil, fmt.Errorf("resource type %s is not known to this stand-in of pulumi-command; accepted: %s", kind, commandType)
	}
	inputs, err := unmarshal(request.GetNews())
	if err != nil {
		return nil, err
	}
	failures := schema.Resources[commandType].InputProperties.failures(inputs)
	return &pulumirpc.CheckResponse{Inputs: request.GetNews(), Failures: failures}, nil
}

// Diff: a change of any input is an update, of a trigger a replacement.
func (p *provider) Diff(_ context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	old, err := unmarshal(request.GetOldInputs())
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(request.GetNews())
	if err != nil {
		return nil, err
	}
	ignored := func(key resource.PropertyKey) bool {
		return strings.HasPrefix(string(key), "__") || slices.Contains(request.GetIgnoreChanges(), string(key))
	}
	response := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true,
		DetailedDiff: map[string]*pulumirpc.PropertyDiff{},
	}
	known := schema.Resources[commandType].InputProperties
	for path, found := range plugin.NewDetailedDiffFromObjectDiff(old.Diff(news, ignored), true) {
		name, _, _ := strings.Cut(path, "[")
		name, _, _ = strings.Cut(name, ".")
		if kind, isKnown := known[name]; isKnown && kind.ReplaceOnChanges {
			found = found.ToReplace()
			response.Replaces = append(response.Replaces, path)
		}
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		response.Diffs = append(response.Diffs, name)
		response.DetailedDiff[path] = &pulumirpc.PropertyDiff{
			Kind: pulumirpc.PropertyDiff_Kind(found.Kind), InputDiff: true,
		}
	}
	return response, nil
}

func (p *provider) Create(ctx context.Context, request *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	ctx, cancel := p.until(ctx, request.GetTimeout())
	defer cancel()
	urn := resource.URN(request.GetUrn())
	id, err := resource.NewUniqueHex(urn.Name(), 8, 0)
	if err != nil {
		return nil, err
	}
	state, err := p.outcome(ctx, urn, request.GetProperties(), nil, request.GetPreview(), "create")
	return &pulumirpc.CreateResponse{Id: id, Properties: state}, err
}

func (p *provider) Update(ctx context.Context, request *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	ctx, cancel := p.until(ctx, request.GetTimeout())
	defer cancel()
	urn := resource.URN(request.GetUrn())
	state, err := p.outcome(ctx, urn, request.GetNews(), request.GetOlds(), request.GetPreview(), "update", "create")
	return &pulumirpc.UpdateResponse{Properties: state}, err
}

func (p *provider) Delete(ctx context.Context, request *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	ctx, cancel := p.until(ctx, request.GetTimeout())
	defer cancel()
	last := request.GetProperties()
	_, err := p.outcome(ctx, resource.URN(request.GetUrn()), last, last, false, "delete")
	return &emptypb.Empty{}, err
}

// Read finds a command as it was: what it has done cannot be looked up.
func (p *provider) Read(_ context.Context, request *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	return &pulumirpc.ReadResponse{
		Id: request.GetId(), Properties: request.GetProperties(), Inputs: request.GetInputs(),
	}, nil
}

// Invoke is command:local:run.
func (p *provider) Invoke(ctx context.Context, request *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	if request.GetTok() != runFunction {
		return nil, fmt.Errorf(
			"function %s is not known to this stand-in of pulumi-command; accepted: %s", request.GetTok(), runFunction,
		)
	}
	ctx, cancel := p.until(ctx, 0)
	defer cancel()
	inputs, err := unmarshal(request.GetArgs())
	if err != nil {
		return nil, err
	}
	if failures := schema.Functions[runFunction].Inputs.Properties.failures(inputs); len(failures) > 0 {
		return &pulumirpc.InvokeResponse{Failures: failures}, nil
	}
	state, err := p.outcome(ctx, "", request.GetArgs(), nil, false, "command")
	return &pulumirpc.InvokeResponse{Return: state}, err
}

// until is done with a call, with its time in seconds unless that is 0, and with everything.
func (p *provider) until(call context.Context, seconds float64) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(call)
	stop := context.AfterFunc(p.ended, cancel)
	if seconds <= 0 {
		return ctx, func() { stop(); cancel() }
	}
	limited, release := context.WithTimeout(ctx, time.Duration(seconds*float64(time.Second)))
	return limited, func() { stop(); release(); cancel() }
}

// outcome is a resource's state after the first of the named commands that there is has been run.
func (p *provider) outcome(
	ctx context.Context, urn resource.URN, inputs, last *structpb.Struct, preview bool, names ...resource.PropertyKey,
) (*structpb.Struct, error) {
	state, err := unmarshal(inputs)
	if err != nil {
		return nil, err
	}
	before, err := unmarshal(last)
	if err != nil {
		return nil, err
	}
	task := newTask(state, before)
	output := task.previous
	for _, name := range names {
		if text := stringOf(state[name]); text != "" && !preview {
			if output, err = task.run(ctx, text, p.logger(ctx, urn)); err != nil {
				return nil, err
			}
			break
		}
	}
	isSecret := state.ContainsSecrets() // what comes of a secret may tell it
	for name, text := range map[resource.PropertyKey]string{"stdout": output.stdout, "stderr": output.stderr} {
		value := resource.NewProperty(text)
		if preview {
			value = resource.MakeComputed(value)
		}
		if isSecret {
			value = resource.MakeSecret(value)
		}
		state[name] = value
	}
	return plugin.MarshalProperties(state, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
}

// logger shows lines while a command runs; they are not kept.
func (p *provider) logger(ctx context.Context, urn resource.URN) func(string) {
	return func(line string) {
		// A line that cannot be shown is no reason for a command to fail.
		_, _ = p.engine.Log(ctx, &pulumirpc.LogRequest{
			Severity: pulumirpc.LogSeverity_INFO, Urn: string(urn), Message: strings.ToValidUTF8(line, "�"), Ephemeral: true,
		})
	}
}

func unmarshal(sent *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(sent, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, SkipNulls: true})
}
