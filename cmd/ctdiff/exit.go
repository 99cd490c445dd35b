package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

// The exit codes. An interrupted command adds the signal's number to
// exitSignal, as a shell does for a program that the signal ended.
const (
	exitDiverge = 1
	exitInput   = 2
	exitLab     = 3
	exitSignal  = 128
)

// A usageError is a command line that cannot be obeyed.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func badUsage(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// takes checks the number of a command's arguments, of which what is the name.
// A max of 0 is no limit.
func takes(min, max int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < min:
			return badUsage("no %s given", what)
		case max > 0 && len(args) > max:
			return badUsage("%q is one %s too many", args[max], what)
		}
		return nil
	}
}

func takesNone(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return badUsage("unexpected argument %q", args[0])
	}
	return nil
}

// An inputError is a file that the user named and that cannot be used.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

func badInput(format string, args ...any) error {
	return &inputError{fmt.Errorf(format, args...)}
}

// An exitError ends the program with a code and without a word: all is said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// An interruption is the cause of a context that a signal ended.
type interruption struct{ signal syscall.Signal }

func (e *interruption) Error() string { return "interrupted" }

// interruptible returns a context that ends with SIGINT, SIGTERM, and SIGHUP,
// which is a terminal that is closed, unless nohup has it ignored. The second
// signal ends the program, should the first not get through.
func interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(&interruption{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// explain tells the user of an error, and returns the exit code.
func explain(ctx context.Context, w io.Writer, cmd *cobra.Command, err error) int {
	var done exitError
	var usage *usageError
	var interrupted *interruption
	switch {
	case err == nil:
		return 0
	case errors.As(err, &done):
		return int(done)
	case errors.As(context.Cause(ctx), &interrupted):
		fmt.Fprintf(w, "ctdiff: %v\n", interrupted)
		return exitSignal + int(interrupted.signal)
	case errors.As(err, &usage):
		fmt.Fprintf(w, "ctdiff: %v (see %s --help)\n", err, cmd.CommandPath())
		return exitInput
	}
	fmt.Fprintf(w, "ctdiff: %v\n", err)
	if inputsFault(err) {
		return exitInput
	}
	return exitLab
}

func inputsFault(err error) bool {
	return errors.As(err, new(*inputError)) ||
		errors.As(err, new(*image.InputError)) ||
		errors.As(err, new(*corpus.InputError)) ||
		errors.As(err, new(*tracefile.InputError)) ||
		errors.As(err, new(*lab.RefusedError))
}

const exitsKey = "exits"

const exitsTemplate = `{{with index .Annotations "` + exitsKey + `"}}
Exit codes:
{{.}}
{{end}}`

// withExits documents a command's exit codes in its help.
func withExits(cmd *cobra.Command, lines ...string) *cobra.Command {
	lines = append(lines, "130  interrupted by Ctrl-C (128 and the signal's number: 143 for SIGTERM)")
	cmd.Annotations = map[string]string{exitsKey: "  " + strings.Join(lines, "\n  ")}
	return cmd
}
