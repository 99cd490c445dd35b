package labtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/report"
	"github.com/ctdiff/ctdiff/fuzz/campaign"
	"github.com/ctdiff/ctdiff/fuzz/feedback"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/known"
	"github.com/ctdiff/ctdiff/oracle/reduce"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
	"github.com/ctdiff/ctdiff/replay/lab/symbol"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

// A judge screens the inputs of a fuzz target, and looks closer at those at which
// the bridges differ.
type judge struct {
	settings campaign.Settings
	opened   []*lab.Bridge
	bridges  []replay.Replayer
	known    known.List
	shown    feedback.Features
	symbols  *symbol.Table // nil if the kernel has none
	worker   *worker       // nil if there is no campaign
}

func newJudge(ctx context.Context, img image.Image, s campaign.Settings) (*judge, error) {
	j := &judge{settings: s, known: known.Shipped()}
	if s.Known != "" {
		list, err := known.ReadFile(s.Known)
		if err != nil {
			return nil, err
		}
		j.known = append(j.known, list...)
	}
	if s.Out != "" {
		var err error
		if j.worker, err = join(s); err != nil {
			return nil, err
		}
	}
	// A kernel of the user's may have no symbols.
	j.symbols, _ = symbol.Read(cmp.Or(img.Symbols, img.Kernel))
	var err error
	if j.opened, err = OpenAll(ctx, img, s.Bridges); err != nil {
		return nil, err
	}
	for _, b := range j.opened {
		if s.Coverage != campaign.CoverageOff {
			b.Cover(lab.CoverTrace)
		}
		j.bridges = append(j.bridges, b)
	}
	return j, nil
}

// getUsed has what a plain trace shows not lead the fuzzer: nearly every other shows
// it too. The first replays of it make its flows.
func (j *judge) getUsed(ctx context.Context, plain replay.Trace) error {
	if j.settings.Coverage != campaign.CoverageGuide {
		return nil
	}
	for range 3 {
		obs, err := replay.All(ctx, j.bridges, plain, j.settings.Level)
		if _, refused := errors.AsType[*lab.RefusedError](err); refused {
			return nil // the first input says so
		}
		if err != nil {
			return err
		}
		j.shown = feedback.Features{}
		j.shown.Observe(obs)
	}
	j.shown.Usual()
	return nil
}

func (j *judge) close() {
	for _, b := range j.opened {
		_ = b.Close()
	}
	if j.worker != nil {
		j.worker.close(j.restarts())
	}
}

func (j *judge) restarts() (sum int) {
	for _, b := range j.opened {
		sum += b.Restarts()
	}
	return sum
}

// inputTime bounds what is done for an input: Go's fuzzer gives one up that
// takes ten seconds.
const inputTime = 8 * time.Second

// input fails t if the bridges diverge or the lab does, or has the campaign note
// it.
func (j *judge) input(t *testing.T, trace replay.Trace) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), inputTime)
	defer cancel()
	if j.worker != nil {
		j.worker.input(ctx, t, j, trace)
		return
	}
	seen, err := j.screen(ctx, trace)
	if err != nil {
		t.Fatal("the lab failed: ", err)
	}
	if seen.Outcome == oracle.Agree {
		return
	}
	f, err := j.examine(ctx, trace, seen, nil)
	if err != nil {
		t.Fatal("the lab failed: ", err)
	}
	if f.Status == corpus.Inconclusive {
		t.Logf("inconclusive: %s: %s", f.Signature, f.Reason)
		return
	}
	t.Fatal(j.text(t, f))
}

// screen replays a trace and compares what the bridges made of it. At level warm
// one replay may meet flows that the one before has left: a trace at which they
// differ is replayed once more.
func (j *judge) screen(ctx context.Context, trace replay.Trace) (v oracle.Verdict, err error) {
	for range 2 {
		obs, err := replay.All(ctx, j.bridges, trace, j.settings.Level)
		if err != nil {
			return v, err
		}
		if j.settings.Coverage == campaign.CoverageGuide {
			j.shown.Observe(obs)
			j.shown.Report()
		}
		if j.worker != nil {
			j.worker.count(obs, j.restarts())
		}
		if v = oracle.Compare(trace, obs); v.Outcome == oracle.Agree || j.settings.Level != replay.Warm {
			break
		}
	}
	return v, nil
}

// confirmations is how often a divergence is replayed once more at each level.
const confirmations = 2

// examine finds out whether what the screening saw is a divergence, and reduces
// it unless keeps says that it is kept already.
func (j *judge) examine(ctx context.Context, trace replay.Trace, seen oracle.Verdict, kept func(signature string) bool) (corpus.Finding, error) {
	f := corpus.Finding{Signature: seen.Signature, Status: corpus.Inconclusive, Level: replay.Booted, Trace: trace, Original: trace, Profile: j.settings.Profile}
	runs, purged, err := j.confirm(ctx, trace, replay.Purged)
	if err != nil {
		return f, err
	}
	f.Observations, f.Verdict, f.Level = runs[0], purged, replay.Purged
	if purged.Outcome != oracle.Diverge {
		f.Reason = fmt.Sprintf("at level %s: %s", j.settings.Level, seen.Differences[0].Text)
		if purged.Reason != "" {
			f.Reason = purged.Reason
		}
		return f, nil
	}
	_, booted, err := j.confirm(ctx, trace, replay.Booted)
	if err != nil {
		return f, err
	}
	f.Level = replay.Booted
	if f.Verdict = oracle.Join(purged, booted); f.Verdict.Outcome != oracle.Diverge {
		f.Reason = f.Verdict.Reason
		return f, nil
	}
	f.Signature, f.Status = f.Verdict.Signature, corpus.New
	if judged := j.known.Judge(f.Signature, f.Observations); judged.Entry != nil {
		f.Reason, f.Link = judged.Text, judged.Entry.Link
		if judged.Known {
			f.Status = corpus.Known
		}
	}
	if kept != nil && kept(f.Signature) {
		return f, nil
	}
	if err := j.reduce(ctx, &f, seen); err != nil {
		return f, err
	}
	if j.worker != nil {
		f.Hints = j.hints(ctx, f)
	}
	return f, nil
}

func (j *judge) confirm(ctx context.Context, trace replay.Trace, level replay.Level) ([][]replay.Observation, oracle.Verdict, error) {
	var runs [][]replay.Observation
	for range confirmations {
		obs, err := replay.All(ctx, j.bridges, trace, level)
		if err != nil {
			return nil, oracle.Verdict{}, err
		}
		runs = append(runs, obs)
	}
	return runs, oracle.Confirm(trace, runs), nil
}

// screenedTime and confirmedTime bound a reduction, of the ten seconds after which
// Go's fuzzer gives an input up.
const (
	screenedTime  = time.Second
	confirmedTime = 2500 * time.Millisecond
)

// reduce makes f's trace as small as it can be with the same signature: first at
// the level of the screening, where a step takes least, and then at level purged.
func (j *judge) reduce(ctx context.Context, f *corpus.Finding, seen oracle.Verdict) error {
	begin, steps := f.Original, 0
	if j.settings.Level == replay.Warm {
		result, _ := j.reduceAt(ctx, begin, replay.Warm, seen, screenedTime)
		steps = result.Steps
		var err error
		if begin, err = j.shownBy(ctx, f, result.Trace); err != nil {
			return err
		}
	}
	result, err := j.reduceAt(ctx, begin, replay.Purged, f.Verdict, confirmedTime)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f.Reduction.Minimal, f.Reduction.Steps = result.Minimal, steps+result.Steps
	if err != nil {
		f.Reduction.Note = "not reduced further: " + err.Error()
	}
	runs, v, err := j.confirm(ctx, result.Trace, replay.Purged)
	if err != nil {
		return err
	}
	if v.Signature != f.Signature {
		f.Reduction.Minimal, f.Reduction.Note = false, "the reduced trace did not show it again"
		return nil
	}
	v.Runs, v.Diverged, v.Reliability = f.Verdict.Runs, f.Verdict.Diverged, f.Verdict.Reliability
	f.Trace, f.Observations, f.Verdict = result.Trace, runs[0], v
	return nil
}

// maxCopies is how often each packet of a trace that was reduced at level warm is
// sent at most: at level purged the first one of a flow takes an upcall, and does
// not meet it.
const maxCopies = 3

// shownBy returns the trace, or one with so many copies of each packet that it
// shows the finding at level purged; if none does, the original.
func (j *judge) shownBy(ctx context.Context, f *corpus.Finding, trace replay.Trace) (replay.Trace, error) {
	for copies := 1; copies <= maxCopies; copies++ {
		candidate := replay.Trace{Pipeline: trace.Pipeline}
		for _, p := range trace.Packets {
			for n := range copies {
				again := p
				if n > 0 {
					again.Gap = 0
				}
				candidate.Packets = append(candidate.Packets, again)
			}
		}
		if ok, err := j.shows(ctx, candidate, replay.Purged, f.Verdict); ok || err != nil {
			return candidate, err
		}
	}
	return f.Original, nil
}

func (j *judge) shows(ctx context.Context, candidate replay.Trace, level replay.Level, v oracle.Verdict) (bool, error) {
	obs, err := replay.All(ctx, j.bridges, candidate, level)
	if _, refused := errors.AsType[*lab.RefusedError](err); refused {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return oracle.Compare(candidate, obs).StillShows(v), nil
}

// reduceAt reduces a trace for a time. What is being replayed when that is over is
// not given up: it would cost the guests.
func (j *judge) reduceAt(ctx context.Context, trace replay.Trace, level replay.Level, v oracle.Verdict, limit time.Duration) (reduce.Result, error) {
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%v were over; ctdiff minimize goes on", limit))
	defer cancel()
	holds := func(_ context.Context, candidate replay.Trace) (bool, error) {
		return j.shows(ctx, candidate, level, v)
	}
	return reduce.Reduce(limited, trace, holds, reduce.Options{})
}

// text shows a finding.
func (j *judge) text(t *testing.T, f corpus.Finding) string {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "the bridges diverge on profile %s; reduced from %d packets to %d\n", j.settings.Profile, len(f.Original.Packets), len(f.Trace.Packets))
	if err := report.Table(&text, f.Trace, f.Observations, f.Verdict, report.Options{}); err != nil {
		t.Fatal(err)
	}
	if f.Reason != "" {
		fmt.Fprintf(&text, "\n%s: %s\n", f.Status, f.Reason)
	}
	text.WriteString("\n")
	if err := tracetext.Format(&text, f.Trace); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// without returns a trace without the packets at which bridges differ: what is
// left may show something else.
func without(trace replay.Trace, v oracle.Verdict) replay.Trace {
	differ := map[int]bool{}
	for _, d := range v.Differences {
		differ[d.Packet] = true
	}
	left := replay.Trace{Pipeline: trace.Pipeline}
	for i, p := range trace.Packets {
		if !differ[i] {
			left.Packets = append(left.Packets, p)
		}
	}
	if len(left.Packets) == len(trace.Packets) {
		return replay.Trace{}
	}
	left.Packets = slices.Clip(left.Packets)
	return left
}
