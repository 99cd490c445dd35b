package oracle

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ctdiff/ctdiff/replay"
)

// Outcome is the verdict in one word.
type Outcome string

// The outcomes.
const (
	// Agree says that all bridges did the same.
	Agree Outcome = "agree"
	// Diverge says that they did not.
	Diverge Outcome = "diverge"
	// Inconclusive says that the observations do not allow either.
	Inconclusive Outcome = "inconclusive"
)

// Kind is a kind of difference.
type Kind string

// The kinds of difference.
const (
	// Crash is the death of a bridge's kernel or ovs-vswitchd.
	Crash Kind = "crash"
	// CTState is a ct_state bit that a packet had on one bridge and not on
	// another.
	CTState Kind = "ct_state"
	// VerdictKind is a difference in what became of a packet: ports, copies,
	// bytes, the number of recirculations.
	VerdictKind Kind = "verdict"
	// Conntrack is a difference between connection tables.
	Conntrack Kind = "conntrack"
	// Flows is a difference between datapath flows.
	Flows Kind = "flows"
	// KernelLog is a message of the kernel that one bridge has alone.
	KernelLog Kind = "kernel_log"
	// Statistics is a difference between counters: a note, unless its rule is
	// strict.
	Statistics Kind = "statistics"
	// Offload says that a bridge has flows that TC did not take: a note,
	// unless its rule is strict.
	Offload Kind = "offload"
)

// kindOrder ranks the kinds: of several at one packet the first is the cause
// and the others follow from it.
var kindOrder = []Kind{Crash, CTState, VerdictKind, Conntrack, Flows, KernelLog, Statistics, Offload}

// Verdict is what a comparison came to.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	// Signature names what diverged; empty unless the outcome is [Diverge].
	// See [Compare] for its form.
	Signature string `json:"signature"`
	// Reason says why the outcome is [Inconclusive].
	Reason string `json:"reason,omitempty"`
	// Outlier is the bridge that differs from two others that agree.
	Outlier string `json:"outlier,omitempty"`
	// Differences has all differences in the order of packets, a packet's
	// by cause and effect: the first is of the packet and kind that made
	// the signature.
	Differences []Difference `json:"differences"`
	// Notes has what differs and is allowed to.
	Notes []Difference `json:"notes"`
	// Suspect is the signature that most runs diverged with, if the outcome
	// is [Inconclusive] and any did.
	Suspect string `json:"suspect,omitempty"`
	// Runs is the number of replays that [Confirm] looked at, and Diverged
	// that of those that diverged with Signature or Suspect.
	Runs     int `json:"runs,omitempty"`
	Diverged int `json:"diverged,omitempty"`
	// Reliability, between 0 and 1, is how likely one more replay is to
	// diverge like those: see [Confirm]. It is 0 if none did.
	Reliability float64 `json:"reliability,omitempty"`
}

// Difference is one thing that differs between bridges.
type Difference struct {
	Kind Kind `json:"kind"`
	// Packet is the packet's place in the trace, from 0; -1 if the
	// difference is not that of a packet.
	Packet int `json:"packet"`
	// Recirc is the recirculation at which the packet differs, as numbered
	// on the reference bridge (see [replay.Step]); -1 if none.
	Recirc int `json:"recirc"`
	// Step is the place of that recirculation in the packet's way; -1 if
	// none.
	Step int `json:"step"`
	// Subject is what differs: "bits" of ct_state; "ports", "bytes",
	// "recirculations" or "looped" of a verdict; a field of a conntrack
	// entry or flow.
	Subject string `json:"subject"`
	// Witness says that the witness copy of the pipeline shows it.
	Witness bool `json:"witness,omitempty"`
	// Values has what each bridge says, by the bridge's name.
	Values map[string]string `json:"values"`
	// Text says it in a sentence.
	Text string `json:"text"`
	// Rule is the ID of the rule that allows it. It is empty for a
	// difference that none allows; one that has it, and is no note, is a
	// difference because the rule was strict.
	Rule string `json:"rule,omitempty"`
}

// Compare compares what bridges made of t. The first observation is the
// reference; if there are three or more, and all but one agree, that one is
// the outlier. The rules named in strict are not applied; what they would have
// allowed makes the signature only where nothing else differs, so that being
// strict names no divergence anew.
//
// A signature is the same for two counterexamples that are likely to have one
// cause. It has no addresses, ids, counters, times or places in the trace, and
// is made from the first packet that differs:
//
//	signature = bridges "/" what
//	bridges   = reference "~" other
//	what      = "crash/" bridges that died "/" message
//	          | "ct_state/recirc" step "/" bits "/" class ["/looped"]
//	          | "verdict/" change "/" class
//	          | "conntrack/" change "/" protocol
//	          | "flows/" field
//	          | "kernel_log/" bridge "/" message
//	          | "statistics/" counters
//	          | "offload/" bridge "/" how
//
// The bits are those that differ, with the sign they have on the other bridge:
// "-inv-trk". They are the witness's if it differs at that packet, since it
// sees all bits whatever the pipeline looks at. The class is
// [Headers.Class].
func Compare(t replay.Trace, obs []replay.Observation, strict ...string) Verdict {
	if reason := incomparable(t, obs); reason != "" {
		return inconclusive("%s", reason)
	}
	c := comparison{trace: t, obs: obs, names: Labels(obs), strict: strict, seen: map[string]bool{}}
	v := Verdict{Outcome: Agree, Differences: []Difference{}, Notes: []Difference{}}
	var first []found
	agreeing := []int{0}
	var others []int
	for i := 1; i < len(obs); i++ {
		p := c.pair(0, i)
		c.merge(&v.Differences, p.differences)
		c.merge(&v.Notes, p.notes)
		if len(p.differences) == 0 {
			agreeing = append(agreeing, i)
			continue
		}
		others = append(others, i)
		if first == nil {
			first = p.differences
		}
	}
	if len(others) == 0 {
		return v
	}
	v.Outcome = Diverge
	a, b := 0, others[0]
	if outlier := c.outlier(agreeing, others); outlier >= 0 {
		v.Outlier = c.names[outlier]
		if outlier == 0 {
			// The reference is the odd one: name it second, as the
			// outlier always is, and read the bits that way round.
			a, b = others[0], 0
			first = c.pair(a, b).differences
		}
	}
	v.Signature = c.signature(a, b, first)
	sortDifferences(v.Differences)
	sortDifferences(v.Notes)
	return v
}

// inconclusive returns the verdict that has only a reason.
func inconclusive(format string, args ...any) Verdict {
	return Verdict{Outcome: Inconclusive, Reason: fmt.Sprintf(format, args...), Differences: []Difference{}, Notes: []Difference{}}
}

// incomparable says what keeps observations from being compared.
func incomparable(t replay.Trace, obs []replay.Observation) string {
	if len(obs) < 2 {
		return fmt.Sprintf("a comparison needs two bridges, not %d", len(obs))
	}
	for _, o := range obs {
		if o.Crash != "" {
			continue
		}
		if len(o.Packets) != len(t.Packets) {
			return fmt.Sprintf("bridge %s shows %d of the trace's %d packets", o.Bridge, len(o.Packets), len(t.Packets))
		}
		for i, p := range o.Packets {
			if p.Index != i {
				return fmt.Sprintf("bridge %s shows packet %d in the place of packet %d", o.Bridge, p.Index, i)
			}
		}
	}
	return ""
}

// Labels returns a name for each bridge that no other has, as the keys of
// [Difference.Values] have it: the bridge's own, with the kernel if two share it.
func Labels(obs []replay.Observation) []string {
	names := make([]string, len(obs))
	for i, o := range obs {
		name := o.Bridge
		for _, other := range obs {
			if other.Bridge == o.Bridge && other.Kernel != o.Kernel {
				name = o.Bridge + " " + o.Kernel
			}
		}
		base := name
		for n := 2; slices.Contains(names[:i], name); n++ {
			name = fmt.Sprintf("%s #%d", base, n)
		}
		names[i] = name
	}
	return names
}

// outlier returns the one bridge that the rest agree against; -1 if there is
// none.
func (c *comparison) outlier(agreeing, others []int) int {
	if len(c.obs) < 3 {
		return -1
	}
	if len(others) == 1 {
		return others[0]
	}
	if len(agreeing) > 1 {
		return -1
	}
	for _, i := range others[1:] {
		if len(c.pair(others[0], i).differences) > 0 {
			return -1
		}
	}
	return 0
}

// merge adds to list what is not in it yet, with the value of every bridge.
func (c *comparison) merge(list *[]Difference, more []found) {
	for _, f := range more {
		key := f.key()
		if c.seen[key] {
			continue
		}
		c.seen[key] = true
		for i, o := range c.obs {
			if _, ok := f.Values[c.names[i]]; !ok {
				f.Values[c.names[i]] = f.show(o)
			}
		}
		*list = append(*list, f.Difference)
	}
}

func sortDifferences(list []Difference) {
	slices.SortStableFunc(list, func(a, b Difference) int {
		return cmp.Or(causes(a, b), cmp.Compare(a.Step, b.Step))
	})
}

// causes orders differences by what explains what. Those that a strict rule
// makes are last.
func causes(a, b Difference) int {
	return cmp.Or(
		cmp.Compare(min(len(a.Rule), 1), min(len(b.Rule), 1)),
		cmp.Compare(place(a.Kind, a.Packet), place(b.Kind, b.Packet)),
		cmp.Compare(slices.Index(kindOrder, a.Kind), slices.Index(kindOrder, b.Kind)),
	)
}

// place orders differences by cause: a crash explains everything, a packet's
// difference what is found in the tables after it.
func place(k Kind, packet int) int {
	switch {
	case k == Crash:
		return -1
	case packet < 0:
		return replay.MaxPackets
	}
	return packet
}
