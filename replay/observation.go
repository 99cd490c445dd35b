package replay

import (
	"context"
	"fmt"
)

// Level says how well a replay is kept apart from what came before it.
type Level string

// The isolation levels.
const (
	// Warm leaves the bridge as it is. The trace's addresses are moved to
	// ones that no trace before had, and what comes back is moved again. It
	// sees each packet's ct_state and what left the bridge, but not which
	// flows were hit. A trace that it does not do for is replayed at Purged.
	Warm Level = "warm"
	// Purged removes all datapath flows and conntrack entries first, and
	// checks that nothing is left.
	Purged Level = "purged"
	// Booted replays in a guest that was just started for it.
	Booted Level = "booted"
)

// ParseLevel returns the level of a name.
func ParseLevel(name string) (Level, error) {
	switch l := Level(name); l {
	case Warm, Purged, Booted:
		return l, nil
	}
	return "", fmt.Errorf("level %q: not one of warm, purged, booted", name)
}

// Replayer replays traces on one bridge.
type Replayer interface {
	// Replay sends t's packets through the bridge and returns what it made
	// of them. An error says that the trace was not replayed: it is the
	// lab's fault or the input's, never a finding. A guest that crashed
	// under the trace is no error: see [Observation.Crash].
	Replay(ctx context.Context, t Trace, level Level) (Observation, error)
}

// Observation is what one bridge made of a trace.
type Observation struct {
	// Bridge is the bridge's name: "system", "tc".
	Bridge string `json:"name"`
	// Kernel and OVS are the versions of the guest's kernel and of
	// ovs-vswitchd, such as "5.10.223" and "2.15.0".
	Kernel string `json:"kernel"`
	OVS    string `json:"ovs"`
	// Level is at which the replay was made: not the one that was asked for
	// if that does not do for the trace.
	Level Level `json:"-"`
	// Packets has the way of each of the trace's packets, in order.
	Packets []PacketWay `json:"packets"`
	// Flows has the datapath flows after the last packet, in the order in
	// which packets reached them.
	Flows []Flow `json:"flows"`
	// Conntrack has the conntrack entries after the last packet, ordered.
	Conntrack []ConntrackEntry `json:"conntrack"`
	// Covered has the addresses of the kernel's code, of the objects built for
	// it, that the trace has run. It is there only if it was asked for, and
	// then either here or for each packet.
	Covered []uint32 `json:"-"`
	// KernelLog has the lines of the guest's kernel log that are warnings
	// or worse.
	KernelLog []string `json:"kernel_log,omitempty"`
	// Crash is not empty if the guest's kernel or its ovs-vswitchd died
	// under the trace: the last lines it printed.
	Crash string `json:"crash,omitempty"`
}

// PacketWay is the way of one packet through a bridge.
type PacketWay struct {
	// Index is the packet's place in the trace, from 0.
	Index int `json:"index"`
	// Port is where the packet entered.
	Port Port `json:"port"`
	// Steps has one element for each flow that the packet met, in order:
	// one before the first recirculation, one after each.
	Steps []Step `json:"steps"`
	// Witness has the steps of the same packet through the witness copy of
	// the pipeline, which looks at all bits in [CTWitnessed] after each
	// recirculation.
	Witness []Step `json:"witness"`
	// Outputs has the frames that left the bridge because of the packet,
	// ordered by port.
	Outputs []Output `json:"outputs"`
	// Looped says that the packet went round until a datapath's limit of
	// recirculations ended it. Steps then has only the first round.
	Looped bool `json:"looped,omitempty"`
	// Covered is as that of the observation, without what an earlier packet
	// of the trace had run.
	Covered []uint32 `json:"-"`
}

// Step is one flow that a packet met.
type Step struct {
	// Recirc is 0 before the first recirculation, then 1, 2, … in the order
	// in which the trace's packets first reached them.
	Recirc int `json:"recirc"`
	// CTState has the ct_state bits that the flow matches on, and so those
	// of the packet's ct_state that are known.
	CTState CTState `json:"ct_state"`
	// Upcall says that no flow took the packet: ovs-vswitchd handled it, and
	// made this flow for it and those that follow.
	Upcall bool `json:"upcall,omitempty"`
	// DP is the datapath that holds the flow: "tc" or "ovs".
	DP string `json:"dp"`
}

// Output is a frame that left the bridge.
type Output struct {
	Port Port `json:"port"`
	// Changed says that the frame is not byte for byte the packet's.
	Changed bool `json:"changed"`
	// Frame is the frame as it left.
	Frame []byte `json:"frame"`
}

// Flow is one datapath flow (megaflow).
type Flow struct {
	// InPort is the name of the port whose packets the flow takes, such as
	// "p1"; empty if the flow takes those of any.
	InPort string `json:"in_port"`
	// Recirc is as in [Step]; -1 if no packet of the trace reached it.
	Recirc int `json:"recirc"`
	// CTState has the bits that the flow matches on.
	CTState CTState `json:"ct_state"`
	// Zone, Mark and Label are the matches on ct_zone, ct_mark and ct_label
	// as "value" or "value/mask"; empty if the flow does not look.
	Zone  string `json:"ct_zone,omitempty"`
	Mark  string `json:"ct_mark,omitempty"`
	Label string `json:"ct_label,omitempty"`
	// Match has every other match, by field name: "eth_type" → "0x86dd",
	// "ipv6" → "frag=no". Fields that match anything are left out.
	Match map[string]string `json:"match,omitempty"`
	// Packets and Bytes count what the flow took; the packet that made it
	// is not among them.
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	// DP is "tc" if TC holds the flow, "ovs" if the kernel datapath does.
	DP string `json:"dp"`
	// Offloaded is what OVS says of it: "" or "no", "partial", "yes".
	Offloaded string `json:"offloaded,omitempty"`
	// Actions are the flow's actions as OVS prints them, except that
	// recirculation ids are those of Recirc: "ct,recirc(1)".
	Actions string `json:"actions"`
}

// ConntrackEntry is one tracked connection.
type ConntrackEntry struct {
	// Proto is the protocol's name as OVS prints it: "icmpv6", "tcp".
	Proto string `json:"proto"`
	// Orig and Reply are the two directions as "src > dst" and the ports or
	// ICMP ids in OVS's words: "2001:db8::1 > 2001:db8::2 id=7 type=128 code=0".
	Orig  string `json:"orig"`
	Reply string `json:"reply"`
	Zone  uint16 `json:"zone"`
	Mark  uint32 `json:"mark"`
	// Labels is the 128-bit label in hexadecimal with 0x; empty if zero.
	Labels string `json:"labels,omitempty"`
	// Status is the list of status flags in OVS's words, ordered:
	// "ASSURED", "CONFIRMED", "SEEN_REPLY".
	Status []string `json:"status,omitempty"`
	// State is the protocol's state, such as "ESTABLISHED" for TCP; empty
	// where the protocol has none or the entry does not show it.
	State string `json:"state,omitempty"`
	// Timeout is the number of seconds the entry has left.
	Timeout uint32 `json:"timeout"`
	// Helper is the name of the connection's helper, such as "ftp".
	Helper string `json:"helper,omitempty"`
}
