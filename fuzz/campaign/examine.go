package campaign

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/fuzz"
)

// An Examiner finds out what a trace is at which the screening saw a difference of
// some signature: see judge.Judge.
type Examiner interface {
	Examine(ctx context.Context, s corpus.Suspect, kept func(signature string) bool) (corpus.Finding, error)
}

// How often it is looked for suspects, how long those that are left at the end may
// take, and after how many failures of the lab one is given up.
const (
	lookEvery   = 300 * time.Millisecond
	afterwards  = 2 * time.Minute
	maxFailures = 3
)

// examine examines suspects until ended is closed, and then those that are left.
func (r *run) examine(ctx context.Context, ended <-chan struct{}) error {
	failures := map[string]int{}
	over := false
	var deadline time.Time
	for {
		suspects, err := r.writer.Suspects()
		if err != nil {
			return err
		}
		for _, s := range suspects {
			if ctx.Err() != nil || over && time.Now().After(deadline) {
				return ctx.Err()
			}
			if err := r.settle(ctx, s, failures); err != nil {
				return err
			}
		}
		if over && len(suspects) == 0 {
			return nil
		}
		if over {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			over, deadline = true, time.Now().Add(afterwards)
		case <-time.After(lookEvery):
		}
	}
}

// settle examines a suspect, and keeps what it is.
func (r *run) settle(ctx context.Context, s corpus.Suspect, failures map[string]int) error {
	f, err := r.Examiner.Examine(ctx, s, func(signature string) bool { return r.writer.Has(signature, corpus.New) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		failures[s.Signature]++
		slog.Warn("the lab failed", "signature", s.Signature, "error", err)
		if failures[s.Signature] < maxFailures {
			return nil // it is tried again
		}
		f = corpus.Finding{Signature: s.Signature, Status: corpus.Inconclusive, Reason: fmt.Sprintf("the lab failed: %v", err), Trace: s.Trace, Original: s.Trace}
	}
	if err := r.keep(f); err != nil {
		return err
	}
	if err := r.writer.SeenAt(s.Seconds, f.Signature, f.Status); err != nil {
		return err
	}
	return r.writer.Settle(s, corpus.Settled{Signature: f.Signature, Status: f.Status})
}

// keep records a finding unless there is one of its signature, and puts its trace
// among the inputs of the fuzzer.
func (r *run) keep(f corpus.Finding) error {
	if r.writer.Has(f.Signature, f.Status) {
		return nil
	}
	if _, err := r.writer.Record(f); err != nil {
		return err
	}
	if f.Status == corpus.Inconclusive {
		return nil
	}
	data, err := fuzz.Encode(f.Trace)
	if err != nil {
		return fmt.Errorf("finding %s as an input: %w", f.Signature, err)
	}
	name, content := fuzz.InputFile(data)
	return corpus.WriteFile(filepath.Join(r.Inputs, name), content)
}
