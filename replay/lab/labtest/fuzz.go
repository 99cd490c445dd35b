package labtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ctdiff/ctdiff/corpus/report"
	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/reduce"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
	"github.com/ctdiff/ctdiff/replay/tracefile"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

// The environment variables that choose for go test what options choose for
// the ctdiff command.
const (
	// ProfileEnv names the profile; debian-11 if it is not set.
	ProfileEnv = "CTDIFF_PROFILE"
	// BridgesEnv is a list such as "system,tc", which is what it is if not set.
	BridgesEnv = "CTDIFF_BRIDGES"
	// LevelEnv is the isolation level; purged if it is not set.
	LevelEnv = "CTDIFF_LEVEL"
)

// Settings are what the environment chooses.
type Settings struct {
	Profile string
	Bridges []string
	Level   replay.Level
}

// FromEnv returns the settings of the environment.
func FromEnv() (Settings, error) {
	s := Settings{Profile: env(ProfileEnv, "debian-11"), Bridges: strings.Split(env(BridgesEnv, strings.Join(lab.Bridges(), ",")), ",")}
	level, err := replay.ParseLevel(env(LevelEnv, string(replay.Purged)))
	if err != nil {
		return s, fmt.Errorf("%s: %w", LevelEnv, err)
	}
	if s.Level = level; len(s.Bridges) < 2 {
		return s, fmt.Errorf("%s: %d bridge, and a comparison needs two", BridgesEnv, len(s.Bridges))
	}
	return s, nil
}

func env(name, standard string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return standard
}

// Fuzz is a native fuzz target for an OpenFlow pipeline: it replays what
// [fuzz.Decode] makes of the fuzzer's bytes on the bridges that the
// environment chooses, and fails with a table that shows them side by side
// when they diverge, which is when [oracle.Confirm] says so. The seeds are
// those of testdata/fuzz and those that f was given.
//
// Without a lab the target is skipped, or fails if [RequireEnv] says so.
func Fuzz(f *testing.F, pipeline replay.Pipeline) {
	f.Helper()
	settings, err := FromEnv()
	if err != nil {
		f.Fatal(err)
	}
	img := Image(f, settings.Profile)
	if err := lab.Prepare(context.Background()); err != nil {
		f.Fatal(err)
	}
	var opening sync.Once
	var bridges []replay.Replayer
	start := func() {
		opening.Do(func() {
			var opened []*lab.Bridge
			opened, err = OpenAll(context.Background(), img, settings.Bridges)
			for _, b := range opened {
				bridges = append(bridges, b)
			}
		})
	}
	f.Cleanup(func() {
		for _, b := range bridges {
			_ = b.(*lab.Bridge).Close()
		}
	})
	if worker() {
		// An input that takes over 10 s ends a worker: the lab is there
		// before the first. If it is not, the first says so, since Go does
		// not show what a worker says before.
		start()
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if start(); err != nil {
			t.Fatal("the lab did not start: ", err)
		}
		judge(t, bridges, shorten(fuzz.Decode(data, pipeline)), settings)
	})
}

// Rules returns the pipeline in a file of rules as ovs-ofctl(8) add-flows takes
// them.
func Rules(t testing.TB, path string) replay.Pipeline {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rules, err := tracefile.ParsePipeline(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return rules
}

// The longest gap in a fuzzed trace is longer than conntrack keeps an ICMPv6
// connection (30 s); all of them together must pass in a fraction of the 10 s
// after which Go's fuzzer gives an input up, and a second takes milliseconds.
const (
	longestGap = 31 * time.Second
	longest    = 2 * time.Minute
)

// shorten returns t with its gaps cut.
func shorten(t replay.Trace) replay.Trace {
	left := longest
	for i := range t.Packets {
		gap := &t.Packets[i].Gap
		*gap = min(*gap, longestGap, left)
		left -= *gap
	}
	return t
}

// worker reports whether this process runs the inputs of a fuzzing process.
func worker() bool {
	flagged := flag.Lookup("test.fuzzworker")
	return flagged != nil && flagged.Value.String() == "true"
}

// OpenAll opens bridges of the names given, all at once. If one cannot be
// opened, none is.
func OpenAll(ctx context.Context, img image.Image, names []string) ([]*lab.Bridge, error) {
	list := make([]*lab.Bridge, len(names))
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { list[i], errs[i] = lab.Open(ctx, img, name) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		for _, b := range list {
			if b != nil {
				_ = b.Close()
			}
		}
		return nil, err
	}
	return list, nil
}

// confirmations is how often a divergence is replayed once more at each level.
const confirmations = 2

// judge fails t if the bridges diverge.
func judge(t *testing.T, bridges []replay.Replayer, trace replay.Trace, s Settings) {
	t.Helper()
	if _, v := compare(t, bridges, trace, s.Level, 1); v.Outcome == oracle.Agree {
		return
	}
	_, v := compare(t, bridges, trace, s.Level, confirmations)
	if v.Outcome != oracle.Diverge {
		t.Logf("inconclusive: %s", v.Reason)
		return
	}
	if _, booted := compare(t, bridges, trace, replay.Booted, confirmations); booted.Signature != v.Signature {
		t.Logf("inconclusive: %s at level %s, %s %s at level %s", v.Signature, s.Level, booted.Outcome, booted.Signature+booted.Reason, replay.Booted)
		return
	}
	found := len(trace.Packets)
	trace = reduced(t, bridges, trace, v, s.Level)
	runs, v := compare(t, bridges, trace, s.Level, confirmations)
	var text strings.Builder
	if err := report.Table(&text, trace, runs[0], v, report.Options{}); err != nil {
		t.Fatal(err)
	}
	text.WriteString("\n")
	if err := tracetext.Format(&text, trace); err != nil {
		t.Fatal(err)
	}
	t.Fatalf("the bridges diverge on profile %s; reduced from %d packets to %d, trace %s\n%s", s.Profile, found, len(trace.Packets), tracefile.Hash(trace), text.String())
}

// reductionSteps bounds a reduction to two seconds or three, of the ten after
// which Go's fuzzer gives an input up.
const reductionSteps = 250

// reduced returns t as small as it can be with the same signature.
func reduced(t *testing.T, bridges []replay.Replayer, trace replay.Trace, v oracle.Verdict, level replay.Level) replay.Trace {
	t.Helper()
	holds := func(ctx context.Context, candidate replay.Trace) (bool, error) {
		obs, err := replay.All(ctx, bridges, candidate, level)
		if _, refused := errors.AsType[*lab.RefusedError](err); refused {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return oracle.Compare(candidate, obs).StillShows(v), nil
	}
	result, err := reduce.Reduce(t.Context(), trace, holds, reduce.Options{Steps: reductionSteps})
	if err != nil {
		t.Logf("not reduced: %v", err)
		return trace
	}
	return result.Trace
}

// compare replays a trace some times and compares what the bridges made of it;
// once is compared without being confirmed.
func compare(t *testing.T, bridges []replay.Replayer, trace replay.Trace, level replay.Level, times int) ([][]replay.Observation, oracle.Verdict) {
	t.Helper()
	var runs [][]replay.Observation
	for range times {
		obs, err := replay.All(t.Context(), bridges, trace, level)
		if err != nil {
			t.Fatal("the lab failed: ", err)
		}
		runs = append(runs, obs)
	}
	if times == 1 {
		return runs, oracle.Compare(trace, runs[0])
	}
	return runs, oracle.Confirm(trace, runs)
}
