package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"istio-minikube/embedded/go/lifeline"
)

// output is what a command has written, without the last newlines.
type output struct{ stdout, stderr string }

// task is how a command is run.
type task struct {
	interpreter, environment []string
	dir, stdin               string
	logsStdout, logsStderr   bool
	previous                 output
}

// newTask reads inputs that have been checked, and the state before them.
func newTask(inputs, before resource.PropertyMap) task {
	t := task{
		interpreter: []string{"/bin/sh", "-c"},
		dir:         stringOf(inputs["dir"]),
		stdin:       stringOf(inputs["stdin"]),
		previous:    output{stringOf(before["stdout"]), stringOf(before["stderr"])},
	}
	if words := bare(inputs["interpreter"]); words.IsArray() && len(words.ArrayValue()) > 0 {
		t.interpreter = nil
		for _, word := range words.ArrayValue() {
			t.interpreter = append(t.interpreter, stringOf(word))
		}
	}
	if variables := bare(inputs["environment"]); variables.IsObject() {
		for _, name := range variables.ObjectValue().StableKeys() {
			t.environment = append(t.environment, string(name)+"="+stringOf(variables.ObjectValue()[name]))
		}
	}
	if adds := bare(inputs["addPreviousOutputInEnv"]); !adds.IsBool() || adds.BoolValue() {
		for name, text := range map[string]string{"STDOUT": t.previous.stdout, "STDERR": t.previous.stderr} {
			if text != "" {
				t.environment = append(t.environment, "PULUMI_COMMAND_"+name+"="+text)
			}
		}
	}
	logging := stringOf(inputs["logging"])
	t.logsStdout = logging == "" || logging == "stdout" || logging == "stdoutAndStderr"
	t.logsStderr = logging == "" || logging == "stderr" || logging == "stdoutAndStderr"
	return t
}

// run runs a command to its end; an error holds what the command has written.
func (t task) run(ctx context.Context, text string, log func(string)) (output, error) {
	command := exec.Command(t.interpreter[0], append(t.interpreter[1:], text)...)
	command.Dir = t.dir
	command.Env = append(os.Environ(), t.environment...)
	if t.stdin != "" {
		command.Stdin = strings.NewReader(t.stdin)
	}
	written := &transcript{}
	stdout, stderr := written.stream(t.logsStdout, log), written.stream(t.logsStderr, log)
	command.Stdout, command.Stderr = stdout, stderr
	err := lifeline.Run(ctx, command)
	stdout.finish()
	stderr.finish()
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	if err != nil {
		return output{}, fmt.Errorf("%w: running %q:\n%s", err, text, written.text(&written.all))
	}
	return output{trimmed(written.text(&stdout.kept)), trimmed(written.text(&stderr.kept))}, nil
}

func trimmed(text string) string { return strings.TrimSuffix(text, "\n") }

// transcript is what a command writes to its two outputs, in the order of writing. A process that outlives the command
// may still write when it is read.
type transcript struct {
	lock sync.Mutex
	all  bytes.Buffer
}

func (t *transcript) text(buffer *bytes.Buffer) string {
	t.lock.Lock()
	defer t.lock.Unlock()
	return buffer.String()
}

func (t *transcript) stream(isLogged bool, log func(string)) *stream {
	if !isLogged {
		log = func(string) {}
	}
	return &stream{transcript: t, log: log}
}

// stream is one of the two outputs, which is logged line by line.
type stream struct {
	transcript *transcript
	kept       bytes.Buffer
	line       []byte // begun, and not yet logged
	log        func(string)
}

var _ io.Writer = (*stream)(nil)

func (s *stream) Write(written []byte) (int, error) {
	s.transcript.lock.Lock()
	defer s.transcript.lock.Unlock()
	s.transcript.all.Write(written)
	s.kept.Write(written)
	s.line = append(s.line, written...)
	for {
		line, rest, isWhole := bytes.Cut(s.line, []byte("\n"))
		if !isWhole {
			return len(written), nil
		}
		s.log(string(line))
		s.line = rest
	}
}

// finish logs a last line without a newline.
func (s *stream) finish() {
	s.transcript.lock.Lock()
	defer s.transcript.lock.Unlock()
	if len(s.line) > 0 {
		s.log(string(s.line))
		s.line = nil
	}
}

// bare is a value without the mark of a secret.
func bare(value resource.PropertyValue) resource.PropertyValue {
	if value.IsSecret() {
		return bare(value.SecretValue().Element)
	}
	return value
}

// stringOf is a string, marked as secret or not; empty for anything else.
func stringOf(value resource.PropertyValue) string {
	if value = bare(value); value.IsString() {
		return value.StringValue()
	}
	return ""
}
