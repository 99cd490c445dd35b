package corpus

import (
	"fmt"
	"time"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// Version is the version of the written form of campaigns and findings. A field
// may be added in one version; another meaning or a missing field needs the
// next.
const Version = 1

// Status says what is thought of a signature.
type Status string

// The statuses.
const (
	// New is confirmed, and no known issue.
	New Status = "new"
	// Known is confirmed, and a known issue.
	Known Status = "known"
	// Inconclusive was seen, and not confirmed.
	Inconclusive Status = "inconclusive"
)

// Bridge says what one of the compared bridges was.
type Bridge struct {
	// Name is the bridge's name, such as "tc"; Kernel and OVS are versions,
	// such as "5.10.223" and "2.15.0", empty where not known yet.
	Name   string `json:"name"`
	Kernel string `json:"kernel"`
	OVS    string `json:"ovs"`
}

// Hint is a section about where to look for the cause.
type Hint struct {
	// Title is a line, such as "ofproto/trace on tc".
	Title string `json:"title"`
	// Text is printed as it is, with its line breaks.
	Text string `json:"text"`
}

// Reduction says how the reduction of a trace ended.
type Reduction struct {
	// Packets and Rules are those that are left, of those there were.
	// [Writer.Record] sets these four from the traces.
	Packets   int `json:"packets"`
	OfPackets int `json:"of_packets"`
	Rules     int `json:"rules"`
	OfRules   int `json:"of_rules"`
	// Minimal says that nothing more can be left out or made plainer: see
	// package reduce. Steps is the number of candidates replayed.
	Minimal bool `json:"minimal"`
	Steps   int  `json:"steps"`
	// Note says what else there is to say, such as why it was given up.
	Note string `json:"note,omitempty"`
}

// A Finding is a counterexample as it is kept.
type Finding struct {
	// Signature names what diverged: see [oracle.Compare]. Of an
	// inconclusive finding it is what the screening saw.
	Signature string `json:"signature"`
	Status    Status `json:"status"`
	// Reason is, of a known issue, what it is, and of an inconclusive one why
	// it is so, in a line. Link is where to read of a known issue.
	Reason string `json:"reason,omitempty"`
	Link   string `json:"link,omitempty"`
	// Found is when it was found, and Seconds how long the campaign had run
	// by then; see [Writer.Seconds].
	Found   time.Time `json:"found"`
	Seconds float64   `json:"after_s"`
	// Profile is the name of the kernel and Open vSwitch, such as
	// "debian-11"; names separated by commas, one for each bridge, where they
	// differ; empty for the user's own.
	Profile string   `json:"profile"`
	Bridges []Bridge `json:"bridges"`
	// Ctdiff is the version of ctdiff.
	Ctdiff string `json:"ctdiff"`
	// Level is that at which it was confirmed.
	Level     replay.Level   `json:"level"`
	Verdict   oracle.Verdict `json:"verdict"`
	Reduction Reduction      `json:"reduction"`

	// What follows is in files of its own, and not read by [Read]: see
	// [ReadFinding].

	// Trace is the reduced trace, and Observations what each bridge made of
	// it, the reference first. Original is the trace as it was found.
	Trace        replay.Trace         `json:"-"`
	Observations []replay.Observation `json:"-"`
	Original     replay.Trace         `json:"-"`
	Hints        []Hint               `json:"-"`

	// Dir is the directory that it was read from, and Count how often its
	// signature was met, as far as is known. Neither is written.
	Dir   string `json:"-"`
	Count uint64 `json:"-"`
}

// check finds what is wrong with what stands in finding.json.
func (f Finding) check() error {
	if err := (key{f.Signature, f.Status}).check(); err != nil {
		return err
	}
	if err := checkSeconds(f.Seconds); err != nil {
		return err
	}
	if n := len(f.Bridges); n < 2 || n > maxBridges {
		return fmt.Errorf("%d bridges: not 2 to %d", n, maxBridges)
	}
	if n := len(f.Hints); n > maxHints {
		return fmt.Errorf("%d hints: more than %d", n, maxHints)
	}
	r := f.Reduction
	for _, n := range []int{r.Packets, r.OfPackets, r.Rules, r.OfRules} {
		if n < 0 || n > max(replay.MaxPackets, replay.MaxRules) {
			return fmt.Errorf("a trace of %d packets or rules", n)
		}
	}
	if r.Steps < 0 {
		return fmt.Errorf("%d steps", r.Steps)
	}
	return nil
}

// checkObservations finds what does not fit the rest of a finding.
func (f Finding) checkObservations() error {
	if len(f.Observations) != len(f.Bridges) {
		return fmt.Errorf("%d observations of %d bridges", len(f.Observations), len(f.Bridges))
	}
	for i, o := range f.Observations {
		if o.Bridge != f.Bridges[i].Name {
			return fmt.Errorf("observation %d is of bridge %q, not of %q", i, o.Bridge, f.Bridges[i].Name)
		}
		if len(o.Packets) > len(f.Trace.Packets) {
			return fmt.Errorf("bridge %s has %d packets, the trace %d", o.Bridge, len(o.Packets), len(f.Trace.Packets))
		}
	}
	return nil
}
