// Bookinfo answers what the four programs of Istio's sample answer, as one small binary that starts at once: the same
// paths, fields, titles, headers handed on, timeouts and stars. `bookinfo productpage|details|reviews|ratings PORT`
// serves; `bookinfo get|resolve|wait` is a client for checks and tests.
//
// Behaviour: https://github.com/istio/istio/tree/master/samples/bookinfo/src
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	headerTimeout = 10 * time.Second
	goodbye       = 20 * time.Second
	// farewell, where the environment says nothing else: callers' proxies hear a moment later that a pod goes.
	farewell = "3s"
)

var services = map[string]func() http.Handler{
	"details":     details,
	"productpage": productpage,
	"ratings":     ratings,
	"reviews":     reviews,
}

var clients = map[string]func([]string) error{
	"get":     get,
	"resolve": resolve,
	"wait":    func([]string) error { <-ended().Done(); return nil },
}

func main() {
	log.SetFlags(0)
	log.SetOutput(os.Stdout)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) > 0 && clients[arguments[0]] != nil {
		return clients[arguments[0]](arguments[1:])
	}
	if len(arguments) != 2 || services[arguments[0]] == nil {
		return errors.New("usage: bookinfo details|productpage|ratings|reviews PORT, or get|resolve|wait ...")
	}
	return serve(":"+arguments[1], services[arguments[0]]())
}

// serve answers until it is told to end, for a little longer, and then everyone who has asked already.
func serve(address string, handler http.Handler) error {
	longer, err := time.ParseDuration(setting("FAREWELL", farewell))
	if err != nil {
		return fmt.Errorf("FAREWELL: %w", err)
	}
	server := &http.Server{Addr: address, Handler: logged(handler), ReadHeaderTimeout: headerTimeout}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ended().Done():
	}
	time.Sleep(longer)
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	return server.Shutdown(ctx)
}

func ended() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt) //nolint:govet // once for all
	return ctx
}

func logged(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		log.Print(request.Method, " ", request.URL.Path)
		handler.ServeHTTP(answer, request)
	})
}

// send writes one JSON answer.
func send(answer http.ResponseWriter, status int, content any) {
	body, err := json.Marshal(content)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusInternalServerError)
		return
	}
	answer.Header().Set("Content-Type", "application/json")
	answer.WriteHeader(status)
	if _, err := answer.Write(body); err != nil {
		log.Print(err)
	}
}

func healthy(service string) http.HandlerFunc {
	return func(answer http.ResponseWriter, _ *http.Request) {
		send(answer, http.StatusOK, map[string]string{"status": service + " is healthy"})
	}
}

// setting is an environment variable or, where it is not set, what is taken then.
func setting(name, otherwise string) string {
	if value, found := os.LookupEnv(name); found {
		return value
	}
	return otherwise
}
