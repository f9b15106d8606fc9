package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	acceptPause    = 100 * time.Millisecond
	dialTimeout    = 5 * time.Second
	resolveTimeout = 2 * time.Second
)

// relay forwards connections accepted on inherited sockets of the host's loopback into this network namespace.
//
// Each argument is DESCRIPTOR=ADDRESS, or DESCRIPTOR=@FILE:PORT where FILE lists Services, NAME.NAMESPACE each: the
// first of them that exists and accepts gets the connection. The file is read for every connection, so that the target
// follows what is published, and names are asked of the cluster's DNS, so that it follows the Services.
func relay(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("usage: nodekit relay DNS-SERVER DESCRIPTOR=TARGET...")
	}
	resolver := clusterResolver(arguments[0])
	for _, argument := range arguments[1:] {
		descriptor, target, found := strings.Cut(argument, "=")
		number, err := strconv.Atoi(descriptor)
		if !found || err != nil {
			return fmt.Errorf("%q is not DESCRIPTOR=TARGET", argument)
		}
		listener, err := net.FileListener(os.NewFile(uintptr(number), target))
		if err != nil {
			return fmt.Errorf("descriptor %d is no listening socket: %w", number, err)
		}
		go accept(listener, dialer(target, resolver))
	}
	select {}
}

func clusterResolver(server string) *net.Resolver {
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server)
		},
	}
}

type dial func() (*net.TCPConn, error)

func dialer(target string, resolver *net.Resolver) dial {
	place, published := strings.CutPrefix(target, "@")
	if !published {
		return func() (*net.TCPConn, error) { return dialTCP(target) }
	}
	separator := strings.LastIndex(place, ":")
	file, port := place[:separator], place[separator+1:]
	return func() (*net.TCPConn, error) {
		services, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		failure := fmt.Errorf("%s names no Service", file)
		for service := range strings.FieldsSeq(string(services)) {
			connection, err := dialService(service, port, resolver)
			if err == nil {
				return connection, nil
			}
			failure = err
		}
		return nil, failure
	}
}

func dialService(service, port string, resolver *net.Resolver) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	// Absolute, so that no search domain of the machine's is tried.
	addresses, err := resolver.LookupHost(ctx, service+".svc.cluster.local.")
	if err != nil {
		return nil, err
	}
	return dialTCP(net.JoinHostPort(addresses[0], port))
}

func dialTCP(address string) (*net.TCPConn, error) {
	connection, err := net.DialTimeout("tcp", address, dialTimeout)
	if err != nil {
		return nil, err
	}
	return connection.(*net.TCPConn), nil
}

func accept(listener net.Listener, dial dial) {
	for {
		client, err := listener.Accept()
		if err != nil {
			// Such as too many open files: what is there goes on, and new connections wait in the backlog.
			log.Printf("accepting: %v", err)
			time.Sleep(acceptPause)
			continue
		}
		go connect(client.(*net.TCPConn), dial)
	}
}

func connect(client *net.TCPConn, dial dial) {
	defer client.Close()
	server, err := dial()
	if err != nil {
		log.Print(err)
		return
	}
	defer server.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pump(server, client)
	}()
	pump(client, server)
	<-done
}

// pump copies until the source has said its last word, and passes just that on: the other direction may go on.
func pump(sink, source *net.TCPConn) {
	if _, err := io.Copy(sink, source); err != nil {
		// Reset by either side: the other must not wait for what cannot come.
		sink.Close()
		source.Close()
		return
	}
	if err := sink.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) {
		source.Close()
	}
}
