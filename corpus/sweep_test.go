package corpus_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/corpustest"
)

// sweepText is what package sweep writes.
func sweepText(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("../fuzz/sweep/testdata/table.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A sweep is kept in the directory of a campaign, or in one of its own.
func TestSweep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "campaign")
	corpustest.Write(t, dir, corpustest.Findings()...)
	alone := filepath.Join(t.TempDir(), "new", "swept")
	for _, place := range []string{dir, alone} {
		must(t, corpus.WriteSweep(place, []byte("{}")))
		must(t, corpus.WriteSweep(place, sweepText(t)))
	}
	campaign, c := read(t, dir), read(t, alone)
	if len(campaign.Findings) != 3 || len(campaign.Faults)+len(c.Faults) > 0 {
		t.Errorf("%d findings, %v, %v", len(campaign.Findings), campaign.Faults, c.Faults)
	}
	if diff := cmp.Diff(c.Sweep, campaign.Sweep); diff != "" || len(c.Sweep.Classes) != 8 {
		t.Errorf("%d classes (-alone +campaign)\n%s", len(c.Sweep.Classes), diff)
	}
	echo := []string{"own connection CONFIRMED"}
	want := corpus.SweepClass{
		Class: 3, Pairs: 1, Types: []string{"128/9"}, Verdict: "diverge", Signature: "system~tc/verdict/dropped/icmpv6", Alone: []string{"128/9"},
		Bridges: []corpus.SweepWay{
			{Packets: []string{"+new+trk, leaves by p2", "+new+trk, leaves by p2"}, Connections: echo},
			{Packets: []string{"+new+trk, dropped", "+new+trk, dropped"}, Connections: echo},
		},
	}
	if diff := cmp.Diff(want, c.Sweep.Classes[2]); diff != "" {
		t.Errorf("class 3 (-want +got)\n%s", diff)
	}
}

// A sweep that is spoilt is named, and none is there.
func TestSweepFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
		want  string
	}{
		{"another version", replaceIn("sweep.json", `"version": 1`, `"version": 2`), "version: it is of version 2, and this ctdiff reads 1"},
		{"no JSON", replaceIn("sweep.json", `"cases":`, `cases:`), "line 16: invalid character 'c' looking for beginning of object key string"},
		{"bridges", replaceIn("sweep.json", `"bridges": [`, `"bridges": [], "others": [`), "0 bridges: not 2 to 16"},
		{"cases", replaceIn("sweep.json", `"cases": 3584`, `"cases": 131073`), "131073 cases: not 0 to 131072"},
		{"packets", replaceIn("sweep.json", `"packets": 11500`, `"packets": -1`), "-1 packets"},
		{"time", replaceIn("sweep.json", `"seconds": 2`, `"seconds": -2`), "-2 seconds: not 0 to 1e+10"},
		{"pairs", replaceIn("sweep.json", `"pairs": 255`, `"pairs": 0`), "class 2: 0 pairs: not 1 to 131072"},
		{"verdict", replaceIn("sweep.json", `"verdict": "agree"`, `"verdict": "odd"`), `class 2: verdict "odd": not one of agree, diverge, known, inconclusive`},
		{"signature", replaceIn("sweep.json", `"signature": "system~tc/verdict`, `"signature": "\n`), `class 3: signature "\n/dropped/icmpv6": not text`},
		{"more bridges", replaceIn("sweep.json", "      \"bridges\": [\n", "      \"bridges\": [{}, {}, \n"), "class 1: what 4 bridges did, of 2"},
		{"nothing done", replaceIn("sweep.json", "      \"bridges\": [\n", "      \"bridges\": [{}, {}], \"others\": [\n"), "class 1: a bridge did nothing, and did not die"},
		{"link", link("sweep.json", "/etc/passwd"), "path escapes from parent"},
		{"pipe", pipe("sweep.json"), "not a regular file"},
		{"too large", truncate("sweep.json", 65<<20), "68157440 bytes: more than 67108864"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "campaign")
			corpustest.Write(t, dir, corpustest.Findings()...)
			must(t, corpus.WriteSweep(dir, sweepText(t)))
			must(t, c.spoil(dir))
			campaign := read(t, dir)
			if len(campaign.Faults) != 1 || campaign.Sweep != nil || len(campaign.Findings) != 3 {
				t.Fatalf("faults %v, %d findings", campaign.Faults, len(campaign.Findings))
			}
			if _, ok := errors.AsType[*corpus.InputError](campaign.Faults[0]); !ok {
				t.Errorf("error of type %T", campaign.Faults[0])
			}
			if diff := cmp.Diff(filepath.Join(dir, "sweep.json")+": "+c.want, campaign.Faults[0].Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func FuzzReadSweep(f *testing.F) {
	dir := f.TempDir()
	f.Add(sweepText(f))
	f.Add([]byte(`{"version":1,"bridges":[{},{}],"classes":[{"pairs":1,"verdict":"known","bridges":[{"crash":"x"},{"packets":["",""]}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		must(t, os.WriteFile(filepath.Join(dir, "sweep.json"), text, 0o666))
		checkRead(t, dir)
		c, err := corpus.Read(dir)
		if err != nil || (c.Sweep == nil) == (len(c.Faults) == 0) {
			t.Fatalf("%v, faults %v, sweep %v", err, c.Faults, c.Sweep)
		}
		if c.Sweep == nil {
			return
		}
		for _, class := range c.Sweep.Classes {
			for _, w := range class.Bridges {
				_ = w.String()
			}
		}
	})
}
