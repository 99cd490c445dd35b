package labtest

import (
	"context"
	"flag"
	"hash/crc32"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/fuzz/campaign"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

// Fuzz is a native fuzz target for an OpenFlow pipeline: it replays what
// [fuzz.Decode] makes of the fuzzer's bytes on the bridges that the
// environment chooses (see [campaign.Settings]), and fails with a table that shows them side by side
// when they diverge, which is when [oracle.Confirm] and [oracle.Join] say so.
// The seeds are those of testdata/fuzz and those that f was given.
//
// Without a lab the target is skipped, or fails if [RequireEnv] says so.
func Fuzz(f *testing.F, pipeline replay.Pipeline) {
	f.Helper()
	FuzzWith(f, pipeline, fuzz.Decode)
}

// FuzzWith is [Fuzz] with a decoder in the place of [fuzz.Decode]: it has to return
// a valid trace with the pipeline for any data, the same each time.
func FuzzWith(f *testing.F, pipeline replay.Pipeline, decode func(data []byte, pipeline replay.Pipeline) replay.Trace) {
	f.Helper()
	settings, err := campaign.FromEnv()
	if err != nil {
		f.Fatal(err)
	}
	if settings.Pipeline != "" {
		pipeline = Rules(f, settings.Pipeline)
	}
	img := imageOf(f, image.Spec{Profile: settings.Profile, KernelSrc: settings.KernelSrc, KernelImage: settings.KernelImage, OVSRoot: settings.OVSRoot})
	if err := lab.Prepare(context.Background()); err != nil {
		f.Fatal(err)
	}
	var s *screener
	start := sync.OnceFunc(func() {
		if s, err = newScreener(context.Background(), img, settings); err == nil {
			err = s.getUsed(context.Background(), shorten(decode(nil, pipeline)))
		}
	})
	f.Cleanup(func() {
		if s != nil {
			s.close()
		}
	})
	if isWorker() {
		// An input that takes over 10 s ends a worker: the lab is there
		// before the first. If it is not, the first says so, since Go does
		// not show what a worker says before.
		start()
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if start(); err != nil {
			t.Fatal("the lab did not start: ", err)
		}
		trace := decode(data, pipeline)
		if settings.Level == replay.Warm {
			hurry(trace, data)
		}
		s.input(t, shorten(trace))
	})
}

// patience is of how many traces one is replayed with its gaps: in a second that
// passes in a guest there is much to do for Open vSwitch, while a trace without
// a gap takes less than a millisecond.
const patience = 512

// hurry takes the gaps out of a trace, unless it is one of the few that keep
// them: the same each time.
func hurry(t replay.Trace, data []byte) {
	sum := crc32.ChecksumIEEE(data)
	for i := range t.Packets {
		if sum%patience != 0 {
			t.Packets[i].Gap = 0
		}
	}
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

// isWorker reports whether this process runs the inputs of a fuzzing process.
func isWorker() bool {
	flagged := flag.Lookup("test.fuzzworker")
	return flagged != nil && flagged.Value.String() == "true"
}
