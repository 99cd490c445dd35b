package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/export"
	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

// An exportFormat is a form that a trace, or what came of it, is written in.
type exportFormat struct {
	name, what string
	// rules and replayed say what the format cannot do without.
	rules, replayed bool
	write           func(io.Writer, export.Case) error
}

var exportFormats = []exportFormat{
	{"pcapng", "the trace, for Wireshark and ctdiff", false, false, func(w io.Writer, c export.Case) error { return tracefile.Encode(w, c.Trace) }},
	{"sh", "a shell script that reproduces it on a plain host", true, false, export.Shell},
	{"at", "a test for Open vSwitch's tests/system-offloads-traffic.at", true, true, export.Autotest},
	{"md", "the text of a bug mail, in Markdown", true, true, export.Markdown},
	{"junit", "a JUnit XML report, for CI", true, true, func(w io.Writer, c export.Case) error { return export.JUnit(w, []export.Case{c}) }},
	{"go", "an input of fuzz.FuzzICMPv6, for testdata/fuzz; without the rules", false, false, writeGoFuzz},
}

func writeGoFuzz(w io.Writer, c export.Case) error {
	data, err := fuzz.Encode(c.Trace)
	if err != nil {
		return err
	}
	return export.GoFuzz(w, data)
}

func exportNames() (names []string) {
	for _, f := range exportFormats {
		names = append(names, f.name)
	}
	return names
}

func findExportFormat(name string) (exportFormat, error) {
	i := slices.IndexFunc(exportFormats, func(f exportFormat) bool { return f.name == name })
	switch {
	case name == "":
		return exportFormat{}, badUsage("no format given: name one of %s with --format", strings.Join(exportNames(), ", "))
	case i < 0:
		return exportFormat{}, badUsage("--format %q: not one of %s", name, strings.Join(exportNames(), ", "))
	}
	return exportFormats[i], nil
}

type exportOptions struct {
	replayOptions
	format, output string
}

func newExport() *cobra.Command {
	var opts exportOptions
	list := ""
	for _, f := range exportFormats {
		list += fmt.Sprintf("\n  %-7s %s", f.name, f.what)
	}
	cmd := &cobra.Command{
		Use:   "export TRACE|FINDING --format FORMAT [-o FILE]",
		Short: "Write a trace for those who have no ctdiff",
		Long: `Write a trace in a form that others use:
` + list + `

TRACE is what ctdiff replay takes. The formats at, md and junit need what the
bridges made of it: a TRACE is replayed for them, with the options of ctdiff
replay, twice at least. FINDING is the directory of a finding, see ctdiff fuzz,
which has all that: nothing is booted.

Without -o, it goes to standard output.`,
		Example: `  ctdiff export founding.txt --format sh -o repro.sh
  ctdiff export founding.txt --format at --profile debian-11 >>tests/system-offloads-traffic.at
  ctdiff export --format md ctdiff-out/debian-11/findings/system-tc-ct_state-recirc1-inv-trk-icmpv6-fd305064`,
		Args: takes(1, 1, "TRACE"),
		RunE: func(cmd *cobra.Command, args []string) error { return runExport(cmd.Context(), opts, args[0]) },
	}
	opts.add(cmd)
	cmd.Flags().StringVar(&opts.format, "format", "", "`FORMAT`: "+strings.Join(exportNames(), ", "))
	cmd.Flags().StringVarP(&opts.output, "output", "o", "", "`FILE` to write, whole or not at all")
	completeWith(cmd, "format", exportNames())
	for _, of := range []string{"json", "verbose", "color"} {
		cmd.Flags().Lookup(of).Hidden = true // of what replay prints
	}
	return withExits(cmd,
		"0    it is written, whether or not the bridges diverge",
		"2    bad usage or bad input, such as a trace without divergence for at or md; nothing is written",
		"3    the lab failed, or the output could not be written")
}

func runExport(ctx context.Context, opts exportOptions, input string) error {
	format, err := findExportFormat(opts.format)
	if err != nil {
		return err
	}
	if format.name == "pcapng" && opts.output == "" && isTerminal(os.Stdout) {
		return badUsage("a trace is not for a terminal: name a file with -o, or redirect standard output")
	}
	if opts.level == string(replay.Warm) {
		return badUsage("--level %s: who gets this has a bridge that has seen nothing: purged, or booted", opts.level)
	}
	c, err := opts.exportCase(ctx, format, input)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := format.write(&out, c); err != nil {
		return badInput("%s: %w", input, err)
	}
	if opts.output == "" {
		_, err := os.Stdout.Write(out.Bytes())
		return err
	}
	if err := corpus.WriteFile(opts.output, out.Bytes()); err != nil {
		return explainWrite(fmt.Errorf("writing %s: %w", opts.output, err), opts.output)
	}
	return nil
}

// exportCase returns what is to be exported: what a finding has, or a trace,
// replayed if the format needs that.
func (o exportOptions) exportCase(ctx context.Context, format exportFormat, input string) (c export.Case, err error) {
	c.Name = strings.TrimSuffix(filepath.Base(input), filepath.Ext(input))
	if info, err := os.Stat(input); err == nil && info.IsDir() {
		f, err := corpus.ReadFinding(input)
		if err != nil {
			return c, err
		}
		return export.FromFinding(f), nil
	}
	if format.replayed {
		err = withBridges(ctx, o.replayOptions, []string{input}, func(r *replayer, sources []source) error {
			r.repeat = max(r.repeat, 2)
			m := minimizer{replayer: r, source: sources[0]}
			c.Trace, c.Profile, c.Level = m.source.trace, r.sides.profile(), r.level
			c.Verdict, c.Bridges, err = m.confirm(ctx, c.Trace)
			return err
		})
		return c, err
	}
	if _, err := newReplayer(o.replayOptions); err != nil { // wrong options
		return c, err
	}
	sources, err := o.capture.read(ctx, []string{input})
	if err != nil {
		return c, err
	}
	if format.rules {
		if err := needRules(sources); err != nil {
			return c, err
		}
	}
	c.Trace = sources[0].trace
	return c, nil
}
