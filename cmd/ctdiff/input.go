package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/tracefile"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

// A source is a trace, the file that it is from, and that of its rules.
type source struct {
	file, rules string
	trace       replay.Trace
}

// captureFlags are the options that say what a capture does not.
type captureFlags struct{ pipeline, port string }

func (f *captureFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.pipeline, "pipeline", "", "`FILE` of rules, as ovs-ofctl add-flows takes them, for a trace that has none")
	cmd.Flags().StringVar(&f.port, "port", "", "`PORT` (p1 to p4) that a capture's packets enter, if its interfaces are not named p1, p2, ...")
}

// read reads all files, so that a bad one is found before anything is done
// with another.
func (f captureFlags) read(ctx context.Context, files []string) ([]source, error) {
	return await(ctx, func() ([]source, error) {
		opts, err := f.options()
		if err != nil {
			return nil, err
		}
		sources := make([]source, 0, len(files))
		for _, file := range files {
			s, err := f.readOne(file, opts)
			if err != nil {
				return nil, err
			}
			sources = append(sources, s)
		}
		return sources, nil
	})
}

func (f captureFlags) options() (opts tracefile.ImportOptions, err error) {
	if f.port != "" {
		if opts.Port, err = replay.ParsePort(f.port); err != nil {
			return opts, badUsage("--port: %w", err)
		}
	}
	opts.Pipeline, err = readPipeline(f.pipeline)
	return opts, err
}

func (f captureFlags) readOne(file string, opts tracefile.ImportOptions) (source, error) {
	s := source{file: file, rules: file}
	var err error
	if s.trace, err = readTrace(file, opts); err != nil {
		return s, err
	}
	if opts.Port != 0 && slices.ContainsFunc(s.trace.Packets, func(p replay.Packet) bool { return p.Port != opts.Port }) {
		return s, badInput("%s: the trace has ports of its own: --port is for captures", file)
	}
	if f.pipeline == "" {
		return s, nil
	}
	if len(s.trace.Pipeline) > 0 && !slices.Equal(s.trace.Pipeline, opts.Pipeline) {
		return s, badInput("%s: the trace has rules of its own: --pipeline is for captures", file)
	}
	s.trace.Pipeline, s.rules = opts.Pipeline, f.pipeline
	return s, nil
}

// readPipeline reads a file of rules; no name is no rules.
func readPipeline(file string) (replay.Pipeline, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, badInput("--pipeline: %w", err)
	}
	defer f.Close()
	rules, err := tracefile.ParsePipeline(f)
	if err != nil {
		return nil, badInput("%s: %w", file, err)
	}
	if len(rules) == 0 {
		return nil, badInput("%s: no rules", file)
	}
	return rules, nil
}

// readTrace reads a trace, its text, or a capture.
func readTrace(file string, opts tracefile.ImportOptions) (replay.Trace, error) {
	f, err := os.Open(file)
	if err != nil {
		return replay.Trace{}, &inputError{err}
	}
	defer f.Close()
	r := bufio.NewReader(f)
	head, _ := r.Peek(512) // an error comes again when the text is read
	if isText(head) {
		return parseText(file, r)
	}
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return replay.Trace{}, badInput("%s: a capture is read from a file, text alone from a pipe", file)
	}
	t, err := tracefile.ReadFile(file, opts)
	if err == nil {
		return t, nil
	}
	if opts.Port == 0 {
		opts.Port = 1
		if _, err := tracefile.ReadFile(file, opts); err == nil {
			return t, badInput("%s: the capture does not say which ports its packets enter: name one with --port p1", file)
		}
	}
	return t, &inputError{err}
}

func parseText(file string, r io.Reader) (replay.Trace, error) {
	t, err := tracetext.Parse(r)
	if err != nil {
		return t, badInput("%s: %w", file, err)
	}
	return t, nil
}

// isText tells the text of a trace from a capture, of which not much may be
// there: one that begins with pcapng's magic, or has a zero byte.
func isText(head []byte) bool {
	return !bytes.HasPrefix(head, []byte("\n\r\r\n")) && !bytes.Contains(head, []byte{0})
}

// refusal returns, if err is that of rules that Open vSwitch refuses, one that
// says where in the file the rule stands.
func refusal(err error, file string) error {
	var refused *lab.RefusedError
	if !errors.As(err, &refused) {
		return nil
	}
	if refused.Text == "" {
		return badInput("%s: Open vSwitch refuses the rules: %s", file, refused.Words)
	}
	return badInput("%s: Open vSwitch refuses %q: %s", place(file, refused), refused.Text, refused.Words)
}

// place returns the file and the line of a rule, or where there are no lines
// its number.
func place(file string, refused *lab.RefusedError) string {
	text, err := os.ReadFile(file)
	if err != nil || !isText(text) {
		return fmt.Sprintf("%s: rule %d", file, refused.Rule)
	}
	for n, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "rule "))
		if line == refused.Text {
			return fmt.Sprintf("%s: line %d", file, n+1)
		}
	}
	return fmt.Sprintf("%s: rule %d", file, refused.Rule)
}

// await does what may wait for a terminal or a pipe, and returns without it if
// ctx ends first.
func await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := do()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
