// The resource plugin `command` that stands in for Pulumi's own where that cannot be had.
//
// It has command:local:Command and command:local:run, as pulumi-command documents them, without assets and archives.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"istio-minikube/embedded/go/lifeline"
)

// The release of pulumi-command that this one stands in for, and what it is itself; SDKs compare the release only.
// Whoever builds the plugin for another release of the SDK sets it with -ldflags "-X main.version=...".
var version = "1.2.1+of.istio-minikube"

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-resource-command: %v\n", err)
		os.Exit(1)
	}
}

// serve is told the engine's address by the last argument; those before it are about tracing and logging.
func serve(arguments []string) error {
	if count := len(arguments); count == 0 || strings.HasPrefix(arguments[count-1], "-") {
		return errors.New("the last argument must be the address of the engine; the Pulumi CLI starts its plugins itself")
	}
	engine, err := grpc.NewClient(
		arguments[len(arguments)-1],
		grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions(),
	)
	if err != nil {
		return err
	}
	defer engine.Close()
	p := newProvider(pulumirpc.NewEngineClient(engine))
	return lifeline.Serve(func(server *grpc.Server) { pulumirpc.RegisterResourceProviderServer(server, p) }, p.end)
}
