package corpus

import (
	"time"

	"github.com/ctdiff/ctdiff/replay"
)

// Settings say what a campaign runs. They do not change while it lasts.
type Settings struct {
	// Profile, Bridges, Ctdiff are as in [Finding]. The first bridge is the
	// reference.
	Profile string   `json:"profile"`
	Bridges []Bridge `json:"bridges"`
	Ctdiff  string   `json:"ctdiff"`
	// Level is that of the screening.
	Level    replay.Level    `json:"level"`
	Pipeline replay.Pipeline `json:"pipeline"`
	Started  time.Time       `json:"started"`
	// Options has what else was chosen, by name: "parallel" → "2".
	Options map[string]string `json:"options,omitempty"`
}

// A Sample is how far a process has come since it opened the campaign, or, in a
// [Campaign], how far all have.
type Sample struct {
	// Seconds is the time that the campaign has run: see [Writer.Seconds].
	// [Writer.Sample] sets it.
	Seconds float64 `json:"s"`
	// Traces is the number of traces replayed so far, and Restarts that of
	// guests started anew. In a campaign they are the sums of all processes.
	Traces   uint64 `json:"traces"`
	Restarts uint64 `json:"restarts"`
	// Coverage is the number of different places in the kernels that were
	// reached so far; 0 if it is not measured. In a campaign it is the
	// largest of all processes, since places that two have in common are
	// not known.
	Coverage uint64 `json:"coverage"`
}

// A Signature is what a campaign knows of one. The same signature is there
// twice if it was confirmed and also seen inconclusive.
type Signature struct {
	Signature string `json:"signature"`
	Status    Status `json:"status"`
	// Count is how often it was seen, FirstSeen after how many seconds of the
	// campaign.
	Count     uint64  `json:"count"`
	FirstSeen float64 `json:"first_seen_s"`
	// Trace is the path of its finding's reduced trace; empty if none was
	// kept.
	Trace string `json:"trace"`
}

// A Campaign is what was read of a directory: see [Read].
type Campaign struct {
	// Dir is the directory.
	Dir string
	// Settings are the zero value if the directory is no campaign's, but has
	// findings only.
	Settings Settings
	// Samples are ordered by time.
	Samples []Sample
	// Signatures are ordered: new, known, inconclusive, and each by when it
	// was first seen.
	Signatures []Signature
	// Findings are ordered as Signatures are, and without what stands in
	// files of its own.
	Findings []Finding
	// Sweep is the sweep that was kept in the directory; nil if none was.
	Sweep *Sweep
	// Faults says what could not be read: each an [*InputError], or an error
	// of the operating system.
	Faults []error
}

// Last is how far the campaign has come; zero if nothing is known of it.
func (c Campaign) Last() Sample {
	if len(c.Samples) == 0 {
		return Sample{}
	}
	return c.Samples[len(c.Samples)-1]
}

// Seconds is the time that the campaign has run.
func (c Campaign) Seconds() float64 {
	last := c.Last().Seconds
	for _, s := range c.Signatures {
		last = max(last, s.FirstSeen)
	}
	return last
}
