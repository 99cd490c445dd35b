package sweep_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/fuzz/sweep"
	"github.com/ctdiff/ctdiff/oracle/known"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/labtest"
)

func openBridges(t testing.TB, profile string) (list []replay.Replayer) {
	t.Helper()
	for _, name := range lab.Bridges() {
		list = append(list, labtest.Bridge(t, profile, name))
	}
	return list
}

// verdicts returns the verdict on each case of some types, and the signature if
// it diverges.
func verdicts(t *testing.T, profile string, types ...uint8) map[sweep.Case]string {
	t.Helper()
	bridges := openBridges(t, profile)
	table, err := sweep.Run(t.Context(), bridges, sweep.Cases(types), sweep.Options{Pipeline: fuzz.Founding(), Level: replay.Warm})
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Confirm(t.Context(), bridges, known.Shipped()); err != nil {
		t.Fatal(err)
	}
	if table.Cold > 0 || len(table.Notes) > 0 {
		t.Errorf("%d replays were not warm; notes %q", table.Cold, table.Notes)
	}
	seen := map[sweep.Case]string{}
	for _, c := range table.Classes {
		for _, one := range c.Cases {
			seen[one] = c.Verdict() + " " + c.Signature
		}
	}
	return seen
}

func TestAgree(t *testing.T) {
	types := []uint8{1, 4, 128, 129, 135, 137, 143, 200}
	got := verdicts(t, "debian-13", types...)
	if want := 2 * sweep.Codes * len(types); len(got) != want {
		t.Errorf("%d cases, want %d", len(got), want)
	}
	for c, verdict := range got {
		if verdict != "agree " {
			t.Errorf("%v: %s", c, verdict)
		}
	}
}

// The founding bug is of all that has no connection: errors about one agree, and
// a redirect of code 0 does.
func TestFounding(t *testing.T) {
	const diverge = "known system~tc/ct_state/recirc1/-inv-trk/icmpv6"
	got := verdicts(t, "debian-11", 1, 128, 135, 137)
	want := map[sweep.Case]string{}
	for c := range got {
		want[c] = diverge
		if c.Type == 128 || c.Connected && (c.Type == 1 || c.Type == 137 && c.Code == 0) {
			want[c] = "agree "
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got)\n%s", diff)
	}
}

// BenchmarkSweep tells how many packets a second each bridge is given, each of
// which goes through it twice.
func BenchmarkSweep(b *testing.B) {
	bridges := openBridges(b, "debian-11")
	cases := sweep.Cases(sweep.AllTypes()[112:144])
	packets := 0
	for b.Loop() {
		table, err := sweep.Run(b.Context(), bridges, cases, sweep.Options{Pipeline: fuzz.Founding(), Level: replay.Warm})
		if err != nil {
			b.Fatal(err)
		}
		packets += table.Packets
	}
	b.ReportMetric(float64(packets)/b.Elapsed().Seconds(), "packets/s")
}
