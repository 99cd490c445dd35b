package oracle_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

func TestCompareCases(t *testing.T) {
	want := map[string]struct {
		outcome   oracle.Outcome
		signature string
		outlier   string
	}{
		"founding":          {oracle.Diverge, "system~tc/ct_state/recirc1/-inv-trk/icmpv6", ""},
		"fixed":             {oracle.Agree, "", ""},
		"loop":              {oracle.Diverge, "system~tc/ct_state/recirc1/-inv-trk/icmpv6/looped", ""},
		"masks":             {oracle.Agree, "", ""},
		"nat":               {oracle.Diverge, "system~tc/verdict/bytes:ip_src/udp", ""},
		"conntrack-missing": {oracle.Diverge, "system~tc/conntrack/missing/udp", ""},
		"zone":              {oracle.Diverge, "system~tc/conntrack/zone/udp", ""},
		"mark":              {oracle.Diverge, "system~tc/conntrack/mark/udp", ""},
		"label":             {oracle.Diverge, "system~tc/conntrack/labels/udp", ""},
		"crash":             {oracle.Diverge, "system~tc/crash/tc/bug-kasan-use-after-free-in-tcf_ct_act-36c7b8", ""},
		"witness-only":      {oracle.Diverge, "system~tc/ct_state/recirc1/-inv/tcp", ""},
		"partly-offloaded":  {oracle.Agree, "", ""},
		"three":             {oracle.Diverge, "system~tc/ct_state/recirc1/-inv-trk/icmpv6", "tc"},
	}
	for _, c := range oracletest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			v := oracle.Compare(c.Trace, c.Obs)
			w, ok := want[c.Name]
			if !ok {
				t.Fatal("no expectation for this case")
			}
			if v.Outcome != w.outcome || v.Signature != w.signature || v.Outlier != w.outlier {
				t.Errorf("got %s %q outlier %q, want %s %q outlier %q", v.Outcome, v.Signature, v.Outlier, w.outcome, w.signature, w.outlier)
			}
			if (v.Outcome == oracle.Diverge) != (len(v.Differences) > 0) {
				t.Errorf("%s with %d differences", v.Outcome, len(v.Differences))
			}
			for _, d := range slices.Concat(v.Differences, v.Notes) {
				if len(d.Values) != len(c.Obs) || d.Text == "" {
					t.Errorf("a value for each of %d bridges and a sentence, not %+v", len(c.Obs), d)
				}
			}
		})
	}
}

// One cause must have one signature, whatever the message that shows it.
func TestFoundingSignatureIsOne(t *testing.T) {
	signatures := map[string]bool{}
	for _, kind := range []uint8{1, 129, 133, 135, 136, 143, 200} {
		c := oracletest.Founding(oracletest.ICMPv6("2001:db8::7", "2001:db8::8", kind, 0, kind, 0, 1))
		signatures[oracle.Compare(c.Trace, c.Obs).Signature] = true
	}
	moved := oracletest.Founding(oracletest.NeighborSolicitation())
	moved.Trace.Packets = append([]replay.Packet{moved.Trace.Packets[0]}, moved.Trace.Packets...)
	for b := range moved.Obs {
		o := &moved.Obs[b]
		o.Packets = append([]replay.PacketWay{o.Packets[0]}, o.Packets...)
		for i := range o.Packets {
			o.Packets[i].Index = i
			for _, s := range [][]replay.Step{o.Packets[i].Steps, o.Packets[i].Witness} {
				s[1].Recirc = 4
			}
		}
	}
	signatures[oracle.Compare(moved.Trace, moved.Obs).Signature] = true
	if len(signatures) != 1 {
		t.Errorf("signatures %v, want one", signatures)
	}
}

func TestFoundingDifferences(t *testing.T) {
	c := oracletest.Founding(oracletest.NeighborSolicitation())
	v := oracle.Compare(c.Trace, c.Obs)
	want := oracle.Difference{
		Kind: oracle.CTState, Packet: 1, Recirc: 1, Step: 1, Subject: "bits",
		Values: map[string]string{"system": "-new-est+trk", "tc": "-new-est-trk"},
		Text:   "packet 1 is +trk in system but -trk in tc at recirculation 1",
	}
	if diff := cmp.Diff(want, v.Differences[0]); diff != "" {
		t.Error(diff)
	}
	if len(v.Differences) != 4 {
		t.Errorf("%d differences, want those of two packets by the rules and by the witness", len(v.Differences))
	}
}

// The same fault, whether the rules look at trk or not, has the same signature.
func TestSignatureDoesNotDependOnRules(t *testing.T) {
	c := oracletest.Founding(oracletest.NeighborSolicitation())
	want := oracle.Compare(c.Trace, c.Obs).Signature
	for i := range c.Obs[1].Packets {
		c.Obs[0].Packets[i].Steps[1].CTState = replay.CTState{}
		c.Obs[1].Packets[i].Steps[1].CTState = replay.CTState{}
	}
	if got := oracle.Compare(c.Trace, c.Obs).Signature; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestReferenceIsOutlier(t *testing.T) {
	c := oracletest.Three()
	obs := []replay.Observation{c.Obs[1], c.Obs[0], c.Obs[2]}
	v := oracle.Compare(c.Trace, obs)
	if v.Outlier != "tc" || v.Signature != "system~tc/ct_state/recirc1/-inv-trk/icmpv6" {
		t.Errorf("outlier %q, signature %q", v.Outlier, v.Signature)
	}
	obs[2].Packets[1].Outputs = []replay.Output{{Port: 3, Frame: []byte{1}}}
	if v := oracle.Compare(c.Trace, obs); v.Outlier != "" {
		t.Errorf("outlier %q among three that all differ", v.Outlier)
	}
}

func TestIncomparable(t *testing.T) {
	c := oracletest.Fixed()
	short := oracletest.Fixed().Obs
	short[1].Packets = short[1].Packets[:2]
	mixed := oracletest.Fixed().Obs
	mixed[1].Packets[0].Index = 2
	for name, obs := range map[string][]replay.Observation{
		"one bridge": c.Obs[:1], "packets": short, "packet 2": mixed,
	} {
		v := oracle.Compare(c.Trace, obs)
		if v.Outcome != oracle.Inconclusive || !strings.Contains(v.Reason, strings.Fields(name)[0]) && name != "one bridge" {
			t.Errorf("%s: %s, %q", name, v.Outcome, v.Reason)
		}
	}
}

func TestSameBridgeTwice(t *testing.T) {
	c := oracletest.Founding(oracletest.NeighborSolicitation())
	fixed := oracletest.Fixed().Obs[1]
	v := oracle.Compare(c.Trace, []replay.Observation{fixed, c.Obs[1]})
	want := map[string]string{"tc 6.12.117": "-new-est+trk", "tc 5.10.223": "-new-est-trk"}
	if diff := cmp.Diff(want, v.Differences[0].Values); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(v.Signature, "tc~tc/ct_state/") {
		t.Error(v.Signature)
	}
}
