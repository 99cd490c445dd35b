package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/corpus/report"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

type replayOptions struct {
	image   imageFlags
	capture captureFlags
	bridges []string
	level   string
	repeat  int
	strict  []string // IDs of rules
	json    bool
	verbose bool
	color   string
}

func newReplay() *cobra.Command {
	var opts replayOptions
	cmd := &cobra.Command{
		Use:   "replay TRACE...",
		Short: "Replay traces on two or more bridges and compare what they do",
		Long: `Replay each TRACE on two or more bridges, and print what they did side by side,
packet by packet. TRACE is a trace or a trace's text, see ctdiff trace, or a
capture (pcap, pcapng) together with --pipeline.

The first bridge is the reference. A bridge may carry a profile of its own,
debian-12:tc: then --profile, --kernel-src, --kernel-image and --ovs-root are
only for the other bridges.

A divergence takes two replays that agree on it, so with --repeat 1 what differs
is replayed once more. Replays that do not agree are inconclusive: that is said,
but counts as no divergence in the exit code.

What may differ is a note, see ctdiff explain rules. --strict makes a divergence
of it: of what all rules allow, or those that --strict=RULE,... names. Its
signature is that of what no rule allows, if there is such a difference as well.

With --json, standard output has one object a trace, in the order of the
arguments, of the form of github.com/ctdiff/ctdiff/corpus/report.JSON.`,
		Example: `  ctdiff replay founding.pcapng
  ctdiff replay --profile debian-12 --level booted --json founding.pcapng
  ctdiff replay --bridges debian-12:system,debian-11:tc founding.txt
  ctdiff replay --strict=statistics,offload founding.txt
  ctdiff replay --pipeline rules.txt --port p1 capture.pcap`,
		Args: takes(1, 0, "TRACE"),
		RunE: func(cmd *cobra.Command, args []string) error { return runReplay(cmd.Context(), opts, args) },
	}
	opts.add(cmd)
	return withExits(cmd,
		"0    the bridges agree on all traces, or it is inconclusive",
		"1    a divergence was found",
		"2    bad usage or bad input; nothing was booted, unless Open vSwitch refuses a rule",
		"3    the lab failed")
}

func (o *replayOptions) add(cmd *cobra.Command) {
	o.image.add(cmd)
	o.capture.add(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&o.bridges, "bridges", []string{lab.System, lab.TC}, "`BRIDGES` to compare, each [PROFILE:]BRIDGE with BRIDGE "+strings.Join(lab.Bridges(), " or "))
	flags.StringVar(&o.level, "level", string(replay.Purged), "isolation `LEVEL`: warm, which sees ct_state and outputs, but no flows; purged; or booted: a fresh guest for each replay")
	flags.IntVar(&o.repeat, "repeat", 2, "replay each trace `N` times")
	flags.Func("strict", "take for a divergence what `RULES` allow, of ctdiff explain rules", func(list string) error {
		rules, err := oracle.ParseStrict(list)
		o.strict = append(o.strict, rules...)
		return err
	})
	flags.Lookup("strict").NoOptDefVal = oracle.AllRules
	flags.BoolVar(&o.json, "json", false, "print one JSON object a trace")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "show all packets, and flows and connections that agree")
	flags.StringVar(&o.color, "color", "auto", "colours, `WHEN`: "+strings.Join(colors, ", "))
	completeWith(cmd, "bridges", lab.Bridges())
	completeWith(cmd, "level", levels)
	completeWith(cmd, "color", colors)
}

// levels are the values of --level.
var levels = []string{string(replay.Warm), string(replay.Purged), string(replay.Booted)}

func runReplay(ctx context.Context, opts replayOptions, files []string) error {
	return withBridges(ctx, opts, files, func(r *replayer, sources []source) error {
		return r.replayAll(ctx, sources)
	})
}

// withBridges reads the files, and only if all are good boots the bridges, calls
// do, and ends them.
func withBridges(ctx context.Context, opts replayOptions, files []string, do func(*replayer, []source) error) error {
	r, err := newReplayer(opts)
	if err != nil {
		return err
	}
	sources, err := opts.capture.read(ctx, files)
	if err != nil {
		return err
	}
	if err := needRules(sources); err != nil {
		return err
	}
	return r.during(ctx, func() error { return do(r, sources) })
}

// replayAll replays and prints each source.
func (r *replayer) replayAll(ctx context.Context, sources []source) error {
	count := map[oracle.Outcome]int{}
	for i, s := range sources {
		if i > 0 && !r.json {
			fmt.Println()
		}
		outcome, err := r.replay(ctx, s)
		if err != nil {
			return err
		}
		count[outcome]++
	}
	if len(sources) > 1 && !r.json {
		fmt.Printf("\n%d traces: %d agree, %d diverge, %d inconclusive\n",
			len(sources), count[oracle.Agree], count[oracle.Diverge], count[oracle.Inconclusive])
	}
	if count[oracle.Diverge] > 0 {
		return exitError(exitDiverge)
	}
	return nil
}

func needRules(sources []source) error {
	for _, s := range sources {
		if len(s.trace.Pipeline) == 0 {
			return badInput("%s: no rules: name a file of them with --pipeline", s.file)
		}
	}
	return nil
}

// A replayer replays traces on bridges and prints what they do.
type replayer struct {
	sides   sides
	level   replay.Level
	repeat  int
	strict  []string
	json    bool
	table   report.Options
	guests  []*lab.Bridge
	bridges []replay.Replayer // the same
}

// newReplayer checks the options; it boots nothing.
func newReplayer(opts replayOptions) (*replayer, error) {
	r := &replayer{repeat: opts.repeat, strict: opts.strict, json: opts.json}
	if r.repeat < 1 {
		return nil, badUsage("--repeat %d: less than 1", r.repeat)
	}
	var err error
	if r.level, err = replay.ParseLevel(opts.level); err != nil {
		return nil, badUsage("--level: %w", err)
	}
	r.table = report.Options{Width: width(os.Stdout), Verbose: opts.verbose}
	if r.table.Color, err = wantsColor(opts.color, os.Stdout); err != nil {
		return nil, err
	}
	r.sides, err = parseSides(opts.bridges, opts.image)
	return r, err
}

// replay replays one trace and prints what came of it.
func (r *replayer) replay(ctx context.Context, s source) (oracle.Outcome, error) {
	var runs [][]replay.Observation
	for len(runs) < r.repeat || len(runs) == 1 && oracle.Compare(s.trace, runs[0], r.strict...).Outcome == oracle.Diverge {
		obs, err := replay.All(ctx, r.bridges, s.trace, r.level)
		if err != nil {
			return "", cmp.Or(refusal(err, s.rules), fmt.Errorf("%s: %w", s.file, err))
		}
		runs = append(runs, obs)
	}
	verdict := oracle.Confirm(s.trace, runs, r.strict...)
	run := report.Run{Trace: tracefile.Hash(s.trace), Profile: r.sides.profile(), Level: r.level, Repeat: len(runs)}
	if err := r.print(s, run, runs[0], verdict); err != nil {
		return "", err
	}
	if verdict.Outcome == oracle.Inconclusive {
		fmt.Fprintf(os.Stderr, "ctdiff: %s: inconclusive, which is no divergence: %s\n", s.file, verdict.Reason)
	}
	return verdict.Outcome, nil
}

func (r *replayer) print(s source, run report.Run, obs []replay.Observation, v oracle.Verdict) error {
	if r.json {
		return report.NewJSON(run, v, obs).Write(os.Stdout)
	}
	fmt.Printf("%s  %s, %s, %d runs, trace %.12s\n", s.file, cmp.Or(run.Profile, "own image"), run.Level, run.Repeat, run.Trace)
	return report.Table(os.Stdout, s.trace, obs, v, r.table)
}
