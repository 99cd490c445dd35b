package labtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/fuzz/campaign"
	"github.com/ctdiff/ctdiff/fuzz/feedback"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
	"github.com/ctdiff/ctdiff/replay/lab/judge"
)

// A screener screens the inputs of a fuzz target.
type screener struct {
	settings campaign.Settings
	judge    *judge.Judge
	shown    feedback.Features
	worker   *worker // nil if there is no campaign
}

func newScreener(ctx context.Context, img image.Image, settings campaign.Settings) (*screener, error) {
	s := &screener{settings: settings}
	var err error
	if settings.Out != "" {
		if s.worker, err = join(settings); err != nil {
			return nil, err
		}
	}
	s.judge, err = judge.New(ctx, img, settings)
	return s, err
}

func (s *screener) close() {
	if s.judge == nil {
		return
	}
	s.judge.Close()
	if s.worker != nil {
		s.worker.close(s.judge.Restarts())
	}
}

// getUsed has what a plain trace shows not lead the fuzzer: nearly every other shows
// it too. The first replays of it make its flows.
func (s *screener) getUsed(ctx context.Context, plain replay.Trace) error {
	if s.settings.Coverage != campaign.CoverageGuide {
		return nil
	}
	for range 3 {
		obs, err := replay.All(ctx, s.judge.Bridges(), plain, s.settings.Level)
		if _, refused := errors.AsType[*lab.RefusedError](err); refused {
			return nil // the first input says so
		}
		if err != nil {
			return err
		}
		s.shown = feedback.Features{}
		s.shown.Observe(obs)
	}
	s.shown.Usual()
	return nil
}

// inputTime bounds what is done for an input: Go's fuzzer gives one up that
// takes ten seconds.
const inputTime = 9 * time.Second

// input fails t if the bridges diverge or the lab does, or has the campaign note
// it.
func (s *screener) input(t *testing.T, trace replay.Trace) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), inputTime)
	defer cancel()
	if s.worker != nil {
		s.worker.input(ctx, t, s, trace)
		return
	}
	seen, err := s.screen(ctx, trace)
	if err != nil {
		t.Fatal("the lab failed: ", err)
	}
	if seen.Outcome == oracle.Agree {
		return
	}
	f, err := s.judge.Examine(ctx, trace, seen.Signature, nil)
	if err != nil {
		t.Fatal("the lab failed: ", err)
	}
	if f.Status == corpus.Inconclusive {
		t.Logf("inconclusive: %s: %s", f.Signature, f.Reason)
		return
	}
	text, err := s.judge.Text(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Fatal(text)
}

// screen replays a trace and compares what the bridges made of it. One at which they
// differ at level warm is replayed once more: the first time may be of packets that
// took upcalls.
func (s *screener) screen(ctx context.Context, trace replay.Trace) (v oracle.Verdict, err error) {
	for range 2 {
		obs, err := replay.All(ctx, s.judge.Bridges(), trace, s.settings.Level)
		if err != nil {
			return v, err
		}
		if s.settings.Coverage == campaign.CoverageGuide {
			s.shown.Observe(obs)
			s.shown.Report()
		}
		if s.worker != nil {
			s.worker.count(obs, s.judge.Restarts())
		}
		if v = oracle.Compare(trace, obs); v.Outcome == oracle.Agree || s.settings.Level != replay.Warm {
			break
		}
	}
	return v, nil
}
