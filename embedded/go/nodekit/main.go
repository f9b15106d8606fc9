// Nodekit is what the embedded node needs and Kubernetes has no program for: its certificates, a registry of the images
// made on this machine, relays from the host's loopback, addresses for Services of type LoadBalancer, and rules for
// NetworkPolicies.
package main

import (
	"fmt"
	"os"
)

var commands = map[string]func([]string) error{
	"certificates":     certificates,
	"load-balancers":   loadBalancers,
	"network-policies": networkPolicies,
	"registry":         registry,
	"relay":            relay,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: nodekit certificates|load-balancers|network-policies|registry|relay ...")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "nodekit %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
