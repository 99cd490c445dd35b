package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/fuzz/campaign"
	"github.com/ctdiff/ctdiff/oracle/known"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
	"github.com/ctdiff/ctdiff/replay/lab/judge"
)

type fuzzOptions struct {
	campaign.Options
	image    imageFlags
	level    string
	coverage string
	json     bool
	grammar  bool
}

func newFuzz() *cobra.Command {
	var opts fuzzOptions
	cmd := &cobra.Command{
		Use:   "fuzz [PACKAGE TARGET]",
		Short: "Make packets and replay them, for as long as you like",
		Long: `Fuzz two bridges: Go's native fuzzer makes traces, led by the code that they run in
the guests' kernels; what diverges is confirmed, reduced, and kept in the
campaign's directory. The fuzzer goes on past it. The same command again goes on
where it stopped, however it stopped. What waits to be examined when the time is over
is examined then: two minutes at most.

Without arguments the target is FuzzICMPv6 of ctdiff; else that of a package of
yours, as the go command takes it. Inputs are those of go test -fuzz for the same
target, in its cache and in testdata/fuzz.`,
		Example: `  ctdiff fuzz --time 1m
  ctdiff fuzz --profile debian-13 --time 8h --out nightly
  ctdiff fuzz --pipeline rules.txt --bridges system,tc --json
  ctdiff fuzz ./rules FuzzRules`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 || len(args) > 2 {
				return badUsage("%d arguments: a package and a target, or none", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.grammar {
				return fuzz.Explain(os.Stdout, grammarInputs, 1)
			}
			return runFuzz(cmd.Context(), opts, args)
		},
	}
	flags := cmd.Flags()
	opts.image.add(cmd)
	flags.DurationVar(&opts.Time, "time", 10*time.Minute, "fuzz for a `TIME` such as 90s, 10m, 8h")
	flags.IntVar(&opts.Parallel, "parallel", runtime.GOMAXPROCS(0), "number `N` of workers, each with bridges of its own")
	flags.StringVar(&opts.Out, "out", "", "`DIR`ectory of the campaign (default ctdiff-out/PROFILE)")
	flags.StringVar(&opts.Corpus, "corpus", "", "`DIR`ectory in which the fuzzer keeps inputs, by target (default that of go test -fuzz)")
	flags.StringVar(&opts.Pipeline, "pipeline", "", "`FILE` of OpenFlow rules (default those of the target)")
	flags.StringVar(&opts.Known, "known", "", "`FILE` of known issues, besides those that ctdiff has")
	flags.StringSliceVar(&opts.Bridges, "bridges", []string{lab.System, lab.TC}, "`BRIDGES` to compare")
	flags.StringVar(&opts.level, "level", string(replay.Warm), "isolation `LEVEL` of the screening: warm, purged, or booted")
	flags.StringVar(&opts.coverage, "coverage", string(campaign.CoverageGuide), "`WHAT` the coverage of the guests' kernels does: guide the fuzzer, measure, or off, which is faster")
	flags.BoolVar(&opts.json, "json", false, "print the summary as one JSON object")
	flags.BoolVar(&opts.grammar, "explain-grammar", false, "show what random inputs decode to, and do nothing else")
	completeWith(cmd, "level", levels)
	completeWith(cmd, "coverage", []string{string(campaign.CoverageGuide), string(campaign.CoverageMeasure), string(campaign.CoverageOff)})
	return withExits(cmd,
		"0    no new signature: all that was seen is known or inconclusive",
		"1    the campaign has a new signature",
		"2    bad usage or bad input",
		"3    the lab failed")
}

// grammarInputs is of how many inputs --explain-grammar shows what they are.
const grammarInputs = 100_000

func runFuzz(ctx context.Context, opts fuzzOptions, args []string) error {
	if err := opts.check(); err != nil {
		return err
	}
	opts.Target = campaign.Own()
	if len(args) > 0 {
		opts.Target = campaign.Target{Package: args[0], Name: args[1]}
	}
	if err := lab.Prepare(ctx); err != nil {
		return err
	}
	if err := opts.tryRules(ctx); err != nil {
		return err
	}
	if err := opts.Target.Check(ctx); err != nil {
		return &inputError{err}
	}
	e := &examiner{opts: opts}
	defer e.close()
	opts.Examiner = e
	show := newStatusLine(os.Stderr)
	opts.Watch = show.update
	fmt.Fprintf(os.Stderr, "Fuzzing %s on %s for %s, in %s\n", opts.Target.Name, opts.Profile, opts.Time, opts.Out)
	err := campaign.Run(ctx, opts.Options)
	show.end()
	c, readErr := corpus.Read(opts.Out)
	if err != nil && ctx.Err() == nil || readErr != nil {
		return cmp.Or(err, readErr)
	}
	if printErr := opts.summarize(os.Stdout, c); printErr != nil {
		return printErr
	}
	if err != nil {
		return err
	}
	for _, s := range c.Signatures {
		if s.Status == corpus.New {
			return exitError(exitDiverge)
		}
	}
	return nil
}

// An examiner opens its bridges when there is something to examine.
type examiner struct {
	opts  fuzzOptions
	judge *judge.Judge
}

// Examine implements [campaign.Examiner].
func (e *examiner) Examine(ctx context.Context, s corpus.Suspect, kept func(string) bool) (corpus.Finding, error) {
	if e.judge == nil {
		img, err := image.Find(e.opts.image.spec())
		if err != nil {
			return corpus.Finding{}, err
		}
		if e.judge, err = judge.New(ctx, img, e.opts.Settings); err != nil {
			return corpus.Finding{}, err
		}
	}
	return e.judge.Examine(ctx, s.Trace, s.Signature, kept)
}

func (e *examiner) close() {
	if e.judge != nil {
		e.judge.Close()
	}
}

// check completes the options, and checks what the workers could not report well.
func (o *fuzzOptions) check() error {
	var err error
	if o.Level, err = replay.ParseLevel(o.level); err != nil {
		return badUsage("--level: %w", err)
	}
	if o.Coverage, err = campaign.ParseCoverage(o.coverage); err != nil {
		return badUsage("--coverage: %w", err)
	}
	if o.Time <= 0 {
		return badUsage("--time %v: not more than nothing", o.Time)
	}
	if o.Parallel < 1 {
		return badUsage("--parallel %d: less than 1", o.Parallel)
	}
	if _, err := parseSides(o.Bridges, o.image); err != nil {
		return err
	}
	spec := o.image.spec()
	if _, err := image.Find(spec); err != nil {
		return err
	}
	if o.Known != "" {
		if _, err := known.ReadFile(o.Known); err != nil {
			return &inputError{err}
		}
	}
	if info, err := os.Stat(o.Out); o.Out != "" && err == nil && !info.IsDir() {
		return badInput("%s: not a directory", o.Out)
	}
	o.Profile, o.KernelSrc, o.KernelImage, o.OVSRoot = spec.Profile, spec.KernelSrc, spec.KernelImage, spec.OVSRoot
	o.Ctdiff = version()
	if o.Out == "" {
		o.Out = filepath.Join("ctdiff-out", o.Profile)
	}
	return nil
}

// tryRules has Open vSwitch take the rules of the user's: the workers could not say
// well what is wrong with them.
func (o *fuzzOptions) tryRules(ctx context.Context) error {
	if o.Pipeline == "" {
		return nil
	}
	rules, err := readPipeline(o.Pipeline)
	if err != nil {
		return err
	}
	img, err := image.Find(o.image.spec())
	if err != nil {
		return err
	}
	b, err := lab.Open(ctx, img, lab.System)
	if err != nil {
		return err
	}
	defer b.Close()
	if _, err := b.Exec(ctx, rules, "ovs-vsctl", "--version"); err != nil {
		return cmp.Or(refusal(err, o.Pipeline), err)
	}
	return nil
}

// A summary is what --json prints.
type summary struct {
	Seconds    float64            `json:"seconds"`
	Traces     uint64             `json:"traces"`
	Restarts   uint64             `json:"restarts"`
	Coverage   uint64             `json:"coverage"`
	Profile    string             `json:"profile"`
	Out        string             `json:"out"`
	Signatures []corpus.Signature `json:"signatures"`
}

func (o *fuzzOptions) summarize(w io.Writer, c corpus.Campaign) error {
	s := summary{Seconds: c.Seconds(), Profile: o.Profile, Out: o.Out, Signatures: c.Signatures}
	last := c.Last()
	s.Traces, s.Restarts, s.Coverage = last.Traces, last.Restarts, last.Coverage
	if s.Signatures == nil {
		s.Signatures = []corpus.Signature{}
	}
	if o.json {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	}
	rate := 0.0
	if s.Seconds > 0 {
		rate = float64(s.Traces) / s.Seconds
	}
	text := fmt.Sprintf("%d traces in %s, %.0f a second; %d places in the kernels reached; %s\n",
		s.Traces, time.Duration(s.Seconds*float64(time.Second)).Round(time.Second), rate, s.Coverage, counted(s.Restarts, "restart"))
	if len(s.Signatures) == 0 {
		text += "The bridges agreed about all of them.\n"
	}
	for _, sig := range s.Signatures {
		text += fmt.Sprintf("%-12s  %s\n%14sseen %s, first after %.1f s", sig.Status, sig.Signature, "", counted(sig.Count, "time"), sig.FirstSeen)
		if sig.Trace != "" {
			text += ": " + sig.Trace
		}
		text += "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
