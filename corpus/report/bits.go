package report

import (
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// stateSpans returns what is known of a packet's ct_state on a bridge: what the
// rules look at, and what the witness adds.
func (p *page) stateSpans(bridge, n, s int) []span {
	state := stateAt(way(p.obs[bridge], n), s)
	if state.Mask == 0 {
		return []span{{Text: "any ct_state"}}
	}
	differ := p.differingBits(n, s)
	var spans []span
	for bit := replay.CTBits(1); bit != 0; bit <<= 1 {
		if state.Mask&bit != 0 {
			text := replay.CTState{Value: state.Value & bit, Mask: bit}.String()
			spans = append(spans, span{text, differ&bit != 0})
		}
	}
	return spans
}

// stateAt returns all that is known of a packet's ct_state at a step.
func stateAt(w replay.PacketWay, s int) replay.CTState {
	var state replay.CTState
	for _, steps := range [][]replay.Step{w.Steps, w.Witness} {
		if s < len(steps) {
			more := steps[s].CTState
			state.Value |= more.Value &^ state.Mask
			state.Mask |= more.Mask
		}
	}
	return state
}

// differingBits returns the bits that two bridges know otherwise at a step.
func (p *page) differingBits(n, s int) replay.CTBits {
	var set, clear replay.CTBits
	for _, o := range p.obs {
		state := stateAt(way(o, n), s)
		set |= state.Value
		clear |= state.Mask &^ state.Value
	}
	return set & clear
}

// ctWords says what a set bit of ct_state means: ovs-fields(7).
var ctWords = map[replay.CTBits]string{
	replay.CTNew:  "the packet would begin a new connection",
	replay.CTEst:  "the packet belongs to a connection that has seen an answer",
	replay.CTRel:  "the packet belongs to a connection that another one announced, such as an ICMP error about it",
	replay.CTRpl:  "the packet goes in the direction of replies",
	replay.CTInv:  "connection tracking could not tell what connection the packet belongs to",
	replay.CTTrk:  "the packet has been through connection tracking",
	replay.CTSNAT: "the source address or port was translated",
	replay.CTDNAT: "the destination address or port was translated",
}

// A meaning is a bit of ct_state in words.
type meaning struct{ Bit, Words string }

// meanings explains the bits that differ.
func (p *page) meanings() []meaning {
	var differ replay.CTBits
	for _, d := range p.v.Differences {
		if d.Kind == oracle.CTState && d.Packet >= 0 && d.Step >= 0 {
			differ |= p.differingBits(d.Packet, d.Step)
		}
	}
	var list []meaning
	for bit := replay.CTBits(1); bit != 0; bit <<= 1 {
		if differ&bit != 0 {
			list = append(list, meaning{replay.CTState{Value: bit, Mask: bit}.String(), ctWords[bit]})
		}
	}
	return list
}
