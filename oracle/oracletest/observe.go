package oracletest

import (
	"slices"
	"time"

	"github.com/ctdiff/ctdiff/replay"
)

// Pipeline is that of the founding report.
func Pipeline() replay.Pipeline {
	return replay.Pipeline{
		"table=0,in_port=p1,ct_state=-trk,ipv6,actions=ct(table=1)",
		"table=0,in_port=p2,ct_state=-trk,ipv6,actions=ct(table=1)",
		"table=1,in_port=p1,ct_state=+trk+new,ipv6,actions=ct(commit),output:p2",
		"table=1,in_port=p2,ct_state=+trk+new,ipv6,actions=ct(commit),output:p1",
		"table=1,in_port=p1,ct_state=+trk+est,ipv6,actions=output:p2",
		"table=1,in_port=p2,ct_state=+trk+est,ipv6,actions=output:p1",
	}
}

// Trace returns a trace of n copies of a frame into p1, 800 ms apart.
func Trace(n int, frame []byte) replay.Trace {
	t := replay.Trace{Pipeline: Pipeline()}
	for i := range n {
		p := replay.Packet{Port: 1, Frame: slices.Clone(frame)}
		if i > 0 {
			p.Gap = 800 * time.Millisecond
		}
		t.Packets = append(t.Packets, p)
	}
	return t
}

// State returns the ct_state of a text such as "-new+trk"; it panics on
// another.
func State(text string) replay.CTState {
	s, err := replay.ParseCTState(text)
	if err != nil {
		panic(err)
	}
	return s
}

// Steps returns the way of a packet that goes through conntrack once: where it
// met its flows, and the ct_state of the second.
func Steps(dp string, upcall bool, state string) []replay.Step {
	return []replay.Step{
		{Recirc: 0, CTState: State("-trk"), Upcall: upcall, DP: dp},
		{Recirc: 1, CTState: State(state), Upcall: upcall, DP: dp},
	}
}

// Bridge returns the observation of a bridge that treats the packets of t
// alike: each has a ct_state after the first recirculation, as the rules look
// at it and as the witness shows it, and leaves by the ports in out.
func Bridge(name, kernel string, t replay.Trace, state, witness string, out ...replay.Port) replay.Observation {
	dp := "ovs"
	if name == "tc" {
		dp = "tc"
	}
	o := replay.Observation{Bridge: name, Kernel: kernel, OVS: "3.1.0"}
	for i, p := range t.Packets {
		w := replay.PacketWay{Index: i, Port: p.Port, Steps: Steps(dp, i == 0, state), Witness: Steps(dp, i == 0, witness)}
		for _, port := range out {
			w.Outputs = append(w.Outputs, replay.Output{Port: port, Frame: slices.Clone(p.Frame)})
		}
		o.Packets = append(o.Packets, w)
	}
	n := uint64(len(t.Packets) - 1)
	size := uint64(len(t.Packets[0].Frame))
	actions := "drop"
	if len(out) > 0 {
		actions = out[0].String()
	}
	if dp == "tc" {
		size -= 14
	}
	o.Flows = []replay.Flow{
		{InPort: "p1", Recirc: 0, CTState: State("-trk"), Packets: n, Bytes: n * size, DP: dp, Actions: "ct,recirc(1)"},
		{InPort: "p1", Recirc: 1, CTState: State(state), Packets: n, Bytes: n * size, DP: dp, Actions: actions},
	}
	return o
}

// Two returns the observations of a bridge "system" and a bridge "tc" that
// agree on everything but where their flows are.
func Two(t replay.Trace, state, witness string, out ...replay.Port) []replay.Observation {
	return []replay.Observation{
		Bridge("system", "6.12.117", t, state, witness, out...),
		Bridge("tc", "6.12.117", t, state, witness, out...),
	}
}

// Entry returns the conntrack entry of a UDP connection.
func Entry() replay.ConntrackEntry {
	return replay.ConntrackEntry{
		Proto: "udp", Orig: "10.0.0.1 > 10.0.0.2 sport=5000 dport=53", Reply: "10.0.0.2 > 10.0.0.1 sport=53 dport=5000",
		Zone: 7, Mark: 0x5, Labels: "0x10", Status: []string{"CONFIRMED", "SEEN_REPLY"}, Timeout: 30,
	}
}
