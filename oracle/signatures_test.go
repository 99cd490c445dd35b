package oracle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
)

// TestFoundingSignatures finds the founding divergence with packets of 20 seeds:
// there is one signature for each protocol class, and another for each if the
// rules make a loop of it.
func TestFoundingSignatures(t *testing.T) {
	const seeds = 20
	for _, class := range oracletest.UntrackedClasses() {
		for _, loop := range []bool{false, true} {
			want := "system~tc/ct_state/recirc1/-inv-trk/" + class
			if loop {
				want += "/looped"
			}
			signatures := map[string]int{}
			frames := map[string]bool{}
			for seed := range uint64(seeds) {
				c := oracletest.Founding(oracletest.Untracked(class, seed))
				for i := 1; loop && i < len(c.Obs[1].Packets); i++ {
					c.Obs[1].Packets[i].Looped = true
				}
				frames[string(c.Trace.Packets[0].Frame)] = true
				signatures[oracle.Compare(c.Trace, c.Obs).Signature]++
			}
			if diff := cmp.Diff(map[string]int{want: seeds}, signatures); diff != "" {
				t.Errorf("%s, loop %v: %s", class, loop, diff)
			}
			if len(frames) != seeds {
				t.Errorf("%s: %d frames from %d seeds", class, len(frames), seeds)
			}
		}
	}
}
