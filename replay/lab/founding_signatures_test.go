package lab_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/known"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

// seeds is how many traces the tests of signatures draw of each class.
const seeds = 20

// bothVersions returns rules for IPv6 with the same for IPv4 behind them.
func bothVersions(rules replay.Pipeline) replay.Pipeline {
	var both replay.Pipeline
	for _, rule := range rules {
		both = append(both, rule, strings.Replace(rule, ",ipv6,", ",ip,", 1))
	}
	return both
}

// drawn returns a trace of the copies of an untracked frame, with all that a
// signature must not depend on drawn with the seed.
func drawn(class string, seed uint64, rules replay.Pipeline) replay.Trace {
	r := rand.New(rand.NewPCG(seed, 0))
	trace := replay.Trace{Pipeline: rules}
	port := replay.Port(r.IntN(2) + 1)
	for range 3 + r.IntN(3) {
		trace.Packets = append(trace.Packets, replay.Packet{
			Port: port, Gap: time.Duration(r.IntN(100)) * time.Millisecond, Frame: oracletest.Untracked(class, seed),
		})
	}
	return trace
}

// TestFoundingSignatures finds the founding bug from 20 seeds: with one
// signature for each protocol class, and another for each where the rules make
// a loop of it. All of them are known issues.
func TestFoundingSignatures(t *testing.T) {
	loop := replay.Pipeline{
		"table=0,ct_state=-trk,ipv6,actions=ct(table=0)",
		"table=0,ct_state=+trk,ipv6,actions=output:p3",
	}
	bridges := openBridges(t, "debian-11")
	for _, class := range oracletest.UntrackedClasses() {
		for ending, rules := range map[string]replay.Pipeline{"": oracletest.Pipeline(), "/looped": loop} {
			want := "system~tc/ct_state/recirc1/-inv-trk/" + class + ending
			signatures := map[string]int{}
			for seed := range uint64(seeds) {
				trace := drawn(class, seed, bothVersions(rules))
				obs := replayAll(t, bridges, trace, replay.Purged)
				v := oracle.Compare(trace, obs)
				signatures[v.Signature]++
				if j := known.Shipped().Judge(v.Signature, obs); !j.Known {
					t.Errorf("seed %d: %q is not known: %s", seed, v.Signature, j.Text)
				}
			}
			if diff := cmp.Diff(map[string]int{want: seeds}, signatures); diff != "" {
				t.Errorf("%s: %s", want, diff)
			}
		}
	}
}

// TestFoundingFixed replays the same on kernels that have the fix.
func TestFoundingFixed(t *testing.T) {
	for _, profile := range []string{"debian-12", "debian-13"} {
		t.Run(profile, func(t *testing.T) {
			bridges := openBridges(t, profile)
			for _, class := range oracletest.UntrackedClasses() {
				for seed := range uint64(seeds) {
					trace := drawn(class, seed, bothVersions(oracletest.Pipeline()))
					if v := oracle.Compare(trace, replayAll(t, bridges, trace, replay.Purged)); v.Outcome != oracle.Agree {
						t.Errorf("%s, seed %d: %s %q", class, seed, v.Outcome, v.Signature)
					}
				}
			}
		})
	}
}
