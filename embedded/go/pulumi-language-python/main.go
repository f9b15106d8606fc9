// The language host for Python that stands in for Pulumi's own where that cannot be had.
//
// It runs programs, policy packs and plugins written in Python, installs what they need, and writes SDKs for `pulumi
// package add`. It writes no programs: for `pulumi convert`, and the code that `pulumi import` proposes, Pulumi's own is
// needed.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"istio-minikube/embedded/go/lifeline"
)

// The SDK's script that runs a program; it is installed beside the language host.
const executor = "pulumi-language-python-exec"

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	executor string
	engine   string          // the engine's address
	ended    context.Context // done when the CLI wants no more of what was started for it
	end      context.CancelFunc
}

func newHost(executor, engine string) *host {
	ended, end := context.WithCancel(context.Background())
	return &host{executor: executor, engine: engine, ended: ended, end: end}
}

// until is done with the call, or with everything.
func (h *host) until(call context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(call)
	stop := context.AfterFunc(h.ended, cancel)
	return ctx, func() { stop(); cancel() }
}

// Handshake tells the engine's address to a host that was started by hand.
func (h *host) Handshake(
	_ context.Context, request *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.engine = request.GetEngineAddress()
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

// Cancel ends whatever runs; the CLI asks nothing of the host afterwards.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.end()
	return &emptypb.Empty{}, nil
}

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-language-python: %v\n", err)
		os.Exit(1)
	}
}

// serve is told the engine's address by the last argument; those before it are about tracing and logging.
func serve(arguments []string) error {
	itself, err := os.Executable()
	if err != nil {
		return err
	}
	script := filepath.Join(filepath.Dir(itself), executor)
	if _, err := os.Stat(script); err != nil {
		return fmt.Errorf("the SDK's script must be beside the language host: %w", err)
	}
	var engine string
	if count := len(arguments); count > 0 && !strings.HasPrefix(arguments[count-1], "-") {
		engine = arguments[count-1]
	}
	h := newHost(script, engine)
	return lifeline.Serve(func(server *grpc.Server) { pulumirpc.RegisterLanguageRuntimeServer(server, h) }, h.end)
}
