// Package lifeline ties what a plugin starts to the plugin's life, and the plugin's life to that of the Pulumi CLI.
//
// Nothing is left behind, however the CLI ends: interrupted, terminated or killed.
package lifeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"google.golang.org/grpc"
)

// Grace is how long a process group has between SIGTERM and SIGKILL.
// The CLI kills a plugin 5 s after it has interrupted it; until then the plugin must have killed what it has started.
const Grace = 3 * time.Second

// ErrLeftBehind says that a process outside the command's process group holds the command's output open.
var ErrLeftBehind = errors.New("a process that the command has started still holds its output open")

// Serve runs a plugin's gRPC server on a free port of the loopback interface, and prints the port for the CLI.
//
// It returns when the CLI has interrupted the plugin, or has ended; then it calls end, which must make the calls that
// are being answered return.
func Serve(register func(*grpc.Server), end context.CancelFunc) error {
	told := make(chan bool)
	// Caught, not ignored: what is ignored stays so in the programs that are started from here.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-closed(os.Stdin):
		}
		end()
		endOwnGroup()
		close(told)
	}()
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: told,
		Init: func(server *grpc.Server) error {
			register(server)
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}

// endOwnGroup ends what was started otherwise than by Run, by libraries, say. The CLI makes its plugins group leaders.
func endOwnGroup() {
	if syscall.Getpgrp() == os.Getpid() {
		_ = syscall.Kill(0, syscall.SIGTERM)
	}
}

// closed is closed at the end of a pipe: the CLI holds the other end of its plugins' standard input, and writes nothing.
// It stays open for any other file, so that a plugin can be started by hand.
func closed(input *os.File) <-chan struct{} {
	done := make(chan struct{})
	if isPipe(input) {
		go func() {
			_, _ = io.Copy(io.Discard, input) // an error is an end, too
			close(done)
		}()
	}
	return done
}

func isPipe(file *os.File) bool {
	found, err := file.Stat()
	return err == nil && found.Mode()&os.ModeNamedPipe != 0
}

// Run runs a command in a process group of its own, and ends the group if ctx is done before the command.
//
// A command that has finished by itself may leave processes behind. One that is ended may not, unless they have made
// a session of their own.
func Run(ctx context.Context, command *exec.Cmd) error {
	return RunUntil(ctx, command, command.Wait)
}

// RunUntil is Run for a command that something else waits for.
func RunUntil(ctx context.Context, command *exec.Cmd, wait func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	command.SysProcAttr = ownGroup()
	if err := command.Start(); err != nil {
		return err
	}
	finished := make(chan error, 1)
	go func() { finished <- wait() }()
	select {
	case err := <-finished:
		return err
	case <-ctx.Done():
	}
	if err := end(command, finished); err != nil {
		return err
	}
	return ctx.Err()
}

// end terminates a command's process group, and kills what is left of it when its leader has finished, or after Grace.
func end(command *exec.Cmd, finished <-chan error) error {
	signalGroup(command, syscall.SIGTERM)
	select {
	case err := <-finished:
		Kill(command)
		return err
	case <-time.After(Grace):
	}
	Kill(command)
	select {
	case err := <-finished:
		return err
	case <-time.After(time.Second):
		return ErrLeftBehind
	}
}

// Kill kills the process group of a command that Run or RunUntil has started.
func Kill(command *exec.Cmd) {
	signalGroup(command, syscall.SIGKILL)
}

func signalGroup(command *exec.Cmd, signal syscall.Signal) {
	_ = syscall.Kill(-command.Process.Pid, signal) // an error says that nobody is there any more
}
