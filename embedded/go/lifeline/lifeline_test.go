package lifeline

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
)

// In the environment of the test's own binary, to be a plugin: the way in which it starts a child.
const plays = "LIFELINE_TEST_PLAYS"

func TestMain(m *testing.M) {
	if how := os.Getenv(plays); how != "" {
		playPlugin(how)
		return
	}
	os.Exit(m.Run())
}

func playPlugin(how string) {
	ctx, end := context.WithCancel(context.Background())
	child := exec.Command("sleep", "1000")
	if how == "by Run" {
		go func() { _ = Run(ctx, child) }()
		for child.Process == nil {
			time.Sleep(time.Millisecond)
		}
	} else if err := child.Start(); err != nil { // as a library may
		panic(err)
	}
	fmt.Fprintln(os.Stderr, child.Process.Pid)
	err := Serve(func(*grpc.Server) {}, func() {
		fmt.Println("nobody reads this") // a plugin may write when its CLI is no more
		end()
	})
	if err != nil || ctx.Err() == nil {
		panic(fmt.Sprintf("%v, %v", err, ctx.Err()))
	}
}

// eventually fails the test if a condition does not come true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within a minute: %s", what)
}

func runs(t *testing.T, pid int) bool {
	t.Helper()
	state, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	var none *exec.ExitError
	if err != nil && !errors.As(err, &none) {
		t.Fatal(err)
	}
	// A zombie has ended; whoever inherits orphans may not have noticed yet.
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(state)), "Z")
}

// pidIn waits for a whole line in a file, and reads a process id from it.
func pidIn(t *testing.T, file string) int {
	t.Helper()
	var pid int
	eventually(t, "a process id in "+file, func() bool {
		text, err := os.ReadFile(file)
		if err != nil || !strings.HasSuffix(string(text), "\n") {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // should it be left
	return pid
}

func shell(text string, words ...string) *exec.Cmd {
	return exec.Command("/bin/sh", append([]string{"-c", text, "sh"}, words...)...)
}

func TestACommandThatFinishesIsNotDisturbed(t *testing.T) {
	if err := Run(t.Context(), shell("exit 0")); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := Run(t.Context(), shell("exit 3")); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("got %v", err)
	}
}

func TestNothingStartsOnceEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	mark := filepath.Join(t.TempDir(), "mark")
	if err := Run(ctx, shell(`touch "$1"`, mark)); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Fatal("the command ran")
	}
}

func TestAnEndedCommandLeavesNoneOfItsGroup(t *testing.T) {
	for name, text := range map[string]string{
		"all heed SIGTERM":          `sleep 1000 & echo $! >"$1"; wait`,
		"a child ignores SIGTERM":   `(trap "" TERM; echo $(exec sh -c 'echo $PPID') >"$1"; sleep 1000; sleep 1000) & wait`,
		"everyone ignores SIGTERM":  `trap "" TERM; sleep 1000 & echo $! >"$1"; wait; wait`,
		"the output is held open":   `sleep 1000 & echo $! >"$1"; exit 0`,
		"it exits with 0 when told": `trap "exit 0" TERM; sleep 1000 & echo $! >"$1"; wait`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			file := filepath.Join(t.TempDir(), "pid")
			command := shell(text, file)
			command.Stdout = io.MultiWriter(io.Discard) // a pipe, which Wait reads to its end
			result := make(chan error, 1)
			go func() { result <- Run(ctx, command) }()
			pid := pidIn(t, file)
			cancel()
			if err := <-result; err == nil {
				t.Fatal("no error")
			}
			eventually(t, "the child's end", func() bool { return !runs(t, pid) })
		})
	}
}

func TestAFinishedCommandMayLeaveProcessesBehind(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	file := filepath.Join(t.TempDir(), "pid")
	if err := Run(ctx, shell(`sleep 1000 >/dev/null 2>&1 & echo $! >"$1"`, file)); err != nil {
		t.Fatal(err)
	}
	pid := pidIn(t, file)
	cancel()
	if !runs(t, pid) {
		t.Fatal("it was ended")
	}
}

// plugin starts the test's binary as the CLI starts a plugin, and returns the id of the child that it has started.
// Nobody reads its outputs any more.
func plugin(t *testing.T, how string) (command *exec.Cmd, input io.Closer, child int) {
	t.Helper()
	itself, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command = exec.Command(itself)
	command.Env = append(os.Environ(), plays+"="+how)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err = command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Kill(command) })
	for _, number := range []struct {
		from io.ReadCloser
		to   *int
	}{{stderr, &child}, {stdout, new(int)}} {
		line, err := bufio.NewReader(number.from).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if *number.to, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
			t.Fatal(err)
		}
		if err := number.from.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) }) // should it be left
	return command, input, child
}

func TestAPluginEndsWithWhatItHasStarted(t *testing.T) {
	for name, tell := range map[string]func(*exec.Cmd, io.Closer) error{
		"interrupted":       func(c *exec.Cmd, _ io.Closer) error { return syscall.Kill(-c.Process.Pid, syscall.SIGINT) },
		"terminated":        func(c *exec.Cmd, _ io.Closer) error { return c.Process.Signal(syscall.SIGTERM) },
		"its CLI has ended": func(_ *exec.Cmd, input io.Closer) error { return input.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			command, input, child := plugin(t, "by a library")
			if err := tell(command, input); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the plugin's end", func() bool { return !runs(t, command.Process.Pid) })
			if err := command.Wait(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the child's end", func() bool { return !runs(t, child) })
		})
	}
}

func TestOnlyAPipeIsTheCLI(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	if isPipe(null) || !isPipe(read) {
		t.Fatalf("%s: %t, a pipe: %t", os.DevNull, isPipe(null), isPipe(read))
	}
}
