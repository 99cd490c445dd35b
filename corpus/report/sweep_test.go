package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/report"
)

// swept reads a directory with what package sweep writes, and nothing else.
func swept(t *testing.T, dir string) corpus.Campaign {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(home, "../../fuzz/sweep/testdata/table.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := corpus.WriteSweep(dir, text); err != nil {
		t.Fatal(err)
	}
	c, err := corpus.Read(dir)
	if err != nil || len(c.Faults) > 0 {
		t.Fatal(err, c.Faults)
	}
	return c
}

// A sweep alone is a page as well, which says nothing of findings.
func TestPageSweep(t *testing.T) {
	c := swept(t, filepath.Join(t.TempDir(), "swept"))
	// The bridges differ about the echo only, and in one class each time.
	one, other := &c.Sweep.Classes[3], &c.Sweep.Classes[4]
	one.Bridges[1].Before = []string{"a", "b"}
	other.Bridges, other.Verdict, other.Reason = nil, "inconclusive", "the bridges do not do the same each time"
	text := markdown(t, report.NewPage(c))
	for _, want := range []string{
		"# What the bridges disagree about on debian-11\n",
		"Bridges: system (Linux 5.10.223, Open vSwitch 2.15.0) and tc",
		"ICMPv6 types with codes, without a connection and with one: 1,021 agree, 2 diverge, 2,560 diverge as is known and 1 not confirmed.",
		"| 128/9 echo request | without | 1 | +new+trk, leaves by p2, own connection CONFIRMED | +new+trk, dropped, own connection CONFIRMED | diverge | `system~tc/verdict/dropped/icmpv6` |  |\n",
		"| 128/0-8,10-255 echo request | without | 255 | +new+trk, leaves by p2, own connection CONFIRMED | the same | agree |  |  |\n",
		" | before it a; b; then +rel+rpl+trk, dropped, echo's connection CONFIRMED SEEN\\_REPLY | agree |",
		"| 128/0 echo request | with | 1 | something else each time | something else each time | not confirmed |  | the bridges do not do the same each time |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("Markdown has not %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "No disagreement") {
		t.Error("it tells of findings")
	}
}
