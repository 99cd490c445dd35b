package reduce

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

// A Predicate reports whether a candidate still shows what the trace is kept
// for. It must not change the candidate. An error says that this could not be
// found out, and ends the reduction.
type Predicate func(ctx context.Context, candidate replay.Trace) (bool, error)

// Options bound and watch a reduction.
type Options struct {
	// Steps is the largest number of calls of the predicate; 0 is no limit.
	Steps int
	// Progress, if not nil, is called after each.
	Progress func(Step)
}

// A Pass is what is being reduced.
type Pass string

// The passes, in their order.
const (
	// Whole is the first step: the trace as it was given.
	Whole   Pass = "whole"
	Packets Pass = "packets"
	Fields  Pass = "fields"
	Gaps    Pass = "gaps"
	Rules   Pass = "rules"
)

// A Step is one call of the predicate.
type Step struct {
	// N counts the calls, from 1.
	N    int
	Pass Pass
	// Change is what was tried, such as "hop limit of packet 1".
	Change string
	// Kept says that the predicate still holds.
	Kept bool
	// Packets and Rules are how many the best trace so far has.
	Packets, Rules int
}

// Tally counts what a pass has tried.
type Tally struct {
	Pass Pass `json:"pass"`
	// Tried is the number of calls of the predicate, Kept that of those for
	// which it held. Cached is the number of candidates that had been tried
	// before.
	Tried  int `json:"tried"`
	Kept   int `json:"kept"`
	Cached int `json:"cached"`
}

// Result is what a reduction came to.
type Result struct {
	// Trace is the best trace found, for which the predicate held.
	Trace replay.Trace
	// Minimal says that it is 1-minimal: with any one packet, rule or gap
	// less, or any one field plainer in the packets that are alike, the
	// predicate does not hold. If it is false and there was no error, the
	// budget is spent.
	Minimal bool
	// Steps is the number of calls of the predicate.
	Steps int
	// Tried has a tally for each pass.
	Tried []Tally
}

// ErrNotShown says that the predicate does not hold for the trace given.
var ErrNotShown = errors.New("the trace does not show what it is kept for")

// errBudget ends the passes.
var errBudget = errors.New("budget spent")

// Reduce returns a trace for which the predicate holds as it does for t, and
// which is as small and plain as can be. The same trace and predicate give the
// same result. On an error of the predicate, or if ctx ends, the result is the
// best so far, together with the error.
func Reduce(ctx context.Context, t replay.Trace, predicate Predicate, opts Options) (Result, error) {
	r := &reducer{ctx: ctx, predicate: predicate, opts: opts, best: t, tried: map[string]bool{}}
	for _, pass := range []Pass{Whole, Packets, Fields, Gaps, Rules} {
		r.tallies = append(r.tallies, Tally{Pass: pass})
	}
	err := r.run()
	result := Result{Trace: r.best, Minimal: err == nil, Steps: r.steps, Tried: r.tallies}
	if errors.Is(err, errBudget) {
		err = nil
	}
	return result, err
}

type reducer struct {
	ctx       context.Context
	predicate Predicate
	opts      Options

	best replay.Trace
	hash string // of best
	// tried has the hashes of all candidates. One for which the predicate
	// held became the best at once, so that none is worth a second look;
	// that also keeps the passes from going round in circles.
	tried   map[string]bool
	steps   int
	pass    Pass
	tallies []Tally
}

func (r *reducer) run() error {
	if err := r.best.Validate(); err != nil {
		return fmt.Errorf("reducing: %w", err)
	}
	r.pass = Whole
	switch ok, err := r.try(r.best, "the trace"); {
	case err != nil:
		return err
	case !ok:
		return ErrNotShown
	}
	passes := []struct {
		pass Pass
		run  func() error
	}{{Packets, r.packets}, {Fields, r.fields}, {Gaps, r.gaps}, {Rules, r.rules}}
	for before := ""; ; {
		if r.hash == before {
			return nil
		}
		before = r.hash
		for _, p := range passes {
			r.pass = p.pass
			if err := p.run(); err != nil {
				return err
			}
		}
	}
}

// try makes a candidate the best trace if the predicate holds for it.
func (r *reducer) try(candidate replay.Trace, change string) (bool, error) {
	if valid := candidate.Validate() == nil; !valid {
		return false, nil
	}
	tally := &r.tallies[slices.IndexFunc(r.tallies, func(t Tally) bool { return t.Pass == r.pass })]
	hash := tracefile.Hash(candidate)
	if hash == r.hash {
		return false, nil // the change changed nothing
	}
	if r.tried[hash] {
		tally.Cached++
		return false, nil
	}
	if err := r.ctx.Err(); err != nil {
		return false, context.Cause(r.ctx)
	}
	if r.opts.Steps > 0 && r.steps == r.opts.Steps {
		return false, errBudget
	}
	r.tried[hash] = true
	r.steps++
	tally.Tried++
	ok, err := r.predicate(r.ctx, candidate)
	if err != nil {
		return false, fmt.Errorf("step %d (%s): %w", r.steps, change, err)
	}
	if ok {
		tally.Kept++
		r.best, r.hash = candidate, hash
	}
	if r.opts.Progress != nil {
		r.opts.Progress(Step{N: r.steps, Pass: r.pass, Change: change, Kept: ok, Packets: len(r.best.Packets), Rules: len(r.best.Pipeline)})
	}
	return ok, nil
}
