package oracletest

import (
	"slices"

	"github.com/ctdiff/ctdiff/replay"
)

// A Case is a trace and what bridges made of it.
type Case struct {
	Name  string
	Trace replay.Trace
	Obs   []replay.Observation
}

// The states in which conntrack leaves what it does not track, as the founding
// pipeline and the witness see it, in the kernel datapath and in the TC of
// Linux 5.10.
const (
	untracked          = "-new-est+trk"
	untrackedWitness   = "-new-est-rel-rpl+inv+trk"
	untrackedTC        = "-new-est-trk"
	untrackedTCWitness = "-new-est-rel-rpl-inv-trk"
)

// Founding returns the founding divergence for a frame, as Linux 5.10 shows it:
// the packet that takes the upcall is tracked, those that TC takes are not.
func Founding(frame []byte) Case {
	t := Trace(3, frame)
	tc := Bridge("tc", "5.10.223", t, untracked, untrackedWitness)
	for i := 1; i < len(tc.Packets); i++ {
		p := &tc.Packets[i]
		p.Steps, p.Witness = Steps("tc", false, untrackedTC), Steps("tc", false, untrackedTCWitness)
		p.Steps[1].Upcall, p.Witness[1].Upcall = i == 1, i == 1
	}
	tc.Flows[1].Packets, tc.Flows[1].Bytes, tc.Flows[1].DP = 0, 0, "ovs"
	tc.Flows = append(tc.Flows, replay.Flow{
		InPort: "p1", Recirc: 1, CTState: State(untrackedTC), Packets: 1, Bytes: 86, DP: "ovs", Actions: "drop",
	})
	return Case{"founding", t, []replay.Observation{Bridge("system", "5.10.223", t, untracked, untrackedWitness), tc}}
}

// Fixed returns the same on a kernel that has the fix.
func Fixed() Case {
	t := Trace(3, NeighborSolicitation())
	return Case{"fixed", t, Two(t, untracked, untrackedWitness)}
}

// Loop returns the founding divergence with rules that send what is not
// tracked back to the table it came from.
func Loop() Case {
	c := Founding(NeighborSolicitation())
	c.Name = "loop"
	c.Trace.Pipeline = replay.Pipeline{"table=0,in_port=p1,ct_state=-trk,ipv6,actions=ct(table=0)"}
	for i := 1; i < 3; i++ {
		c.Obs[1].Packets[i].Looped = true
	}
	return c
}

// Masks returns an echo and its reply: the two bridges' flows look at other
// bits, and treat the packets alike.
func Masks() Case {
	t := Trace(3, ICMPv6("2001:db8::1", "2001:db8::2", EchoRequest, 0, 7, 0, 1))
	obs := Two(t, "-new+est+trk", "-new+est-rel-rpl-inv+trk", 2)
	for i := range obs[1].Packets {
		obs[1].Packets[i].Steps[1].CTState = State("+est+trk")
	}
	return Case{"masks", t, obs}
}

// NAT returns a datagram whose source TC does not translate.
func NAT() Case {
	t := Trace(2, UDP("10.0.0.1", "10.0.0.2", 5000, 53))
	obs := Two(t, "+new+trk", "+new-est-rel-rpl-inv+trk", 2)
	for b := range obs {
		for i := range t.Packets {
			if b == 1 && i == 1 {
				continue
			}
			out := &obs[b].Packets[i].Outputs[0]
			out.Frame, out.Changed = UDP("10.9.9.9", "10.0.0.2", 5000, 53), true
		}
	}
	return Case{"nat", t, obs}
}

// entries returns a case in which the bridges' connection tables are those
// given.
func entries(name string, system, tc []replay.ConntrackEntry) Case {
	t := Trace(2, UDP("10.0.0.1", "10.0.0.2", 5000, 53))
	obs := Two(t, "+new+trk", "+new-est-rel-rpl-inv+trk", 2)
	obs[0].Conntrack, obs[1].Conntrack = system, tc
	return Case{name, t, obs}
}

// ChangedEntry returns a case in which one connection is another thing in tc.
func ChangedEntry(name string, change func(*replay.ConntrackEntry)) Case {
	e := Entry()
	e.Status = slices.Clone(e.Status)
	change(&e)
	return entries(name, []replay.ConntrackEntry{Entry()}, []replay.ConntrackEntry{e})
}

// MissingEntry returns a case in which tc did not commit a connection.
func MissingEntry() Case {
	return entries("conntrack-missing", []replay.ConntrackEntry{Entry()}, nil)
}

// Crashed returns a case in which the kernel of tc died.
func Crashed() Case {
	c := Fixed()
	c.Name = "crash"
	c.Obs[1].Packets = c.Obs[1].Packets[:1]
	c.Obs[1].Crash = "[    3.141592] BUG: KASAN: use-after-free in tcf_ct_act+0x1f/0x2b0\n[    3.141600] Read of size 8 at addr 00000000612f3c40\n[    3.2] Kernel panic - not syncing: Fatal exception\n"
	return c
}

// WitnessOnly returns a case that only the witness shows: the rules do not look
// at inv.
func WitnessOnly() Case {
	t := Trace(2, TCP("10.0.0.1", "10.0.0.2", 40000, 80, 0x04))
	obs := Two(t, "+trk", untrackedWitness)
	obs[1].Packets[1].Witness[1].CTState = State("-new-est-rel-rpl-inv+trk")
	return Case{"witness-only", t, obs}
}

// PartlyOffloaded returns a case in which one of TC's flows stayed in the kernel
// datapath.
func PartlyOffloaded() Case {
	c := Fixed()
	c.Name = "partly-offloaded"
	c.Obs[1].Flows[1].DP = "ovs"
	c.Obs[1].Flows[1].Bytes += 14 * c.Obs[1].Flows[1].Packets
	for i := range c.Obs[1].Packets {
		c.Obs[1].Packets[i].Steps[1].DP = "ovs"
	}
	return c
}

// Three returns the founding divergence with a third bridge, which agrees with
// the first.
func Three() Case {
	c := Founding(NeighborSolicitation())
	c.Name = "three"
	c.Obs = append(c.Obs, Bridge("netdev", "5.10.223", c.Trace, untrackedWitness, untrackedWitness))
	return c
}

// Cases returns the cases by name.
func Cases() []Case {
	return []Case{
		Founding(NeighborSolicitation()), Fixed(), Loop(), Masks(), NAT(), MissingEntry(),
		ChangedEntry("zone", func(e *replay.ConntrackEntry) { e.Zone = 0 }),
		ChangedEntry("mark", func(e *replay.ConntrackEntry) { e.Mark = 0 }),
		ChangedEntry("label", func(e *replay.ConntrackEntry) { e.Labels = "" }),
		Crashed(), WitnessOnly(), PartlyOffloaded(), Three(),
	}
}
