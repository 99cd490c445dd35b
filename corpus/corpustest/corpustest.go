// Package corpustest makes findings and campaigns of observations that were
// written down by hand, for the tests of what reads them.
package corpustest

import (
	"bytes"
	_ "embed" // for what the lab saw
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

// What the lab made of the trace in docs/trace.md, with profile debian-11: the
// verdict and the observations of ctdiff replay --json.
var (
	//go:embed founding.txt
	foundingTrace []byte
	//go:embed founding.json
	foundingSeen []byte
)

// Started is when the campaign of [Write] began.
var Started = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

// Founding returns the founding divergence as the lab showed it.
func Founding() corpus.Finding {
	t, err := tracetext.Parse(bytes.NewReader(foundingTrace))
	if err != nil {
		panic(err)
	}
	var seen struct {
		Verdict      oracle.Verdict
		Observations []replay.Observation
	}
	if err := json.Unmarshal(foundingSeen, &seen); err != nil {
		panic(err)
	}
	return finding(t, seen.Observations, seen.Verdict)
}

// Finding returns what would be kept of a case in which bridges diverge.
func Finding(c oracletest.Case) corpus.Finding {
	return finding(c.Trace, c.Obs, oracle.Confirm(c.Trace, [][]replay.Observation{c.Obs, c.Obs}))
}

// finding returns a finding whose original trace has the packets four times.
func finding(t replay.Trace, obs []replay.Observation, v oracle.Verdict) corpus.Finding {
	original := t
	original.Packets = slices.Repeat(t.Packets, 4)
	return corpus.Finding{
		Signature: v.Signature,
		Status:    corpus.New,
		Found:     Started.Add(4200 * time.Millisecond),
		Seconds:   4.2,
		Profile:   "debian-11",
		Ctdiff:    "v0.4.0",
		Level:     replay.Booted,
		Verdict:   v,
		Reduction: corpus.Reduction{Minimal: true, Steps: 71},
		Trace:     t, Observations: obs, Original: original,
	}
}

// Findings returns a finding of each kind of status: the founding divergence
// with hints, a loop that is known, a translation that was not confirmed.
func Findings() []corpus.Finding {
	founding := Founding()
	founding.Hints = []corpus.Hint{
		{Title: "ofproto/trace on tc", Text: "Flow: ct_state=inv|trk,in_port=1,dl_type=0x86dd\n\nbridge(\"br0\")\n-------------\n 0. in_port=1,ct_state=-trk,ipv6, priority 32768\n    ct(table=1)\n    drop\nFinal flow: unchanged\nDatapath actions: ct,recirc(0x1)"},
		{Title: "Kernel functions covered by one side only", Text: "tc alone:     tcf_ct_act, tcf_ct_skb_nf_family, tcf_classify_ingress\nsystem alone: ovs_ct_execute, ovs_ct_update_key, ovs_ct_fill_key"},
	}
	loop := Finding(oracletest.Loop())
	loop.Status, loop.Reason, loop.Link = corpus.Known, "TC forgets that the packet was tracked", "https://git.kernel.org/torvalds/c/d29334c15d33"
	nat := Finding(oracletest.NAT())
	nat.Status, nat.Reason = corpus.Inconclusive, "1 of 2 runs diverge with "+nat.Signature
	nat.Verdict.Outcome, nat.Verdict.Signature, nat.Verdict.Reason = oracle.Inconclusive, "", nat.Reason
	nat.Verdict.Diverged = 1
	return []corpus.Finding{founding, loop, nat}
}

// Settings are those of the campaign of [Write].
func Settings() corpus.Settings {
	return corpus.Settings{
		Profile:  "debian-11",
		Bridges:  []corpus.Bridge{{Name: "system", Kernel: "5.10.223", OVS: "2.15.0"}, {Name: "tc", Kernel: "5.10.223", OVS: "2.15.0"}},
		Ctdiff:   "v0.4.0",
		Level:    replay.Purged,
		Pipeline: oracletest.Pipeline(),
		Started:  Started,
		Options:  map[string]string{"parallel": "2"},
	}
}

// Write makes dir the directory of a campaign with the findings. Its samples,
// if there are to be some, are the test's own.
func Write(t testing.TB, dir string, findings ...corpus.Finding) {
	t.Helper()
	w, err := corpus.Create(dir, Settings())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if err := w.Seen(f.Signature, f.Status, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Record(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
