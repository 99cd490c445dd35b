package lab_test

import (
	"testing"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/labtest"
)

// profiles are those whose images the tests have.
var profiles = []string{"debian-11", "debian-12", "debian-13"}

func bridges(t testing.TB, profile string) []replay.Replayer {
	t.Helper()
	var list []replay.Replayer
	for _, name := range lab.Bridges() {
		list = append(list, labtest.Bridge(t, profile, name))
	}
	return list
}

func TestFounding(t *testing.T) {
	trace := oracletest.Trace(3, oracletest.NeighborSolicitation())
	for _, profile := range profiles {
		t.Run(profile, func(t *testing.T) {
			both := bridges(t, profile)
			for _, level := range []replay.Level{replay.Purged, replay.Booted} {
				obs, err := replay.All(t.Context(), both, trace, level)
				if err != nil {
					t.Fatal(err)
				}
				v := oracle.Compare(trace, obs)
				t.Log(v.Outcome, v.Signature)
				for _, o := range obs {
					for _, p := range o.Packets {
						t.Logf("%s %+v", o.Bridge, p)
					}
					for _, f := range o.Flows {
						t.Logf("%s %+v", o.Bridge, f)
					}
				}
			}
		})
	}
}
