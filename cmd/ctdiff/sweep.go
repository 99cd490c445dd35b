package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/fuzz/sweep"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/known"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
)

// sweepFormats are the values of --format.
var sweepFormats = []string{"text", "csv", "json"}

var sweepWriters = map[string]func(*sweep.Table, io.Writer) error{
	"text": (*sweep.Table).Text,
	"csv":  (*sweep.Table).CSV,
	"json": (*sweep.Table).JSON,
}

type sweepOptions struct {
	image                                imageFlags
	bridges                              []string
	pipeline, types, format, output, out string
}

func newSweep() *cobra.Command {
	var opts sweepOptions
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Replay every ICMPv6 type and code, and show which are treated alike",
		Long: `Replay all 65536 pairs of an ICMPv6 type and a code on two or more bridges, once
without a connection and once with one, and print the table of classes: pairs of
which every bridge makes the same. What is sent, and what the formats have, is in
docs/sweep.md.

Pairs are replayed at level warm, many in one trace. Of each class in which the
bridges differ, the first, the middle and the last pair are then replayed alone
at level purged, and the first also at level booted, twice each. A class of which
one does not diverge like that is inconclusive: that is said, but counts as no
divergence in the exit code.

Rules that cannot be replayed warm, such as those that look at addresses, are
replayed at level purged throughout: that takes many times as long.`,
		Example: `  ctdiff sweep
  ctdiff sweep --profile debian-13 --pipeline rules.txt
  ctdiff sweep --types 128,133-137 --format csv -o table.csv
  ctdiff sweep --out swept && ctdiff report swept -o report.html`,
		Args: takesNone,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSweep(cmd.Context(), opts) },
	}
	opts.image.add(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&opts.bridges, "bridges", []string{lab.System, lab.TC}, "`BRIDGES` to compare, each [PROFILE:]BRIDGE with BRIDGE "+strings.Join(lab.Bridges(), " or "))
	flags.StringVar(&opts.pipeline, "pipeline", "", "`FILE` of rules, as ovs-ofctl add-flows takes them (default those of the founding report)")
	flags.StringVar(&opts.types, "types", "0-255", "ICMPv6 `TYPES` to sweep, such as 128,133-137")
	flags.StringVar(&opts.format, "format", "text", "`FORMAT`: text, csv (a row for each pair), or json")
	flags.StringVarP(&opts.output, "output", "o", "", "`FILE` to write, whole or not at all (default standard output)")
	flags.StringVar(&opts.out, "out", "", "`DIR`ectory, such as a campaign's, to keep the table in as well, for ctdiff report")
	completeWith(cmd, "bridges", lab.Bridges())
	completeWith(cmd, "format", sweepFormats)
	return withExits(cmd,
		"0    the bridges agree, or where they do not it is known or inconclusive",
		"1    a divergence was found that is not known",
		"2    bad usage or bad input; nothing was booted, unless Open vSwitch refuses a rule",
		"3    the lab failed")
}

func runSweep(ctx context.Context, opts sweepOptions) error {
	cases, rules, r, err := opts.read()
	if err != nil {
		return err
	}
	var table *sweep.Table
	err = r.during(ctx, func() (err error) {
		table, err = r.sweep(ctx, cases, rules)
		return err
	})
	if err != nil {
		return opts.explained(err)
	}
	var text bytes.Buffer
	if err := sweepWriters[opts.format](table, &text); err != nil {
		return err
	}
	if err := opts.keep(table); err != nil {
		return err
	}
	if err := writeOutput(opts.output, text.Bytes()); err != nil {
		return err
	}
	for _, c := range table.Classes {
		if c.Verdict() == string(oracle.Diverge) {
			return exitError(exitDiverge)
		}
	}
	return nil
}

// keep keeps the table for the report.
func (o sweepOptions) keep(table *sweep.Table) error {
	if o.out == "" {
		return nil
	}
	var text bytes.Buffer
	if err := table.JSON(&text); err != nil {
		return err
	}
	return explainWrite(corpus.WriteSweep(o.out, text.Bytes()), o.out)
}

// read checks the options; it boots nothing.
func (o sweepOptions) read() (cases []sweep.Case, rules replay.Pipeline, r *replayer, err error) {
	r, rules = &replayer{}, fuzz.Founding()
	types, err := sweep.ParseTypes(o.types)
	if err != nil {
		return nil, nil, nil, badUsage("--types: %w", err)
	}
	if sweepWriters[o.format] == nil {
		return nil, nil, nil, badUsage("--format %q: not one of %s", o.format, strings.Join(sweepFormats, ", "))
	}
	if r.sides, err = parseSides(o.bridges, o.image); err != nil {
		return nil, nil, nil, err
	}
	if o.output != "" {
		// It would otherwise be found after the sweep.
		if _, err := os.Stat(filepath.Dir(o.output)); err != nil {
			return nil, nil, nil, explainWrite(err, o.output)
		}
	}
	if o.pipeline != "" {
		if rules, err = readPipeline(o.pipeline); err != nil {
			return nil, nil, nil, err
		}
	}
	if o.out != "" {
		if err := os.MkdirAll(o.out, 0o777); err != nil {
			return nil, nil, nil, explainWrite(err, o.out)
		}
	}
	return sweep.Cases(types), rules, r, nil
}

// explained says of rules that Open vSwitch refuses where they stand.
func (o sweepOptions) explained(err error) error {
	if o.pipeline != "" {
		return cmp.Or(refusal(err, o.pipeline), err)
	}
	return err
}

// sweep replays the cases, and what bridges differ about once more.
func (r *replayer) sweep(ctx context.Context, cases []sweep.Case, rules replay.Pipeline) (*sweep.Table, error) {
	o := sweep.Options{Pipeline: rules, Level: replay.Warm}
	if !lab.Warmable(rules) {
		o.Level = replay.Purged
		fmt.Fprintln(os.Stderr, "ctdiff: these rules cannot be replayed warm, so that it takes many times as long")
	}
	show := newSweepLine(os.Stderr, len(cases))
	o.Progress = show.update
	table, err := sweep.Run(ctx, r.bridges, cases, o)
	if err == nil {
		table.Profile = r.sides.profile()
		show.tell("some cases alone")
		err = table.Confirm(ctx, r.bridges, known.Shipped())
	}
	show.end()
	return table, err
}

// A sweepLine shows on a terminal how far a sweep has come.
type sweepLine struct {
	terminalLine
	total         int
	started, last time.Time
}

func newSweepLine(out *os.File, total int) *sweepLine {
	return &sweepLine{terminalLine: newTerminalLine(out), total: total, started: time.Now()}
}

// sweepLineEvery is how often the line changes.
const sweepLineEvery = 100 * time.Millisecond

func (l *sweepLine) update(done int) {
	if time.Since(l.last) >= sweepLineEvery {
		l.last = time.Now()
		l.tell(fmt.Sprintf("%d of %d cases, %.0f a second", done, l.total, float64(done)/time.Since(l.started).Seconds()))
	}
}

// end takes the line away.
func (l *sweepLine) end() { l.tell("") }
