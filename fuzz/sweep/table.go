package sweep

import (
	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// A Class is cases of which every bridge makes the same.
type Class struct {
	// Cases are in order, and all with a connection or all without.
	Cases []Case
	// Ways has what each bridge makes of them, in the order of
	// [Table.Bridges]. It is empty if they showed something else each time.
	Ways []Way
	// Outcome is [oracle.Diverge] if bridges differ in what they may not. Until
	// [Table.Confirm] has been called, that is a suspicion.
	Outcome oracle.Outcome
	// Signature names what diverges, or seems to.
	Signature string
	// Reason says why the outcome is [oracle.Inconclusive].
	Reason string
	// Known says that the divergence is a known issue. Note has that issue's
	// reason, or why it is none though one is about the signature, and Link
	// where to read more.
	Known      bool
	Note, Link string
	// Alone are the cases that were replayed alone: "135/0", or "135/1 after
	// an echo" if it took that for a difference.
	Alone []string
}

// Connected reports whether the cases are with a connection.
func (c Class) Connected() bool { return c.Cases[0].Connected }

// A Table is what came of a sweep.
type Table struct {
	// Profile names what the bridges run on; for the one who writes the table.
	Profile string
	// Bridges are those that were compared, the reference first.
	Bridges []corpus.Bridge
	// Classes are in the order of their first case.
	Classes []Class
	// Packets is the number of packets that each bridge was given in Seconds.
	// Each went through it twice: by the rules as given, and by a copy of them
	// that shows its ct_state.
	Packets int
	Seconds float64
	// Cold is the number of replays of many cases that were not at the level
	// asked for.
	Cold int
	// Notes says what else came up, such as lines of the kernels' logs.
	Notes []string

	pipeline replay.Pipeline
	cases    []Case
	class    []int // of each case
}

// observations has names and versions of the bridges.
func (t *Table) observations() []replay.Observation {
	list := make([]replay.Observation, len(t.Bridges))
	for i, b := range t.Bridges {
		list[i] = replay.Observation{Bridge: b.Name, Kernel: b.Kernel, OVS: b.OVS}
	}
	return list
}

// rate is packets a second.
func (t *Table) rate() float64 { return float64(t.Packets) / max(t.Seconds, 1e-9) }

// labels returns a name for each bridge that no other has.
func (t *Table) labels() []string { return oracle.Labels(t.observations()) }

// VerdictKnown is the verdict on a divergence that is a known issue.
const VerdictKnown = string(corpus.Known)

// Verdict returns the outcome in a word: [VerdictKnown] for a divergence that is
// known.
func (c Class) Verdict() string {
	if c.Outcome == oracle.Diverge && c.Known {
		return VerdictKnown
	}
	return string(c.Outcome)
}
