package oracle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

const foundingSignature = "system~tc/ct_state/recirc1/-inv-trk/icmpv6"

func TestConfirm(t *testing.T) {
	bad := func() []replay.Observation { return oracletest.Founding(oracletest.NeighborSolicitation()).Obs }
	good := func() []replay.Observation { return oracletest.Fixed().Obs }
	short := good()
	short[0].Packets = nil
	trace := oracletest.Fixed().Trace
	for _, c := range []struct {
		name        string
		runs        [][]replay.Observation
		outcome     oracle.Outcome
		reason      string
		k           int
		reliability float64
	}{
		{"no run", nil, oracle.Inconclusive, "no run", 0, 0},
		{"all diverge", [][]replay.Observation{bad(), bad(), bad()}, oracle.Diverge, "", 3, 0.8},
		{"all agree", [][]replay.Observation{good(), good()}, oracle.Agree, "", 0, 0},
		{"one agrees", [][]replay.Observation{good()}, oracle.Agree, "", 0, 0},
		{"one diverges", [][]replay.Observation{bad()}, oracle.Inconclusive, "one run", 1, 2. / 3},
		{"flickers", [][]replay.Observation{bad(), good(), bad()}, oracle.Inconclusive, "run 1 and run 2: bridge tc differs from itself", 2, 0.6},
		{"cannot be compared", [][]replay.Observation{short, short}, oracle.Inconclusive, "shows 0 of", 0, 0},
		{"another number of bridges", [][]replay.Observation{good(), good()[:1]}, oracle.Inconclusive, "1 bridges", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := oracle.Confirm(trace, c.runs)
			if v.Outcome != c.outcome || !strings.Contains(v.Reason, c.reason) || v.Diverged != c.k || v.Runs != len(c.runs) {
				t.Errorf("%s, %q, %d of %d; want %s, %q, %d", v.Outcome, v.Reason, v.Diverged, v.Runs, c.outcome, c.reason, c.k)
			}
			if v.Reliability != c.reliability {
				t.Errorf("reliability %v, want %v", v.Reliability, c.reliability)
			}
			wantSignature, wantSuspect := "", ""
			switch {
			case v.Outcome == oracle.Diverge:
				wantSignature = foundingSignature
			case c.k > 0:
				wantSuspect = foundingSignature
			}
			if v.Signature != wantSignature || v.Suspect != wantSuspect {
				t.Errorf("%s with signature %q and suspect %q, want %q and %q", v.Outcome, v.Signature, v.Suspect, wantSignature, wantSuspect)
			}
		})
	}
}

func TestJoin(t *testing.T) {
	const s, other = "system~tc/verdict/dropped/udp", "system~tc/verdict/ports/udp"
	agree := func(n int) oracle.Verdict { return oracle.Verdict{Outcome: oracle.Agree, Runs: n} }
	diverge := func(signature string, n int) oracle.Verdict {
		return oracle.Verdict{Outcome: oracle.Diverge, Signature: signature, Runs: n, Diverged: n}
	}
	flickers := func(signature string, k, n int) oracle.Verdict {
		return oracle.Verdict{Outcome: oracle.Inconclusive, Suspect: signature, Reason: "it flickers", Runs: n, Diverged: k}
	}
	for _, c := range []struct {
		name           string
		purged, booted oracle.Verdict
		want           oracle.Verdict
	}{
		{"both diverge", diverge(s, 2), diverge(s, 2), oracle.Verdict{
			Outcome: oracle.Diverge, Signature: s, Runs: 4, Diverged: 4, Reliability: 5. / 6,
		}},
		{"both agree", agree(2), agree(3), oracle.Verdict{Outcome: oracle.Agree, Runs: 5}},
		{"two signatures", diverge(s, 2), diverge(other, 3), oracle.Verdict{
			Outcome: oracle.Inconclusive, Suspect: s, Runs: 5, Diverged: 2, Reliability: 3. / 7,
			Reason: "at level purged they diverge with " + s + "; at level booted they diverge with " + other,
		}},
		{"purged alone", diverge(s, 2), agree(2), oracle.Verdict{
			Outcome: oracle.Inconclusive, Suspect: s, Runs: 4, Diverged: 2, Reliability: 0.5,
			Reason: "at level purged they diverge with " + s + "; at level booted the bridges agree",
		}},
		{"booted alone", agree(2), diverge(s, 2), oracle.Verdict{
			Outcome: oracle.Inconclusive, Suspect: s, Runs: 4, Diverged: 2, Reliability: 0.5,
			Reason: "at level purged the bridges agree; at level booted they diverge with " + s,
		}},
		{"flickers at booted", diverge(s, 2), flickers(s, 1, 2), oracle.Verdict{
			Outcome: oracle.Inconclusive, Suspect: s, Runs: 4, Diverged: 3, Reliability: 4. / 6,
			Reason: "at level purged they diverge with " + s + "; at level booted it is inconclusive: it flickers",
		}},
		{"flickers with another", diverge(s, 2), flickers(other, 1, 2), oracle.Verdict{
			Outcome: oracle.Inconclusive, Suspect: s, Runs: 4, Diverged: 2, Reliability: 0.5,
			Reason: "at level purged they diverge with " + s + "; at level booted it is inconclusive: it flickers",
		}},
		{"flickers at both alike", flickers(s, 1, 2), flickers(s, 1, 2), oracle.Verdict{
			Outcome: oracle.Inconclusive, Suspect: s, Runs: 4, Diverged: 2, Reliability: 0.5,
			Reason: "at level purged it is inconclusive: it flickers; at level booted it is inconclusive: it flickers",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, oracle.Join(c.purged, c.booted)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What differs is shown, whichever level shows it.
func TestJoinDifferences(t *testing.T) {
	bad, good := oracletest.Founding(oracletest.NeighborSolicitation()), oracletest.Fixed()
	diverges := oracle.Confirm(bad.Trace, [][]replay.Observation{bad.Obs, bad.Obs})
	agrees := oracle.Confirm(good.Trace, [][]replay.Observation{good.Obs, good.Obs})
	for _, v := range []oracle.Verdict{oracle.Join(diverges, agrees), oracle.Join(agrees, diverges)} {
		if diff := cmp.Diff(diverges.Differences, v.Differences); diff != "" {
			t.Error(diff)
		}
	}
}

// A bridge that translates a port otherwise in each run shows nothing about
// another bridge.
func TestSelfAgrees(t *testing.T) {
	c := oracletest.ChangedEntry("", func(*replay.ConntrackEntry) {})
	a, b := c.Obs[1], oracletest.ChangedEntry("", func(*replay.ConntrackEntry) {}).Obs[1]
	b.Conntrack[0].Timeout += 3
	b.Flows[0].Packets++
	if v := oracle.SelfAgrees(c.Trace, a, b); v.Outcome != oracle.Agree || len(v.Notes) == 0 {
		t.Errorf("timeouts and counters: %+v", v)
	}
	a.Conntrack[0].Reply = "10.0.0.2 > 10.9.9.9 sport=53 dport=1024"
	b.Conntrack[0].Reply = "10.0.0.2 > 10.9.9.9 sport=53 dport=61000"
	if v := oracle.SelfAgrees(c.Trace, a, b); v.Outcome != oracle.Agree {
		t.Errorf("ports that the kernel draws at random: %+v", v)
	}
	b.Conntrack[0].Mark++
	if v := oracle.SelfAgrees(c.Trace, a, b); v.Outcome != oracle.Inconclusive || v.Signature != "" {
		t.Errorf("marks: %+v", v)
	}
	a.Crash, b.Crash = "[ 1.0] BUG: a+0x10/0x20", "[ 2.0] BUG: a+0x30/0x40"
	if v := oracle.SelfAgrees(c.Trace, a, b); v.Outcome != oracle.Agree {
		t.Errorf("the same crash: %+v", v)
	}
	b.Crash = ""
	if v := oracle.SelfAgrees(c.Trace, a, b); v.Outcome != oracle.Inconclusive {
		t.Errorf("a crash in one run: %+v", v)
	}
}

func TestConfirmUnstableSignature(t *testing.T) {
	c := oracletest.Founding(oracletest.NeighborSolicitation())
	other := oracletest.Fixed()
	other.Obs[1] = c.Obs[0]
	other.Obs[0] = c.Obs[1]
	v := oracle.Confirm(c.Trace, [][]replay.Observation{c.Obs, other.Obs, c.Obs})
	if v.Outcome != oracle.Inconclusive || v.Diverged != 2 {
		t.Errorf("%+v", v)
	}
}

func ExampleCompare() {
	c := oracletest.Founding(oracletest.NeighborSolicitation())
	v := oracle.Compare(c.Trace, c.Obs)
	fmt.Println(v.Outcome, v.Signature)
	fmt.Println(v.Differences[0].Text)
	// Output:
	// diverge system~tc/ct_state/recirc1/-inv-trk/icmpv6
	// packet 1 is +trk in system but -trk in tc at recirculation 1
}

func ExampleConfirm() {
	bad := oracletest.Founding(oracletest.NeighborSolicitation())
	good := []replay.Observation{bad.Obs[0], bad.Obs[1]}
	good[1].Packets = bad.Obs[0].Packets
	runs := [][]replay.Observation{bad.Obs, bad.Obs, good}
	v := oracle.Confirm(bad.Trace, runs)
	fmt.Println(v.Outcome, v.Diverged, "of", v.Runs)
	fmt.Println(v.Reason)
	// Output:
	// inconclusive 2 of 3
	// run 1 and run 3: bridge tc differs from itself: packet 1 is -trk in tc but +trk in tc #2 at recirculation 1
}

func TestStillShows(t *testing.T) {
	verdict := func(c oracletest.Case) oracle.Verdict { return oracle.Compare(c.Trace, c.Obs) }
	rules := verdict(oracletest.Founding(oracletest.NeighborSolicitation()))
	c := oracletest.Founding(oracletest.NeighborSolicitation())
	for i := range c.Obs[1].Packets {
		c.Obs[1].Packets[i].Steps = c.Obs[0].Packets[i].Steps
	}
	witness := verdict(c)
	if rules.Signature != witness.Signature {
		t.Fatalf("signatures %q and %q", rules.Signature, witness.Signature)
	}
	for _, tt := range []struct {
		name     string
		v, found oracle.Verdict
		want     bool
	}{
		{"itself", rules, rules, true},
		{"witness alone, where the rules showed it", witness, rules, false},
		{"rules, where only the witness showed it", rules, witness, true},
		{"another", verdict(oracletest.Loop()), rules, false},
		{"none", verdict(oracletest.Fixed()), rules, false},
	} {
		if got := tt.v.StillShows(tt.found); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
