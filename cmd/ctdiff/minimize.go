package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/corpus/report"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/reduce"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab/judge"
	"github.com/ctdiff/ctdiff/replay/tracefile"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

type minimizeOptions struct {
	replayOptions
	output string
	steps  int
}

func newMinimize() *cobra.Command {
	var opts minimizeOptions
	cmd := &cobra.Command{
		Use:   "minimize TRACE -o FILE",
		Short: "Reduce a trace to what its divergence needs",
		Long: `Reduce a trace on which bridges diverge to one that is as small and as plain as
can be and diverges with the same signature: fewer packets, plain fields (see
go doc github.com/ctdiff/ctdiff/oracle/reduce), no gaps, fewer rules. If the
rules show the divergence, and not their witness copy alone, they still do.

The divergence is confirmed at first, and that of the result at the end, by as
many replays as --repeat says, but two at least; the result is replayed at level
booted as well. In between, each candidate is replayed once.

The result is printed as text, and with -v also what the bridges make of it. It
is minimal if the divergence is lost with any one packet, rule or gap less, or
any one field plainer. With --json, standard output has the object that ctdiff
replay --json prints for the result, and in it "reduction": packets and rules,
each of how many, minimal, steps, tried, and booted: the verdict at that level.`,
		Example: `  ctdiff minimize -o small.pcapng large.pcapng
  ctdiff minimize --profile debian-12 --pipeline rules.txt --port p1 -o small.pcapng capture.pcap`,
		Args: takes(1, 1, "TRACE"),
		RunE: func(cmd *cobra.Command, args []string) error { return runMinimize(cmd.Context(), opts, args) },
	}
	opts.add(cmd)
	cmd.Flags().StringVarP(&opts.output, "output", "o", "", "`FILE` to write, whole or not at all")
	cmd.Flags().IntVar(&opts.steps, "steps", 5000, "replay up to `N` candidates; 0 is no limit")
	return withExits(cmd,
		"0    done; also if the budget of --steps is spent, which is said",
		"2    bad usage or bad input, such as a trace that does not diverge; nothing is written",
		"3    the lab failed; nothing is written")
}

func runMinimize(ctx context.Context, opts minimizeOptions, files []string) error {
	if err := opts.check(); err != nil {
		return err
	}
	return withBridges(ctx, opts.replayOptions, files, func(r *replayer, sources []source) error {
		r.repeat = max(r.repeat, 2)
		m := minimizer{replayer: r, source: sources[0], output: opts.output, steps: opts.steps}
		return m.run(ctx)
	})
}

// check finds what would otherwise be found after minutes.
func (o minimizeOptions) check() error {
	if o.output == "" {
		return badUsage("no file for the result: name one with -o")
	}
	if o.steps < 0 {
		return badUsage("--steps %d: less than 0", o.steps)
	}
	if info, err := os.Stat(o.output); err == nil && info.IsDir() {
		return badInput("%s: is a directory", o.output)
	}
	if dir := filepath.Dir(o.output); dir != "." {
		if info, err := os.Stat(dir); err != nil {
			return &inputError{err}
		} else if !info.IsDir() {
			return badInput("%s: not a directory", dir)
		}
	}
	return nil
}

// A minimizer reduces one trace.
type minimizer struct {
	*replayer
	source source
	output string
	steps  int

	signature string
	found     oracle.Verdict
}

func (m *minimizer) run(ctx context.Context) error {
	s := m.source
	v, _, err := m.confirm(ctx, s.trace)
	switch {
	case err != nil:
		return err
	case v.Outcome == oracle.Agree:
		return badInput("%s: the bridges agree: there is nothing to minimize", s.file)
	case v.Outcome == oracle.Inconclusive:
		return badInput("%s: inconclusive: %s", s.file, v.Reason)
	}
	m.signature, m.found = v.Signature, v
	p := newProgress(os.Stderr)
	p.note("%s: %s; reducing %s and %s", s.file, v.Signature, counted(len(s.trace.Packets), "packet"), counted(len(s.trace.Pipeline), "rule"))
	result, err := reduce.Reduce(ctx, s.trace, m.holds, reduce.Options{Steps: m.steps, Progress: p.step})
	p.end()
	if errors.Is(err, reduce.ErrNotShown) {
		return badInput("%s: inconclusive: replayed once more, it did not diverge with %s", s.file, m.signature)
	}
	if err != nil {
		return m.explained(err)
	}
	return m.finish(ctx, result)
}

// finish verifies the result, writes and prints it.
func (m *minimizer) finish(ctx context.Context, result reduce.Result) error {
	v, obs, err := m.confirm(ctx, result.Trace)
	if err != nil {
		return err
	}
	if v.Signature != m.signature {
		return badInput("%s: inconclusive: reduced to %s, it did not diverge each time with %s: %s",
			m.source.file, counted(len(result.Trace.Packets), "packet"), m.signature, cmp.Or(v.Reason, v.Signature, string(v.Outcome)))
	}
	booted, err := m.booted(ctx, result.Trace)
	if err != nil {
		return err
	}
	if err := explainWrite(tracefile.WriteFile(m.output, result.Trace), m.output); err != nil {
		return err
	}
	reduction := m.reduction(result, booted)
	run := report.Run{Trace: tracefile.Hash(result.Trace), Profile: m.sides.profile(), Level: m.level, Repeat: v.Runs}
	if m.json {
		return printReduction(run, v, obs, reduction)
	}
	if err := tracetext.Format(os.Stdout, result.Trace); err != nil {
		return err
	}
	if m.table.Verbose {
		fmt.Println()
		if err := m.print(source{file: m.output, trace: result.Trace}, run, obs, v); err != nil {
			return err
		}
	}
	fmt.Printf("\n%s\n", m.sentence(reduction, v))
	return nil
}

// confirm replays a trace as often as a divergence needs.
func (m *minimizer) confirm(ctx context.Context, t replay.Trace) (oracle.Verdict, []replay.Observation, error) {
	runs, v, err := oracle.Repeat(ctx, m.bridges, t, m.level, m.repeat, m.strict...)
	if err != nil {
		return v, nil, m.explained(err)
	}
	return v, runs[0], nil
}

func (m *minimizer) booted(ctx context.Context, t replay.Trace) (oracle.Verdict, error) {
	obs, err := replay.All(ctx, m.bridges, t, replay.Booted)
	if err != nil {
		return oracle.Verdict{}, m.explained(err)
	}
	return oracle.Compare(t, obs, m.strict...), nil
}

func (m *minimizer) explained(err error) error {
	return cmp.Or(refusal(err, m.source.rules), fmt.Errorf("%s: %w", m.source.file, err))
}

// holds is the predicate of the reduction.
func (m *minimizer) holds(ctx context.Context, t replay.Trace) (bool, error) {
	return judge.Shows(ctx, m.bridges, t, m.level, m.found, m.strict...)
}

// A reduction is what became of a trace, for programs.
type reduction struct {
	Packets   int            `json:"packets"`
	OfPackets int            `json:"of_packets"`
	Rules     int            `json:"rules"`
	OfRules   int            `json:"of_rules"`
	Minimal   bool           `json:"minimal"`
	Steps     int            `json:"steps"`
	Tried     []reduce.Tally `json:"tried"`
	Booted    oracle.Outcome `json:"booted"`
	// BootedSignature is that at level booted.
	BootedSignature string `json:"booted_signature"`
}

func (m *minimizer) reduction(result reduce.Result, booted oracle.Verdict) reduction {
	return reduction{
		Packets: len(result.Trace.Packets), OfPackets: len(m.source.trace.Packets),
		Rules: len(result.Trace.Pipeline), OfRules: len(m.source.trace.Pipeline),
		Minimal: result.Minimal, Steps: result.Steps, Tried: result.Tried,
		Booted: booted.Outcome, BootedSignature: booted.Signature,
	}
}

func printReduction(run report.Run, v oracle.Verdict, obs []replay.Observation, r reduction) error {
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		report.JSON
		Reduction reduction `json:"reduction"`
	}{report.NewJSON(run, v, obs), r})
}

func (m *minimizer) sentence(r reduction, v oracle.Verdict) string {
	budget := fmt.Sprintf("not known to be minimal, since the budget of %d steps is spent", r.Steps)
	if r.Minimal {
		var tried []string
		for _, t := range r.Tried {
			if t.Pass != reduce.Whole {
				tried = append(tried, fmt.Sprintf("%s %d", t.Pass, t.Tried))
			}
		}
		budget = fmt.Sprintf("minimal after %s (%s)", counted(r.Steps, "step"), strings.Join(tried, ", "))
	}
	text := fmt.Sprintf("%s: %d of %s, %d of %s, %s. It diverges with %s in %d of %d runs at level %s",
		m.output, r.Packets, counted(r.OfPackets, "packet"), r.Rules, counted(r.OfRules, "rule"), budget, v.Signature, v.Diverged, v.Runs, m.level)
	if r.BootedSignature == v.Signature {
		return text + ", and booted."
	}
	return text + fmt.Sprintf(", but not booted (%s).", cmp.Or(r.BootedSignature, string(r.Booted)))
}

// counted says how many there are: "1 packet", "2 packets".
func counted[N int | uint64](n N, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// A progress tells on a terminal of each step, in one line, and elsewhere of
// each pass that is done.
type progress struct {
	out      *os.File
	terminal bool
	last     reduce.Step
}

func newProgress(out *os.File) *progress {
	return &progress{out: out, terminal: isTerminal(out)}
}

func (p *progress) note(format string, args ...any) {
	fmt.Fprintf(p.out, "ctdiff: "+format+"\n", args...)
}

func (p *progress) step(s reduce.Step) {
	if !p.terminal && s.Pass != p.last.Pass {
		p.tell("\n")
	}
	p.last = s
	if p.terminal {
		p.tell("\r")
	}
}

func (p *progress) end() { p.tell("\n") }

func (p *progress) tell(end string) {
	if p.last.N == 0 {
		return
	}
	line := fmt.Sprintf("step %d, %s: %s, %s left", p.last.N, p.last.Pass, counted(p.last.Packets, "packet"), counted(p.last.Rules, "rule"))
	if p.terminal {
		line += "\x1b[K"
	}
	fmt.Fprint(p.out, line+end)
}
