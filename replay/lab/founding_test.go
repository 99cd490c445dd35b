package lab_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/labtest"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

// profiles are those that the tests run on.
var profiles = []string{"debian-11", "debian-12", "debian-13"}

func openBridges(t testing.TB, profile string) []replay.Replayer {
	t.Helper()
	var list []replay.Replayer
	for _, name := range lab.Bridges() {
		list = append(list, labtest.Bridge(t, profile, name))
	}
	return list
}

func replayAll(t testing.TB, bridges []replay.Replayer, trace replay.Trace, level replay.Level) []replay.Observation {
	t.Helper()
	obs, err := replay.All(t.Context(), bridges, trace, level)
	if err != nil {
		t.Fatal(err)
	}
	return obs
}

func parse(t testing.TB, pipeline replay.Pipeline, packets string) replay.Trace {
	t.Helper()
	text := packets
	for _, rule := range pipeline {
		text = "rule " + rule + "\n" + text
	}
	trace, err := tracetext.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(trace.Pipeline)
	return trace
}

// states returns the ct_state of each packet after the first recirculation.
func states(o replay.Observation) []string {
	var list []string
	for _, p := range o.Packets {
		state := "none"
		if len(p.Steps) > 1 {
			state = p.Steps[1].CTState.String()
		}
		list = append(list, state)
	}
	return list
}

// foundingPackets are those of the founding report.
const foundingPackets = `
p1 +0s icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2
p1 +800ms icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2
p1 +800ms icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2
`

func TestFounding(t *testing.T) {
	trace := parse(t, oracletest.Pipeline(), foundingPackets)
	tracked := []string{"-new-est+trk", "-new-est+trk", "-new-est+trk"}
	for _, profile := range profiles {
		t.Run(profile, func(t *testing.T) {
			bridges := openBridges(t, profile)
			for _, level := range []replay.Level{replay.Purged, replay.Booted} {
				obs := replayAll(t, bridges, trace, level)
				v := oracle.Compare(trace, obs)
				wantTC, wantSignature := tracked, ""
				if profile == "debian-11" {
					wantTC = []string{"-new-est+trk", "-new-est-trk", "-new-est-trk"}
					wantSignature = "system~tc/ct_state/recirc1/-inv-trk/icmpv6"
				}
				if diff := cmp.Diff(tracked, states(obs[0])); diff != "" {
					t.Errorf("%s, system: %s", level, diff)
				}
				if diff := cmp.Diff(wantTC, states(obs[1])); diff != "" {
					t.Errorf("%s, tc: %s", level, diff)
				}
				if v.Signature != wantSignature {
					t.Errorf("%s: signature %q, want %q", level, v.Signature, wantSignature)
				}
			}
		})
	}
}

// TestOffloaded shows that the founding pipeline's flows are in TC on the
// bridge that offloads, and nowhere else.
func TestOffloaded(t *testing.T) {
	trace := parse(t, oracletest.Pipeline(), foundingPackets)
	for _, profile := range profiles {
		t.Run(profile, func(t *testing.T) {
			for i, o := range replayAll(t, openBridges(t, profile), trace, replay.Purged) {
				want := []string{"ovs", "tc"}[i]
				if len(o.Flows) < 2 {
					t.Errorf("%s has %d flows", o.Bridge, len(o.Flows))
				}
				for _, f := range o.Flows {
					if f.DP != want {
						t.Errorf("%s: flow %+v is not in dp:%s", o.Bridge, f, want)
					}
				}
			}
		})
	}
}

func TestFoundingAlways(t *testing.T) {
	trace := parse(t, oracletest.Pipeline(), foundingPackets)
	bridges := openBridges(t, "debian-11")
	signatures := map[string]int{}
	for range 100 {
		signatures[oracle.Compare(trace, replayAll(t, bridges, trace, replay.Purged)).Signature]++
	}
	if diff := cmp.Diff(map[string]int{"system~tc/ct_state/recirc1/-inv-trk/icmpv6": 100}, signatures); diff != "" {
		t.Error(diff)
	}
}

func TestLoop(t *testing.T) {
	loop := replay.Pipeline{
		"table=0,in_port=p1,ct_state=-trk,ipv6,actions=ct(table=0)",
		"table=0,in_port=p1,ct_state=+trk,ipv6,actions=output:p2",
	}
	trace := parse(t, loop, foundingPackets)
	bridges := openBridges(t, "debian-11")
	for _, level := range []replay.Level{replay.Purged, replay.Booted, replay.Purged} {
		obs := replayAll(t, bridges, trace, level)
		// The second packet takes an upcall after TC, and so goes on in the
		// kernel datapath.
		for i, p := range obs[1].Packets {
			if p.Looped != (i > 1) {
				t.Errorf("%s: packet %d looped: %v", level, i, p.Looped)
			}
		}
		const want = "system~tc/ct_state/recirc1/-inv-trk/icmpv6/looped"
		if v := oracle.Compare(trace, obs); v.Signature != want {
			t.Errorf("%s: signature %q, want %q", level, v.Signature, want)
		}
	}
}

func TestEcho(t *testing.T) {
	trace := parse(t, oracletest.Pipeline(), `
p1 +0s icmp6 echo-request 2001:db8::1 > 2001:db8::2 id 7
p2 +1ms icmp6 echo-reply 2001:db8::2 > 2001:db8::1 id 7
p1 +1ms icmp6 echo-request 2001:db8::1 > 2001:db8::2 id 7 seq 2
p2 +1ms icmp6 echo-reply 2001:db8::2 > 2001:db8::1 id 7 seq 2
`)
	want := []string{"icmpv6 2001:db8::1 > 2001:db8::2 id=7 type=128 code=0"}
	for _, profile := range profiles {
		t.Run(profile, func(t *testing.T) {
			obs := replayAll(t, openBridges(t, profile), trace, replay.Purged)
			if v := oracle.Compare(trace, obs); v.Outcome != oracle.Agree {
				t.Errorf("%s: %s %+v", v.Outcome, v.Signature, v.Differences)
			}
			for _, o := range obs {
				var entries []string
				for _, e := range o.Conntrack {
					entries = append(entries, e.Proto+" "+e.Orig)
				}
				if diff := cmp.Diff(want, entries); diff != "" {
					t.Errorf("%s: %s", o.Bridge, diff)
				}
				for _, p := range o.Packets {
					if len(p.Outputs) != 1 || p.Outputs[0].Changed {
						t.Errorf("%s: packet %d: outputs %+v", o.Bridge, p.Index, p.Outputs)
					}
				}
			}
		})
	}
}

// TestIdle leaves bridges alone for ten minutes of their time: nothing but a
// trace's packets may enter them.
func TestIdle(t *testing.T) {
	for _, profile := range profiles {
		for _, name := range lab.Bridges() {
			t.Run(profile+"/"+name, func(t *testing.T) {
				b := labtest.Bridge(t, profile, name)
				rules := replay.Pipeline{"actions=NORMAL"}
				r, err := b.Exec(t.Context(), rules, "sh", "-c", `
					ovs-ofctl dump-ports br0 | grep pkts= >/tmp/before
					sleep 600
					ovs-appctl dpctl/dump-flows
					ovs-ofctl dump-ports br0 | grep pkts= >/tmp/after
					cmp /tmp/before /tmp/after || cat /tmp/after
					[ $(wc -l </tmp/after) -eq 10 ] || echo no counters`)
				if err != nil {
					t.Fatal(err)
				}
				if len(r.Stdout)+len(r.Stderr) > 0 {
					t.Errorf("an idle bridge has flows, or took packets:\n%s%s", r.Stdout, r.Stderr)
				}
			})
		}
	}
}
