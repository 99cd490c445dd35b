package corpus_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/corpustest"
)

// checkRead reads a directory that others wrote: what comes back is in its
// bounds, and what does not is an InputError.
func checkRead(t *testing.T, dir string) {
	t.Helper()
	c, err := corpus.Read(dir)
	if err != nil {
		c.Faults = append(c.Faults, err)
	}
	for _, f := range c.Findings {
		whole, err := corpus.ReadFinding(f.Dir)
		if err != nil {
			c.Faults = append(c.Faults, err)
		} else if n := len(whole.Trace.Packets); n == 0 || len(whole.Observations) != len(whole.Bridges) {
			t.Errorf("%d packets, %d observations of %d bridges", n, len(whole.Observations), len(whole.Bridges))
		}
	}
	for _, fault := range c.Faults {
		if _, ok := errors.AsType[*corpus.InputError](fault); !ok {
			t.Errorf("error of type %T: %v", fault, fault)
		}
	}
	last := 0.0
	for _, s := range c.Samples {
		if s.Seconds < last || math.IsNaN(s.Seconds) {
			t.Errorf("a sample of %v s after %v s", s.Seconds, last)
		}
		last = s.Seconds
	}
	for _, s := range c.Signatures {
		if s.Signature == "" || !utf8.ValidString(s.Signature) || !(s.FirstSeen >= 0) {
			t.Errorf("signature %+v", s)
		}
	}
}

func FuzzReadFinding(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "out")
	corpustest.Write(f, dir, corpustest.Findings()...)
	c, err := corpus.Read(dir)
	if err != nil {
		f.Fatal(err)
	}
	files := []string{"finding.json", "observations.json", "hints.json", "trace.pcapng"}
	for _, finding := range c.Findings {
		var texts [4][]byte
		for i, name := range files {
			texts[i], _ = os.ReadFile(filepath.Join(finding.Dir, name)) // not all have hints
		}
		f.Add(texts[0], texts[1], texts[2], texts[3])
	}
	place := c.Findings[0].Dir
	f.Fuzz(func(t *testing.T, finding, observations, hints, trace []byte) {
		for i, text := range [][]byte{finding, observations, hints, trace} {
			must(t, os.WriteFile(filepath.Join(place, files[i]), text, 0o666))
		}
		checkRead(t, dir)
		checkRead(t, place)
	})
}

func FuzzReadCampaign(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "out")
	corpustest.Write(f, dir, corpustest.Findings()[0])
	campaign, err := os.ReadFile(filepath.Join(dir, "campaign.json"))
	if err != nil {
		f.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "journal-*.jsonl"))
	if err != nil || len(names) != 1 {
		f.Fatal(names, err)
	}
	journal, err := os.ReadFile(names[0])
	if err != nil {
		f.Fatal(err)
	}
	sample := []byte(`{"sample":{"s":12.5,"traces":9,"restarts":1,"coverage":7}}` + "\n")
	f.Add(campaign, journal, append(journal, sample...))
	f.Add(campaign, journal, []byte(`{"start":{"version":1}}`+"\n"+`{"seen":{"s":1e300,"signature":"a","status":"new","count":1}}`+"\n"))
	f.Fuzz(func(t *testing.T, campaign, one, two []byte) {
		must(t, os.WriteFile(filepath.Join(dir, "campaign.json"), campaign, 0o666))
		must(t, os.WriteFile(names[0], one, 0o666))
		must(t, os.WriteFile(filepath.Join(dir, "journal-2-0.jsonl"), two, 0o666))
		checkRead(t, dir)
	})
}
