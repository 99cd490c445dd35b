package corpus_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/corpustest"
)

func create(t *testing.T) (string, *corpus.Writer) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "campaign")
	w, err := corpus.Create(dir, corpustest.Settings())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return dir, w
}

func open(t *testing.T, dir string) *corpus.Writer {
	t.Helper()
	w, err := corpus.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func read(t *testing.T, dir string) corpus.Campaign {
	t.Helper()
	c, err := corpus.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What is written comes back, and a finding of the same signature stays as it
// is.
func TestFinding(t *testing.T) {
	dir, w := create(t)
	for _, want := range corpustest.Findings() {
		place, err := w.Record(want)
		must(t, err)
		got, err := corpus.ReadFinding(place)
		must(t, err)
		for _, o := range want.Observations {
			want.Bridges = append(want.Bridges, corpus.Bridge{Name: o.Bridge, Kernel: o.Kernel, OVS: o.OVS})
		}
		r := &want.Reduction
		r.Packets, r.OfPackets = len(want.Trace.Packets), len(want.Original.Packets)
		r.Rules, r.OfRules = len(want.Trace.Pipeline), len(want.Original.Pipeline)
		want.Dir = place
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Signature, diff)
		}
		want.Reason = "another"
		again, err := w.Record(want)
		must(t, err)
		if kept, err := corpus.ReadFinding(again); err != nil || again != place || kept.Reason != got.Reason {
			t.Errorf("kept again: %s, %q (%v)", again, kept.Reason, err)
		}
		if !w.Has(want.Signature, want.Status) || w.Has(want.Signature+"x", want.Status) {
			t.Error("Has does not know what is kept")
		}
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	var got []string
	for _, name := range names {
		rel, _ := filepath.Rel(dir, name)
		got = append(got, rel)
	}
	want := []string{
		"findings/system-tc-ct_state-recirc1-inv-trk-icmpv6-fd305064",
		"findings/system-tc-ct_state-recirc1-inv-trk-icmpv6-looped-de4f8252",
		"inconclusive/system-tc-verdict-bytes-ip_src-udp-b0bf01c3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRecordRefuses(t *testing.T) {
	_, w := create(t)
	for want, change := range map[string]func(*corpus.Finding){
		"no signature":             func(f *corpus.Finding) { f.Signature = "" },
		"not text":                 func(f *corpus.Finding) { f.Signature = "a\nb" },
		"1025 bytes: more than":    func(f *corpus.Finding) { f.Signature = strings.Repeat("a", 1025) },
		`status "": not one of`:    func(f *corpus.Finding) { f.Status = "" },
		"trace has no packets":     func(f *corpus.Finding) { f.Trace.Packets = nil },
		"original: encoding trace": func(f *corpus.Finding) { f.Original.Packets = nil },
		"1 bridges: not 2 to":      func(f *corpus.Finding) { f.Observations = f.Observations[:1] },
		"more than 256":            func(f *corpus.Finding) { f.Hints = make([]corpus.Hint, 257) },
	} {
		f := corpustest.Findings()[0]
		change(&f)
		if _, err := w.Record(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if err := w.Seen("", corpus.New, 1); err == nil {
		t.Error("an occurrence without a signature is counted")
	}
}

// Several processes write at once, one resumes, and the counts are right.
func TestCampaign(t *testing.T) {
	dir, first := create(t)
	if _, err := corpus.Create(dir, corpustest.Settings()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created twice: %v", err)
	}
	second := open(t, dir)
	if diff := cmp.Diff(corpustest.Settings(), second.Settings); diff != "" {
		t.Error(diff)
	}
	finding := corpustest.Findings()[0]
	writeAtOnce(t, finding, first, second)
	time.Sleep(20 * time.Millisecond)
	must(t, first.Seen("known one", corpus.New, 1))
	must(t, first.Close())
	must(t, second.Close())
	third := open(t, dir)
	if third.Seconds() < 0.02 {
		t.Errorf("resumed after %v s", third.Seconds())
	}
	must(t, third.Seen("known one", corpus.Known, 1))
	must(t, third.Seen(finding.Signature, corpus.Inconclusive, 1))
	must(t, third.Sample(corpus.Sample{Traces: 5}))
	must(t, third.Close())

	c := read(t, dir)
	if len(c.Faults) > 0 {
		t.Error(c.Faults)
	}
	want := []corpus.Signature{
		{Signature: finding.Signature, Status: corpus.New, Count: 400, Trace: filepath.Join(dir, "findings/system-tc-ct_state-recirc1-inv-trk-icmpv6-fd305064/trace.pcapng")},
		{Signature: "known one", Status: corpus.Known, Count: 2},
		{Signature: finding.Signature, Status: corpus.Inconclusive, Count: 1},
	}
	if diff := cmp.Diff(want, c.Signatures, cmpopts.IgnoreFields(corpus.Signature{}, "FirstSeen")); diff != "" {
		t.Error(diff)
	}
	if c.Signatures[0].FirstSeen > c.Signatures[1].FirstSeen || c.Signatures[1].FirstSeen < 0.02 {
		t.Errorf("first seen after %v and %v s", c.Signatures[0].FirstSeen, c.Signatures[1].FirstSeen)
	}
	last := c.Samples[len(c.Samples)-1]
	if diff := cmp.Diff(corpus.Sample{Seconds: c.Seconds(), Traces: 990*2 + 5, Coverage: 198, Restarts: 2}, last); diff != "" {
		t.Error(diff)
	}
	for i, s := range c.Samples[1:] {
		if before := c.Samples[i]; s.Seconds < before.Seconds || s.Traces < before.Traces {
			t.Fatalf("%v after %v", s, before)
		}
	}
}

// writeAtOnce has each writer write 100 times.
func writeAtOnce(t *testing.T, finding corpus.Finding, writers ...*corpus.Writer) {
	t.Helper()
	var all sync.WaitGroup
	for n, w := range writers {
		all.Go(func() {
			for i := range 100 {
				if err := w.Seen(finding.Signature, corpus.New, 2); err != nil {
					t.Error(err)
				}
				if _, err := w.Record(finding); err != nil {
					t.Error(err)
				}
				if err := w.Sample(corpus.Sample{Traces: uint64(10 * i), Coverage: uint64(i * (n + 1)), Restarts: 1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// A line of a journal is not written for each occurrence.
func TestJournalStaysSmall(t *testing.T) {
	dir, w := create(t)
	for range 10_000 {
		must(t, w.Seen("often", corpus.Known, 1))
	}
	must(t, w.Close())
	if c := read(t, dir); c.Signatures[0].Count != 10_000 {
		t.Errorf("counted %d", c.Signatures[0].Count)
	}
	text, err := os.ReadFile(journals(t, dir)[0])
	must(t, err)
	if n := strings.Count(string(text), "\n"); n > 30 {
		t.Errorf("%d lines:\n%.1000s", n, text)
	}
}

// Wherever a writer was killed, what it had written before is there, without a
// fault.
func TestJournalCutOff(t *testing.T) {
	dir, w := create(t)
	for i := range 20 {
		must(t, w.Seen(fmt.Sprint("signature ", i), corpus.New, 1))
	}
	must(t, w.Sample(corpus.Sample{Traces: 7}))
	must(t, w.Close())
	name := journals(t, dir)[0]
	text, err := os.ReadFile(name)
	must(t, err)
	for size := range text {
		must(t, os.WriteFile(name, text[:size], 0o666))
		c := read(t, dir)
		want := max(strings.Count(string(text[:size]), "\n")-1, 0)
		if len(c.Faults) > 0 || len(c.Signatures) != min(want, 20) {
			t.Fatalf("of %d bytes: %d signatures, want %d; %v", size, len(c.Signatures), want, c.Faults)
		}
	}
	// Zeros are what some file systems leave at the end after a power failure.
	must(t, os.WriteFile(name, append(text, make([]byte, 100)...), 0o666))
	if c := read(t, dir); len(c.Faults) > 0 || len(c.Signatures) != 20 {
		t.Errorf("%d signatures, %v", len(c.Signatures), c.Faults)
	}
}

func journals(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "journal-*.jsonl"))
	must(t, err)
	if len(names) == 0 {
		t.Fatal("no journal")
	}
	return names
}
