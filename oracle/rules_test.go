package oracle_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

// excused has, for each rule, what the rule allows.
var excused = map[string]func() oracletest.Case{
	oracle.RuleCTMask: oracletest.Masks,
	oracle.RuleStatistics: with(func(tc *replay.Observation) {
		tc.Flows[1].Packets--
	}),
	oracle.RuleByteCount: oracletest.Fixed,
	oracle.RuleOffload:   oracletest.PartlyOffloaded,
	oracle.RuleFlows: with(func(tc *replay.Observation) {
		tc.Flows[1].Actions = "drop,"
	}),
	oracle.RuleUpcall: with(func(tc *replay.Observation) {
		tc.Packets[2].Steps[1].Upcall = true
	}),
	oracle.RuleUnseenUpcall: unseenUpcall,
	oracle.RuleUncountedDrop: with(func(tc *replay.Observation) {
		tc.Packets[2].Steps = tc.Packets[2].Steps[:1]
	}),
	oracle.RuleFragmentQueued: fragmentQueued,
	oracle.RuleFragmentSizes:  fragmentSizes,
	oracle.RuleFragmentID:     fragmentID,
	oracle.RuleNoProtoinfo: entry(func(x, y *replay.ConntrackEntry) {
		x.Proto, y.Proto, x.State = "tcp", "tcp", "ESTABLISHED"
	}),
	oracle.RuleOffloadStatus: entry(func(_, y *replay.ConntrackEntry) {
		y.Status = append(y.Status, "OFFLOAD")
	}),
	oracle.RuleStatusHidden: entry(func(_, y *replay.ConntrackEntry) { y.Status = nil }),
	oracle.RuleAssured: entry(func(x, _ *replay.ConntrackEntry) {
		x.Status = append(x.Status, "ASSURED")
	}),
	oracle.RuleFlowTimeout: entry(func(_, y *replay.ConntrackEntry) { y.Timeout = 86400 }),
	oracle.RuleTimeoutSlack: entry(func(x, y *replay.ConntrackEntry) {
		x.Proto, y.Proto, y.Timeout = "icmpv6", "icmpv6", x.Timeout-5
	}),
	oracle.RuleNATPort: natPort,
	oracle.RuleKernelLogPlain: with(func(tc *replay.Observation) {
		tc.KernelLog = []string{"[  1.5] openvswitch: deferred action limit reached"}
	}),
	oracle.RuleKernelLogFormat: with(func(tc *replay.Observation) {
		tc.KernelLog = []string{"[  1.5] WARNING: CPU: 1 PID: 17 at net/sched/act_ct.c:99", "[  1.6] WARNING: CPU: 0 PID: 19 at net/sched/act_ct.c:99"}
	}, func(system *replay.Observation) {
		system.KernelLog = []string{"<4>[ 77.25] WARNING: CPU: 0 PID: 1 at net/sched/act_ct.c:99"}
	}),
}

func with(changeTC func(*replay.Observation), changeSystem ...func(*replay.Observation)) func() oracletest.Case {
	return func() oracletest.Case {
		c := oracletest.Fixed()
		changeTC(&c.Obs[1])
		for _, change := range changeSystem {
			change(&c.Obs[0])
		}
		return c
	}
}

func entry(change func(x, y *replay.ConntrackEntry)) func() oracletest.Case {
	return func() oracletest.Case {
		c := oracletest.ChangedEntry("", func(*replay.ConntrackEntry) {})
		change(&c.Obs[0].Conntrack[0], &c.Obs[1].Conntrack[0])
		return c
	}
}

// unseenUpcall: a new flow of tc sends a packet to one that TC has already, and
// the number of the step after that one tells which is missing.
func unseenUpcall() oracletest.Case {
	c := oracletest.Masks()
	for b := range c.Obs {
		p := &c.Obs[b].Packets[2]
		p.Steps[0].Upcall = true
		p.Steps = append(p.Steps, replay.Step{Recirc: 2, CTState: oracletest.State("-est+inv+trk")})
	}
	tc := &c.Obs[1].Packets[2]
	tc.Steps = slices.Delete(tc.Steps, 1, 2)
	return c
}

func fragmentQueued() oracletest.Case {
	t := oracletest.Trace(2, oracletest.Fragment(9, 0, true, make([]byte, 64)))
	c := oracletest.Case{Trace: t, Obs: oracletest.Two(t, "+trk", "+trk")}
	for b := range c.Obs {
		c.Obs[b].Packets[1].Steps = c.Obs[b].Packets[1].Steps[:1-b]
		c.Obs[b].Packets[1].Witness = nil
	}
	return c
}

func fragmentSizes() oracletest.Case {
	data := make([]byte, 96)
	for i := range data {
		data[i] = byte(i)
	}
	t := oracletest.Trace(2, oracletest.Fragment(9, 32, false, data[32:]))
	c := oracletest.Case{Trace: t, Obs: oracletest.Two(t, "+trk", "+trk")}
	for b, cut := range []int{32, 64} {
		c.Obs[b].Packets[1].Outputs = []replay.Output{
			{Port: 2, Frame: oracletest.Fragment(9, 0, true, data[:cut])},
			{Port: 2, Frame: oracletest.Fragment(9, cut, false, data[cut:])},
		}
	}
	return c
}

func fragmentID() oracletest.Case {
	c := oracletest.Fixed()
	for b := range c.Obs {
		frame := oracletest.ICMPv6("2001:db8::1", "2001:db8::2", oracletest.EchoRequest, 0, 7, 0, 1)
		frame[20] = oracle.ProtoFragment
		frame = slices.Insert(frame, 54, 58, 0, 0, 1, 0, 0, 0, byte(b))
		c.Obs[b].Packets[1].Outputs = []replay.Output{{Port: 2, Frame: frame, Changed: true}}
	}
	return c
}

func natPort() oracletest.Case {
	c := oracletest.NAT()
	for b, port := range []uint16{1024, 61000} {
		c.Obs[b].Packets[1].Outputs[0].Frame = oracletest.UDP("10.9.9.9", "10.0.0.2", port, 53)
	}
	return c
}

// A rule must allow what it says, and nothing else may.
func TestRules(t *testing.T) {
	for _, r := range oracle.Rules {
		t.Run(r.ID, func(t *testing.T) {
			if r.Excuses == "" || r.Reason == "" || r.Source == "" {
				t.Errorf("incomplete: %+v", r)
			}
			c := excused[r.ID]()
			if v := oracle.Compare(c.Trace, c.Obs); v.Outcome != oracle.Agree {
				t.Errorf("with the rule: %s %q: %+v", v.Outcome, v.Signature, v.Differences)
			}
			if v := oracle.Compare(c.Trace, c.Obs, r.ID); v.Outcome != oracle.Diverge {
				t.Errorf("without the rule: %s", v.Outcome)
			}
		})
	}
}

// What stands next to what a rule allows is a difference all the same.
func TestRulesAllowNoMore(t *testing.T) {
	for name, c := range map[string]struct {
		make      func() oracletest.Case
		signature string
	}{
		"ASSURED of TCP": {entry(func(x, y *replay.ConntrackEntry) {
			x.Proto, y.Proto, x.Status = "tcp", "tcp", append(x.Status, "ASSURED")
		}), "system~tc/conntrack/status-ASSURED/tcp"},
		"a lost SEEN_REPLY beside OFFLOAD": {entry(func(_, y *replay.ConntrackEntry) {
			y.Status = []string{"CONFIRMED", "OFFLOAD"}
		}), "system~tc/conntrack/status+OFFLOAD-SEEN_REPLY/udp"},
		"another state": {entry(func(x, y *replay.ConntrackEntry) {
			x.State, y.State = "ESTABLISHED", "SYN_SENT"
		}), "system~tc/conntrack/state/udp"},
		"6 s": {entry(func(x, y *replay.ConntrackEntry) {
			x.Proto, y.Proto, y.Timeout = "icmp", "icmp", x.Timeout-6
		}), "system~tc/conntrack/timeout/icmp"},
		"a port that one bridge left": {func() oracletest.Case {
			c := natPort()
			c.Obs[1].Packets[1].Outputs[0].Frame = oracletest.UDP("10.9.9.9", "10.0.0.2", 5000, 53)
			return c
		}, "system~tc/verdict/bytes:port/udp"},
		"a checksum": {func() oracletest.Case {
			c := natPort()
			f := slices.Clone(c.Obs[0].Packets[1].Outputs[0].Frame)
			f[14+20+6] ^= 0xff
			c.Obs[1].Packets[1].Outputs[0].Frame = f
			return c
		}, "system~tc/verdict/bytes:l4_csum/udp"},
		"fragments of other bytes": {func() oracletest.Case {
			c := fragmentSizes()
			f := c.Obs[1].Packets[1].Outputs[0].Frame
			f[len(f)-1] ^= 1
			return c
		}, "system~tc/verdict/bytes:payload/udp+frag"},
		"fragments with a gap": {func() oracletest.Case {
			c := fragmentSizes()
			out := c.Obs[1].Packets[1].Outputs
			f := out[1].Frame
			out[1].Frame = oracletest.Fragment(9, 72, false, f[34:])
			return c
		}, "system~tc/verdict/bytes:ip_frag/udp+frag"},
		"two steps of a drop": {with(func(tc *replay.Observation) {
			tc.Packets[2].Steps = nil
		}), "system~tc/verdict/fewer-recirculations/icmpv6"},
		"a way that ends early, but the packet leaves": {func() oracletest.Case {
			c := oracletest.Masks()
			c.Obs[1].Packets[2].Steps = c.Obs[1].Packets[2].Steps[:1]
			return c
		}, "system~tc/verdict/fewer-recirculations/icmpv6"},
		"a fault in the log": {with(func(tc *replay.Observation) {
			tc.KernelLog = []string{"[ 2.0] WARNING: CPU: 0 PID: 9 at net/sched/act_ct.c:7 tcf_ct_act+0x1/0x2"}
		}), "system~tc/kernel_log/tc/warning-cpu-pid-at-net-sched-act_ct.c-tcf_ct_act-43549e"},
	} {
		t.Run(name, func(t *testing.T) {
			x := c.make()
			if v := oracle.Compare(x.Trace, x.Obs); v.Signature != c.signature {
				t.Errorf("%s %q, want %q; %+v", v.Outcome, v.Signature, c.signature, v.Differences)
			}
		})
	}
}

func TestNATPortInTable(t *testing.T) {
	c := entry(func(x, y *replay.ConntrackEntry) {
		x.Reply = "10.0.0.2 > 10.9.9.9 sport=53 dport=1024"
		y.Reply = "10.0.0.2 > 10.9.9.9 sport=53 dport=61000"
	})()
	if v := oracle.Compare(c.Trace, c.Obs); v.Outcome != oracle.Agree || v.Notes[0].Rule != oracle.RuleNATPort {
		t.Errorf("two chosen ports: %+v", v)
	}
	c.Obs[1].Conntrack[0].Reply = "10.0.0.2 > 10.9.9.9 sport=53 dport=5000"
	if v := oracle.Compare(c.Trace, c.Obs); v.Signature != "system~tc/conntrack/reply/udp" {
		t.Errorf("one chosen port: %s %q", v.Outcome, v.Signature)
	}
}

func TestByteCount(t *testing.T) {
	c := oracletest.Fixed()
	for _, d := range oracle.Compare(c.Trace, c.Obs).Notes {
		t.Errorf("note %+v", d)
	}
	v := oracle.Compare(c.Trace, c.Obs, oracle.RuleByteCount)
	if len(v.Differences) != 2 || v.Differences[0].Kind != oracle.Statistics || v.Differences[0].Rule != oracle.RuleByteCount {
		t.Errorf("without the rule: %+v", v.Differences)
	}
	want := map[string]string{"system": "2 packets, 172 bytes", "tc": "2 packets, 144 bytes"}
	if diff := cmp.Diff(want, v.Differences[0].Values); diff != "" {
		t.Error(diff)
	}
	c.Obs[1].Flows[0].Bytes++
	v = oracle.Compare(c.Trace, c.Obs)
	if len(v.Notes) != 1 || v.Notes[0].Values["tc"] != "2 packets, 173 bytes" {
		t.Errorf("with the rule, and a byte more: %+v", v.Notes)
	}
}

func TestOffloadNote(t *testing.T) {
	c := oracletest.PartlyOffloaded()
	v := oracle.Compare(c.Trace, c.Obs)
	if len(v.Notes) != 1 || v.Notes[0].Values["tc"] != "1 of 2 flows in TC" {
		t.Errorf("one flow in TC: %+v", v.Notes)
	}
	c.Obs[1].Flows[0].DP = "ovs"
	v = oracle.Compare(c.Trace, c.Obs)
	if i := slices.IndexFunc(v.Notes, func(d oracle.Difference) bool { return d.Kind == oracle.Offload }); i < 0 || v.Notes[i].Values["tc"] != "0 of 2 flows in TC" {
		t.Errorf("no flow in TC: %+v", v.Notes)
	}
}
