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
	"github.com/ctdiff/ctdiff/fuzz/campaign"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
)

// A worker is what a worker of Go's fuzzer has in a campaign.
type worker struct {
	dir    string
	writer *corpus.Writer
	// seen is by the signature that the screening saw.
	seen    map[string]*occurrences
	covered map[uint32]struct{}
	traces  uint64
	sampled time.Time
	// failures counts those of the lab, one after another.
	failures int
}

// occurrences are those of one signature.
type occurrences struct {
	settled corpus.Settled
	// final says that no more will be found out.
	final bool
	// waiting is how many have yet to be counted, since it is not known what
	// they are.
	waiting uint64
}

func join(s campaign.Settings) (*worker, error) {
	w, err := corpus.Open(s.Out)
	if err != nil {
		return nil, err
	}
	return &worker{dir: s.Out, writer: w, seen: map[string]*occurrences{}, covered: map[uint32]struct{}{}}, nil
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
func (w *worker) input(ctx context.Context, t *testing.T, s *screener, trace replay.Trace) {
	t.Helper()
	for len(trace.Packets) > 0 {
		seen, err := s.screen(ctx, trace)
		if err == nil && seen.Outcome == oracle.Agree {
			w.failures = 0
			return
		}
		if err == nil && seen.Signature == "" {
			err = errors.New(seen.Reason)
		}
		if err == nil {
			err = w.note(corpus.Suspect{Signature: seen.Signature, Trace: trace})
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

// note counts what the screening saw, and leaves it to be examined if it is not
// known what that is.
func (w *worker) note(s corpus.Suspect) error {
	o := w.seen[s.Signature]
	if o == nil {
		o = &occurrences{}
		w.seen[s.Signature] = o
	}
	o.waiting++
	if !o.final && !w.writer.Waiting(s.Signature) {
		settled, ok := w.writer.Settled(s.Signature)
		o.final = ok && (settled.Status != corpus.Inconclusive || settled.Examined >= examinations)
		if o.settled = settled; !o.final {
			if err := w.writer.Suspect(s); err != nil {
				return err
			}
		}
	}
	if o.settled.Status == "" {
		return nil
	}
	n := o.waiting
	o.waiting = 0
	return w.writer.Seen(o.settled.Signature, o.settled.Status, n)
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
	return left
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
