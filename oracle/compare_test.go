package oracle_test

import (
	"slices"
	"testing"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

func signature(c oracletest.Case) string { return oracle.Compare(c.Trace, c.Obs).Signature }

func TestVerdictSignatures(t *testing.T) {
	frame := oracletest.ICMPv6("2001:db8::1", "2001:db8::2", oracletest.EchoRequest, 0, 7, 0, 1)
	port := func(ports ...replay.Port) []replay.Output {
		var list []replay.Output
		for _, p := range ports {
			list = append(list, replay.Output{Port: p, Frame: frame})
		}
		return list
	}
	cut := append([]byte(nil), frame[:len(frame)-2]...)
	for _, c := range []struct {
		name       string
		system, tc []replay.Output
		want       string
	}{
		{"same", port(2, 3), port(3, 2), ""},
		{"dropped", port(2), nil, "dropped"},
		{"not dropped", nil, port(2), "not-dropped"},
		{"other port", port(2), port(3), "ports"},
		{"one more port", port(2), port(2, 3), "ports"},
		{"twice", port(2), port(2, 2), "copies"},
		{"cut", port(2), []replay.Output{{Port: 2, Frame: cut}}, "bytes:length"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := oracletest.Masks()
			x.Obs[0].Packets[1].Outputs, x.Obs[1].Packets[1].Outputs = c.system, c.tc
			want := ""
			if c.want != "" {
				want = "system~tc/verdict/" + c.want + "/icmpv6"
			}
			if got := signature(x); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// The earliest packet has the cause, and at one packet ct_state comes first.
func TestFirstDifferenceSigns(t *testing.T) {
	c := oracletest.Founding(oracletest.NeighborSolicitation())
	c.Obs[1].Conntrack = []replay.ConntrackEntry{oracletest.Entry()}
	c.Obs[1].KernelLog = []string{"BUG: bad"}
	c.Obs[1].Packets[1].Outputs = []replay.Output{{Port: 2, Frame: c.Trace.Packets[1].Frame}}
	if got := signature(c); got != "system~tc/ct_state/recirc1/-inv-trk/icmpv6" {
		t.Errorf("%q: not the bits of packet 1", got)
	}
	c.Obs[1].Packets[0].Outputs = c.Obs[1].Packets[1].Outputs
	if got := signature(c); got != "system~tc/verdict/not-dropped/icmpv6" {
		t.Errorf("%q: not the output of packet 0", got)
	}
	c.Obs[1].Crash = "BUG: worse"
	if got, want := signature(c), "system~tc/crash/tc/bug-worse-"; len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("%q: not the crash", got)
	}
}

// A bit that only one bridge knows is none in which they differ.
func TestBitsBothKnow(t *testing.T) {
	for _, c := range []struct{ system, tc, want string }{
		{"-new+est+trk", "+est+trk", ""},
		{"+trk", "-trk", "-trk"},
		{"-rpl+est+trk", "+rpl+est+trk", "+rpl"},
		{"+rpl", "-inv", ""},
		{"", "+trk", ""},
		{"+new+trk-snat", "-new+est+trk+snat", "-new+snat"},
	} {
		x := oracletest.Masks()
		for i := range x.Obs {
			p := &x.Obs[i].Packets[2]
			p.Steps[1].CTState = oracletest.State([]string{c.system, c.tc}[i])
			p.Witness = nil
		}
		want := ""
		if c.want != "" {
			want = "system~tc/ct_state/recirc1/" + c.want + "/icmpv6"
		}
		if got := signature(x); got != want {
			t.Errorf("%s against %s: %q, want %q", c.system, c.tc, got, want)
		}
	}
}

// A recirculation that one bridge numbers otherwise is the same one.
func TestNumbersMayShift(t *testing.T) {
	c := oracletest.Masks()
	c.Obs[1].Packets[2].Steps[1].Recirc = 5
	if got := signature(c); got != "" {
		t.Errorf("%q, want none", got)
	}
}

// TestStepAfterKernelDatapath has a packet whose first flow TC did not take, and
// whose second flow TC alone has: it takes an upcall that nothing counts. Where
// TC has no flow at all, a step that is missing is a difference.
func TestStepAfterKernelDatapath(t *testing.T) {
	for _, tt := range []struct{ dp, want string }{
		{"tc", ""},
		{"ovs", "system~tc/verdict/fewer-recirculations/icmpv6"},
	} {
		c := oracletest.Fixed()
		w := &c.Obs[1].Packets[2]
		w.Steps = w.Steps[:1]
		w.Steps[0].DP = "ovs"
		w.Outputs = []replay.Output{{Port: 2, Frame: c.Trace.Packets[2].Frame}}
		c.Obs[0].Packets[2].Outputs = w.Outputs
		for i := range c.Obs[1].Flows {
			c.Obs[1].Flows[i].DP = tt.dp
		}
		if got := signature(c); got != tt.want {
			t.Errorf("flows in dp:%s: %q, want %q", tt.dp, got, tt.want)
		}
	}
}

// TestAtomicFragment has a packet leave with a fragment header, though it is
// whole, and without.
func TestAtomicFragment(t *testing.T) {
	cut := oracletest.ICMPv6("2001:db8::1", "2001:db8::2", oracletest.EchoRequest, 0, 7, 0, 1)
	plain := slices.Clone(cut)
	cut = slices.Insert(cut, 54, 58, 0, 0, 0, 0, 0, 0, 9)
	cut[20] = oracle.ProtoFragment
	cut[19] += 8
	c := oracletest.Fixed()
	for b, frame := range [][]byte{cut, plain} {
		c.Obs[b].Packets[1].Outputs = []replay.Output{{Port: 2, Frame: frame, Changed: true}}
	}
	if got := signature(c); got != "" {
		t.Errorf("%q, want none", got)
	}
	plain[21]--
	if got, want := signature(c), "system~tc/verdict/bytes:ip_ttl/icmpv6"; got != want {
		t.Errorf("with another hop limit: %q, want %q", got, want)
	}
}

func TestFlowMetadata(t *testing.T) {
	for _, c := range []struct {
		name       string
		system, tc string
		want       string
	}{
		{"same", "0x5", "0x5", ""},
		{"other value", "0x5", "0", "system~tc/flows/ct_mark"},
		{"same under both masks", "0x5/0xf", "0x15/0x1f", ""},
		{"other under both masks", "0x5/0xf", "0x6/0xff", "system~tc/flows/ct_mark"},
		{"one looks", "0x5", "", ""},
		{"what cannot be read", "0x5", "five", ""},
	} {
		x := oracletest.Fixed()
		x.Obs[0].Flows[1].Mark, x.Obs[1].Flows[1].Mark = c.system, c.tc
		if got := signature(x); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	x := oracletest.Fixed()
	x.Obs[0].Flows[1].Zone, x.Obs[1].Flows[1].Zone = "5", "0"
	if got := signature(x); got != "system~tc/flows/ct_zone" {
		t.Errorf("zone: %q", got)
	}
}

func TestBothCrash(t *testing.T) {
	c := oracletest.Crashed()
	c.Obs[0].Crash = c.Obs[1].Crash
	if got := oracle.Compare(c.Trace, c.Obs); got.Outcome != oracle.Diverge || got.Differences[0].Kind != oracle.Crash {
		t.Errorf("%+v", got)
	}
}

// Connections of the same tuples in two zones are two, not one that moved.
func TestEntriesInTwoZones(t *testing.T) {
	a, b := oracletest.Entry(), oracletest.Entry()
	b.Zone = 9
	c := oracletest.MissingEntry()
	c.Obs[0].Conntrack = []replay.ConntrackEntry{a, b}
	c.Obs[1].Conntrack = []replay.ConntrackEntry{b, a}
	if got := signature(c); got != "" {
		t.Errorf("%q, want none", got)
	}
	c.Obs[1].Conntrack = []replay.ConntrackEntry{b}
	v := oracle.Compare(c.Trace, c.Obs)
	if v.Signature != "system~tc/conntrack/missing/udp" || len(v.Differences) != 1 {
		t.Errorf("%+v", v)
	}
	c.Obs[0].Conntrack, c.Obs[1].Conntrack = []replay.ConntrackEntry{a}, []replay.ConntrackEntry{a, b}
	if got := signature(c); got != "system~tc/conntrack/extra/udp" {
		t.Errorf("%q, want an extra entry", got)
	}
}
