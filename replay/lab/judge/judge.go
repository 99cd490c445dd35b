// Package judge screens traces on bridges of the lab, and finds out of those at
// which they differ what it is: it confirms, reduces, names, and looks for hints.
package judge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/report"
	"github.com/ctdiff/ctdiff/fuzz/campaign"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/known"
	"github.com/ctdiff/ctdiff/oracle/reduce"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
	"github.com/ctdiff/ctdiff/replay/lab/symbol"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

// A Judge has bridges of its own. It is not for concurrent use.
type Judge struct {
	settings campaign.Settings
	opened   []*lab.Bridge
	bridges  []replay.Replayer
	known    known.List
	symbols  *symbol.Table // nil if the kernel has none
	// screenedTime and confirmedTime bound the two parts of a reduction.
	screenedTime, confirmedTime time.Duration
}

// New opens the bridges that the settings choose.
func New(ctx context.Context, img image.Image, s campaign.Settings) (*Judge, error) {
	j := &Judge{settings: s, known: known.Shipped(), screenedTime: time.Second, confirmedTime: 2500 * time.Millisecond}
	if s.Out != "" {
		// A campaign has the time that an input of Go's fuzzer has not.
		j.screenedTime, j.confirmedTime = 10*time.Second, time.Minute
	}
	if s.Known != "" {
		list, err := known.ReadFile(s.Known)
		if err != nil {
			return nil, err
		}
		j.known = append(j.known, list...)
	}
	// A kernel of the user's may have no symbols.
	j.symbols, _ = symbol.Read(cmp.Or(img.Symbols, img.Kernel))
	var err error
	if j.opened, err = lab.OpenAll(ctx, lab.SidesOf(img, s.Bridges...)...); err != nil {
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

// Close ends the bridges.
func (j *Judge) Close() {
	for _, b := range j.opened {
		_ = b.Close()
	}
}

// Restarts is how often a guest that died was replaced.
func (j *Judge) Restarts() (sum int) {
	for _, b := range j.opened {
		sum += b.Restarts()
	}
	return sum
}

// Bridges returns the bridges, for replays.
func (j *Judge) Bridges() []replay.Replayer { return j.bridges }

// confirmations is how often a divergence is replayed once more at each level.
const confirmations = 2

// Examine finds out whether a trace at which the screening saw a difference, of some
// signature, diverges, and if it does, reduces it, unless kept, which may be nil,
// says that there is a finding of its signature. What is not confirmed comes back as
// [corpus.Inconclusive], with the reason. An error is the lab's.
func (j *Judge) Examine(ctx context.Context, trace replay.Trace, signature string, kept func(signature string) bool) (corpus.Finding, error) {
	f := corpus.Finding{Signature: signature, Status: corpus.Inconclusive, Level: replay.Booted, Trace: trace, Original: trace, Profile: j.settings.Profile}
	var runs [][]replay.Observation
	var purged oracle.Verdict
	for copies := 1; copies <= maxCopies && purged.Outcome != oracle.Diverge; copies++ {
		f.Trace = repeated(trace, copies)
		var err error
		if runs, purged, err = j.confirm(ctx, f.Trace, replay.Purged); err != nil {
			return f, err
		}
	}
	trace, f.Original = f.Trace, f.Trace
	f.Observations, f.Verdict, f.Level = runs[0], purged, replay.Purged
	if purged.Outcome != oracle.Diverge {
		f.Reason = fmt.Sprintf("seen at level %s only: the bridges agree at level %s", j.settings.Level, replay.Purged)
		if purged.Reason != "" {
			f.Reason = purged.Reason
		}
		return f, nil
	}
	_, booted, err := j.confirm(ctx, trace, replay.Booted)
	if ctx.Err() != nil && j.settings.Out == "" {
		// What is confirmed at level purged is worth more than to say that Go's
		// fuzzer has not given more time.
		f.Signature, f.Status = purged.Signature, corpus.New
		f.Reason = fmt.Sprintf("not confirmed at level %s, nor reduced: the time for an input was over", replay.Booted)
		return f, nil
	}
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
	if err := j.reduce(ctx, &f); err != nil && (ctx.Err() == nil || j.settings.Out != "") {
		return f, err
	}
	f.Hints = j.hints(ctx, f)
	return f, nil
}

func (j *Judge) confirm(ctx context.Context, trace replay.Trace, level replay.Level) ([][]replay.Observation, oracle.Verdict, error) {
	return oracle.Repeat(ctx, j.bridges, trace, level, confirmations)
}

// reduce makes f's trace as small as it can be with the same signature: first at
// the level of the screening, where a step takes least, and then at level purged.
func (j *Judge) reduce(ctx context.Context, f *corpus.Finding) error {
	begin, steps := f.Original, 0
	if j.settings.Level == replay.Warm {
		result, _ := j.reduceAt(ctx, begin, replay.Warm, f.Verdict, j.screenedTime)
		steps = result.Steps
		var err error
		if begin, err = j.shownBy(ctx, f, result.Trace); err != nil {
			return err
		}
	}
	result, err := j.reduceAt(ctx, begin, replay.Purged, f.Verdict, j.confirmedTime)
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

// maxCopies is how often each packet of a trace that was seen at level warm is sent
// at most: at level purged the first one of a flow takes an upcall, and does not meet
// it.
const maxCopies = 3

// repeated returns a trace in which each packet is sent so many times.
func repeated(trace replay.Trace, copies int) replay.Trace {
	list := replay.Trace{Pipeline: trace.Pipeline}
	for _, p := range trace.Packets {
		for n := range copies {
			again := p
			if n > 0 {
				again.Gap = 0
			}
			list.Packets = append(list.Packets, again)
		}
	}
	return list
}

// shownBy returns the trace, or one with so many copies of each packet that it
// shows the finding at level purged; if none does, the original.
func (j *Judge) shownBy(ctx context.Context, f *corpus.Finding, trace replay.Trace) (replay.Trace, error) {
	for copies := 1; copies <= maxCopies; copies++ {
		candidate := repeated(trace, copies)
		if ok, err := j.shows(ctx, candidate, replay.Purged, f.Verdict); ok || err != nil {
			return candidate, err
		}
	}
	return f.Original, nil
}

func (j *Judge) shows(ctx context.Context, candidate replay.Trace, level replay.Level, v oracle.Verdict) (bool, error) {
	return Shows(ctx, j.bridges, candidate, level, v)
}

// Shows reports whether a trace still shows what a verdict says: it is for the
// predicate of a reduction. A candidate that no bridge can be given does not.
func Shows(ctx context.Context, bridges []replay.Replayer, candidate replay.Trace, level replay.Level, v oracle.Verdict, strict ...string) (bool, error) {
	obs, err := replay.All(ctx, bridges, candidate, level)
	if errors.As(err, new(*lab.RefusedError)) || errors.As(err, new(*image.InputError)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return oracle.Compare(candidate, obs, strict...).StillShows(v), nil
}

// reduceAt reduces a trace for a time. What is being replayed when that is over is
// not given up: it would cost the guests.
func (j *Judge) reduceAt(ctx context.Context, trace replay.Trace, level replay.Level, v oracle.Verdict, limit time.Duration) (reduce.Result, error) {
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%v were over; ctdiff minimize goes on", limit))
	defer cancel()
	holds := func(_ context.Context, candidate replay.Trace) (bool, error) {
		return j.shows(ctx, candidate, level, v)
	}
	return reduce.Reduce(limited, trace, holds, reduce.Options{})
}

// Text shows a finding side by side, and its trace.
func (j *Judge) Text(f corpus.Finding) (string, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "the bridges diverge on profile %s; reduced from %d packets to %d\n", j.settings.Profile, len(f.Original.Packets), len(f.Trace.Packets))
	if err := report.Table(&text, f.Trace, f.Observations, f.Verdict, report.Options{}); err != nil {
		return "", err
	}
	if f.Reason != "" {
		fmt.Fprintf(&text, "\n%s: %s\n", f.Status, f.Reason)
	}
	text.WriteString("\n")
	if err := tracetext.Format(&text, f.Trace); err != nil {
		return "", err
	}
	return text.String(), nil
}
