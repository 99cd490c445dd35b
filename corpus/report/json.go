package report

import (
	"encoding/json"
	"io"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// JSONVersion is the version of the form that [JSON] has. A field may be added
// in one version; another meaning or a missing field needs the next.
const JSONVersion = 1

// Run says what was replayed, and how.
type Run struct {
	// Trace is the trace's hash.
	Trace string `json:"trace"`
	// Profile is the name of the kernel and Open vSwitch, Level the
	// isolation, Repeat the number of replays.
	Profile string       `json:"profile"`
	Level   replay.Level `json:"level"`
	Repeat  int          `json:"repeat"`
}

// JSON is the form for programs: one object for each trace.
type JSON struct {
	Version int `json:"version"`
	Run
	Verdict     oracle.Outcome       `json:"verdict"`
	Signature   string               `json:"signature"`
	Reason      string               `json:"reason"`
	Outlier     string               `json:"outlier,omitempty"`
	Runs        int                  `json:"runs,omitempty"`
	Diverged    int                  `json:"diverged,omitempty"`
	Suspect     string               `json:"suspect,omitempty"`
	Reliability float64              `json:"reliability,omitempty"`
	Differences []oracle.Difference  `json:"differences"`
	Notes       []oracle.Difference  `json:"notes"`
	Bridges     []replay.Observation `json:"bridges"`
}

// NewJSON returns the JSON form of a verdict and what it rests on. A list that
// is empty is so in JSON too, never null.
func NewJSON(run Run, v oracle.Verdict, obs []replay.Observation) JSON {
	return JSON{
		Version: JSONVersion, Run: run,
		Verdict: v.Outcome, Signature: v.Signature, Reason: v.Reason, Outlier: v.Outlier,
		Runs: v.Runs, Diverged: v.Diverged, Suspect: v.Suspect, Reliability: v.Reliability,
		Differences: list(v.Differences), Notes: list(v.Notes), Bridges: bridges(obs),
	}
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func bridges(obs []replay.Observation) []replay.Observation {
	out := make([]replay.Observation, len(obs))
	for i, o := range obs {
		o.Flows, o.Conntrack = list(o.Flows), list(o.Conntrack)
		ways := make([]replay.PacketWay, len(o.Packets))
		for n, w := range o.Packets {
			w.Steps, w.Witness, w.Outputs = list(w.Steps), list(w.Witness), list(w.Outputs)
			ways[n] = w
		}
		o.Packets = ways
		out[i] = o
	}
	return out
}

// Write writes j as one line.
func (j JSON) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // a tuple is "src > dst"
	return enc.Encode(j)
}
