package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/fuzz/campaign"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
)

// A worker is what a worker of Go's fuzzer has in a campaign.
type worker struct {
	dir, inputs string
	writer      *corpus.Writer
	// settled is what came of signatures that the screening saw.
	settled map[string]*settled
	covered map[uint32]struct{}
	traces  uint64
	sampled time.Time
	// failures counts those of the lab, one after another.
	failures int
}

type settled struct {
	signature string
	status    corpus.Status
	examined  int
}

func join(s campaign.Settings) (*worker, error) {
	w, err := corpus.Open(s.Out)
	if err != nil {
		return nil, err
	}
	return &worker{dir: s.Out, inputs: s.Inputs, writer: w, settled: map[string]*settled{}, covered: map[uint32]struct{}{}}, nil
}

func (w *worker) close(restarts int) {
	_ = w.sample(restarts)
	_ = w.writer.Close()
}

// sampleEvery is how often a worker writes how far it has come.
const sampleEvery = time.Second

// count notes what was replayed.
func (w *worker) count(obs []replay.Observation, restarts int) {
	w.traces++
	for _, o := range obs {
		for _, pc := range o.Covered {
			w.covered[pc] = struct{}{}
		}
	}
	if time.Since(w.sampled) >= sampleEvery {
		_ = w.sample(restarts) // the campaign's end says what was written
	}
}

func (w *worker) sample(restarts int) error {
	w.sampled = time.Now()
	return w.writer.Sample(corpus.Sample{Traces: w.traces, Restarts: uint64(restarts), Coverage: uint64(len(w.covered))})
}

// maxFailures is after how many failures of the lab, one after another, a worker
// gives up.
const maxFailures = 10

// input screens a trace, and then what is left of it without the packets at which
// the bridges differ, until they agree.
func (w *worker) input(ctx context.Context, t *testing.T, j *judge, trace replay.Trace) {
	t.Helper()
	for len(trace.Packets) > 0 {
		seen, err := j.screen(ctx, trace)
		if err == nil && seen.Outcome == oracle.Agree {
			w.failures = 0
			return
		}
		if err == nil && seen.Signature == "" {
			err = errors.New(seen.Reason)
		}
		if err == nil {
			err = w.note(ctx, j, trace, seen)
		}
		if err != nil {
			w.failed(t, trace, err)
			return
		}
		trace = without(trace, seen)
	}
}

// examinations is how often what turned out inconclusive is examined anew when
// the screening sees it again.
const examinations = 8

// note counts a signature that the screening saw, having found out first what it
// is.
func (w *worker) note(ctx context.Context, j *judge, trace replay.Trace, seen oracle.Verdict) error {
	s := w.settled[seen.Signature]
	if s == nil {
		s = &settled{signature: seen.Signature}
		w.settled[seen.Signature] = s
	}
	if s.status == "" || s.status == corpus.Inconclusive && s.examined < examinations {
		f, err := j.examine(ctx, trace, seen, func(signature string) bool { return w.writer.Has(signature, corpus.New) })
		if err != nil {
			return err
		}
		s.examined++
		s.signature, s.status = f.Signature, f.Status
		if err := w.keep(f); err != nil {
			return err
		}
	}
	return w.writer.Seen(s.signature, s.status, 1)
}

// keep records a finding unless there is one of its signature, and puts its trace
// among the inputs of the fuzzer.
func (w *worker) keep(f corpus.Finding) error {
	if w.writer.Has(f.Signature, f.Status) {
		return nil
	}
	if _, err := w.writer.Record(f); err != nil {
		return err
	}
	if f.Status == corpus.Inconclusive {
		return nil
	}
	data, err := fuzz.Encode(f.Trace)
	if err != nil {
		return fmt.Errorf("finding %s as an input: %w", f.Signature, err)
	}
	if w.inputs == "" {
		return nil
	}
	name, content := fuzz.InputFile(data)
	return corpus.WriteFile(filepath.Join(w.inputs, name), content)
}

// failed has a worker go on after a failure of the lab, but not for ever, nor if
// the pipeline is to blame.
func (w *worker) failed(t *testing.T, trace replay.Trace, err error) {
	t.Helper()
	w.failures++
	_, refused := errors.AsType[*lab.RefusedError](err)
	if refused || w.failures > maxFailures {
		t.Fatal("the lab failed: ", err)
	}
	text := fmt.Sprintf("%s trace of %d packets: %v\n", time.Now().UTC().Format(time.RFC3339), len(trace.Packets), err)
	log, err := os.OpenFile(filepath.Join(w.dir, "lab.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return
	}
	defer log.Close()
	_, _ = log.WriteString(text)
}
