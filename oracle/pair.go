package oracle

import (
	"fmt"
	"slices"

	"github.com/ctdiff/ctdiff/replay"
)

// A comparison is one call of [Compare].
type comparison struct {
	trace  replay.Trace
	obs    []replay.Observation
	names  []string
	strict []string
	seen   map[string]bool // keys of what merge has taken
}

// A pair compares one bridge, b, with another, a.
type pair struct {
	*comparison
	a, b               replay.Observation
	nameA, nameB       string
	differences, notes []found
}

// found is a difference while there is only a pair of bridges that differ.
type found struct {
	Difference
	// token says in the signature what changed.
	token string
	// class is the protocol class of what differs.
	class string
	// entry tells differences of one kind and subject apart that are not
	// those of a packet.
	entry string
	// show returns the value that a third bridge has.
	show func(replay.Observation) string
}

func (f found) key() string {
	return fmt.Sprint(f.Kind, f.Packet, f.Step, f.Subject, f.Witness, f.entry, f.Rule)
}

// pair compares the bridges i and j.
func (c *comparison) pair(i, j int) *pair {
	p := &pair{comparison: c, a: c.obs[i], b: c.obs[j], nameA: c.names[i], nameB: c.names[j]}
	if p.a.Crash != "" || p.b.Crash != "" {
		p.crash()
		return p
	}
	for n := range p.a.Packets {
		p.packet(n)
	}
	p.conntrack()
	p.flows()
	p.statistics()
	p.kernelLog()
	p.offload(p.a, p.nameA)
	p.offload(p.b, p.nameB)
	return p
}

// add records a difference, or a note if a rule that applies allows it.
func (p *pair) add(f found, rule string) {
	if f.Values == nil {
		f.Values = map[string]string{p.nameA: f.show(p.a), p.nameB: f.show(p.b)}
	}
	f.Rule = rule
	if rule == "" || !p.applies(rule) {
		p.differences = append(p.differences, f)
		return
	}
	p.notes = append(p.notes, f)
}

func (c *comparison) applies(rule string) bool { return !slices.Contains(c.strict, rule) }

// packet compares the ways of the packet at n.
func (p *pair) packet(n int) {
	h := ParseHeaders(p.trace.Packets[n].Frame)
	p.ctState(n, h, false)
	p.ctState(n, h, true)
	p.looped(n, h)
	p.recirculations(n, h)
	p.outputs(n, h)
}

func (p *pair) ctState(n int, h Headers, witness bool) {
	a, b := way(p.a, n, witness), way(p.b, n, witness)
	for _, both := range align(a, b) {
		x, y := a[both[0]], b[both[1]]
		f := found{
			Difference: Difference{Kind: CTState, Packet: n, Recirc: x.Recirc, Step: both[0], Subject: "bits", Witness: witness},
			class:      h.Class(),
		}
		f.Values = map[string]string{p.nameA: bitsText(x.CTState, witness), p.nameB: bitsText(y.CTState, witness)}
		f.show = func(o replay.Observation) string { return stepText(o, n, both[0], witness) }
		known := x.CTState.Mask & y.CTState.Mask
		differ := (x.CTState.Value ^ y.CTState.Value) & known
		switch {
		case differ != 0:
			was := replay.CTState{Value: x.CTState.Value & differ, Mask: differ}
			is := replay.CTState{Value: y.CTState.Value & differ, Mask: differ}
			f.token = is.String()
			f.Text = fmt.Sprintf("packet %d is %s in %s but %s in %s at recirculation %d%s", n, was, p.nameA, is, p.nameB, both[0], inWitness(witness))
			p.add(f, "")
		case x.CTState.Mask != y.CTState.Mask && !p.applies(RuleCTMask):
			f.Subject, f.token = "mask", "mask"
			f.Text = fmt.Sprintf("packet %d meets flows with other ct_state masks at recirculation %d%s", n, both[0], inWitness(witness))
			p.add(f, RuleCTMask)
		case x.Upcall != y.Upcall && !witness:
			p.upcall(n, both[0], x, y, h)
		}
	}
}

func (p *pair) upcall(n, step int, x, y replay.Step, h Headers) {
	who := p.nameA
	if y.Upcall {
		who = p.nameB
	}
	p.add(found{
		Difference: Difference{
			Kind: Flows, Packet: n, Recirc: x.Recirc, Step: step, Subject: "upcall",
			Text: fmt.Sprintf("packet %d takes an upcall at recirculation %d in %s only", n, step, who),
		},
		token: "upcall", class: h.Class(),
		show: func(o replay.Observation) string {
			steps := way(o, n, false)
			if step < len(steps) && steps[step].Upcall {
				return "upcall"
			}
			return "flow"
		},
	}, RuleUpcall)
}

func inWitness(witness bool) string {
	if witness {
		return " (witness)"
	}
	return ""
}

func way(o replay.Observation, n int, witness bool) []replay.Step {
	if n >= len(o.Packets) {
		return nil
	}
	if witness {
		return o.Packets[n].Witness
	}
	return o.Packets[n].Steps
}

func bitsText(s replay.CTState, witness bool) string {
	text := s.String()
	if text == "" {
		text = "not looked at"
	}
	return text + inWitness(witness)
}

func stepText(o replay.Observation, n, step int, witness bool) string {
	steps := way(o, n, witness)
	if step >= len(steps) {
		return "not reached" + inWitness(witness)
	}
	return bitsText(steps[step].CTState, witness)
}

// align returns the places in a and b of the steps that are to be compared.
//
// Recirculations are numbered on each bridge by the order of arrival, so that
// after a divergence one number may mean another thing on either: ways of one
// length are aligned by place. Where one is shorter, and its numbers are all
// found on the other in order, the steps between were not seen (see
// [RuleUnseenUpcall]), and the numbers align.
func align(a, b []replay.Step) [][2]int {
	if len(a) != len(b) {
		if pairs, ok := alignNumbers(a, b); ok {
			return pairs
		}
	}
	pairs := make([][2]int, 0, len(a))
	for i := range min(len(a), len(b)) {
		pairs = append(pairs, [2]int{i, i})
	}
	return pairs
}

func alignNumbers(a, b []replay.Step) (pairs [][2]int, ok bool) {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i].Recirc == b[j].Recirc:
			pairs = append(pairs, [2]int{i, j})
			i, j = i+1, j+1
		case len(a) > len(b):
			i++
		default:
			j++
		}
	}
	return pairs, len(pairs) == min(len(a), len(b))
}

func (p *pair) looped(n int, h Headers) {
	a, b := p.a.Packets[n], p.b.Packets[n]
	if a.Looped == b.Looped {
		return
	}
	who, token := p.nameA, "not-looped"
	if b.Looped {
		who, token = p.nameB, "looped"
	}
	p.add(found{
		Difference: Difference{
			Kind: VerdictKind, Packet: n, Recirc: -1, Step: -1, Subject: "looped",
			Text: fmt.Sprintf("packet %d goes round in %s until the limit of recirculations ends it", n, who),
		},
		token: token, class: h.Class(),
		show: func(o replay.Observation) string {
			if n < len(o.Packets) && o.Packets[n].Looped {
				return "loops"
			}
			return "does not loop"
		},
	}, "")
}

// recirculations compares how far the packet got.
func (p *pair) recirculations(n int, h Headers) {
	a, b := p.a.Packets[n], p.b.Packets[n]
	if a.Looped || b.Looped || len(a.Steps) == len(b.Steps) {
		return
	}
	token := "fewer-recirculations"
	if len(b.Steps) > len(a.Steps) {
		token = "more-recirculations"
	}
	p.add(found{
		Difference: Difference{
			Kind: VerdictKind, Packet: n, Recirc: -1, Step: -1, Subject: "recirculations",
			Text: fmt.Sprintf("packet %d meets %s in %s but %s in %s", n, countText(len(a.Steps)), p.nameA, countText(len(b.Steps)), p.nameB),
		},
		token: token, class: h.Class(),
		show: func(o replay.Observation) string { return countText(len(way(o, n, false))) },
	}, p.shorterExcuse(n, h))
}

// shorterExcuse returns the rule that allows one way to be shorter.
func (p *pair) shorterExcuse(n int, h Headers) string {
	a, b := p.a.Packets[n], p.b.Packets[n]
	short, long, bridge := a, b, p.a
	if len(a.Steps) > len(b.Steps) {
		short, long, bridge = b, a, p.b
	}
	silent := len(a.Outputs) == 0 && len(b.Outputs) == 0
	switch {
	case h.Frag && silent && len(short.Steps) == 0:
		return RuleFragmentQueued
	case slices.ContainsFunc(short.Steps, func(s replay.Step) bool { return s.Upcall }), leftTC(short, bridge):
		return RuleUnseenUpcall
	case silent && len(long.Steps)-len(short.Steps) == 1:
		return RuleUncountedDrop
	}
	return ""
}

// leftTC reports whether a packet was last seen in the kernel datapath of a
// bridge that has flows in TC: it does not come back to those.
func leftTC(w replay.PacketWay, o replay.Observation) bool {
	return len(w.Steps) > 0 && w.Steps[len(w.Steps)-1].DP == "ovs" &&
		slices.ContainsFunc(o.Flows, func(f replay.Flow) bool { return f.DP == "tc" })
}

func countText(n int) string {
	if n == 1 {
		return "1 flow"
	}
	return fmt.Sprintf("%d flows", n)
}
