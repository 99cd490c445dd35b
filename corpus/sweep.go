package corpus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/oracle"
)

// sweepFile is what a sweep is kept in.
const sweepFile = "sweep.json"

// maxCases bounds a sweep: a case is a type and a code, with a connection or
// without. There are no more classes than cases.
const maxCases = 2 * 256 * 256

// A Sweep is what came of a sweep of types and codes, as docs/sweep.md describes
// it: the form that `ctdiff sweep --format json` writes, its version apart.
type Sweep struct {
	// Profile and Bridges are as in [Settings].
	Profile string   `json:"profile"`
	Bridges []Bridge `json:"bridges"`
	// Cases is their number, at most 131072.
	Cases int `json:"cases"`
	// Packets is the number of packets that each bridge was given in Seconds,
	// and PerSecond the one divided by the other.
	Packets   int     `json:"packets"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"packets_per_second"`
	// Cold is the number of replays that were not at the level asked for.
	Cold int `json:"cold"`
	// Notes says what else came up, in sentences.
	Notes []string `json:"notes"`
	// Classes are in the order of their first case.
	Classes []SweepClass `json:"classes"`
}

// A SweepClass is cases of which every bridge makes the same.
type SweepClass struct {
	// Class is its number, from 1.
	Class int `json:"class"`
	// Connection says that its cases are with a connection.
	Connection bool `json:"connection"`
	// Pairs is the number of cases, and Types are these: "128/1-255".
	Pairs int      `json:"pairs"`
	Types []string `json:"types"`
	// Verdict is one of [SweepVerdicts].
	Verdict string `json:"verdict"`
	// Signature names what diverges, or seemed to; empty if bridges agree.
	Signature string `json:"signature"`
	// Reason says why it is inconclusive. Note and Link tell of a known issue:
	// its reason, or why it is none, and where to read more.
	Reason string `json:"reason,omitempty"`
	Note   string `json:"note,omitempty"`
	Link   string `json:"link,omitempty"`
	// Alone are the cases that were replayed alone.
	Alone []string `json:"alone"`
	// Bridges has what each makes of the cases, in the order of
	// [Sweep.Bridges]; it is empty if that was something else each time.
	Bridges []SweepWay `json:"bridges"`
}

// A SweepWay is what one bridge makes of a case, in words and without addresses,
// ids and times.
type SweepWay struct {
	// Before has what became of the packets that make the connection.
	Before []string `json:"before,omitempty"`
	// Packets has what became of the packet, each time that it was sent:
	// "+inv+trk, dropped".
	Packets []string `json:"packets"`
	// Connections has what the case left in the connection table: "own
	// connection CONFIRMED".
	Connections []string `json:"connections"`
	// Crash has the last words of the bridge if it died.
	Crash string `json:"crash,omitempty"`
}

// String tells of the packet and of connections.
func (w SweepWay) String() string {
	if w.Crash != "" {
		return "crash"
	}
	text := w.Packets[0]
	if len(slices.Compact(slices.Clone(w.Packets))) > 1 {
		text = "first " + strings.Join(w.Packets, ", then ")
	}
	for _, c := range w.Connections {
		text += ", " + c
	}
	return text
}

// SweepVerdicts are the verdicts on a class: what package oracle says, and Known
// for a divergence that is a known issue.
var SweepVerdicts = []string{string(oracle.Agree), string(oracle.Diverge), string(Known), string(oracle.Inconclusive)}

// WriteSweep keeps a sweep in a directory, which is made if it is not there: the
// text is what `ctdiff sweep --format json` writes. An earlier sweep is replaced.
func WriteSweep(dir string, text []byte) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("keeping the sweep: %w", err)
	}
	if err := publish(filepath.Join(dir, sweepFile), text, os.Rename); err != nil {
		return fmt.Errorf("keeping the sweep in %s: %w", dir, err)
	}
	return nil
}

// sweep reads a sweep. It is whole or not there.
func (r reader) sweep() (*Sweep, error) {
	s := &Sweep{}
	if err := r.form(sweepFile, s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, r.bad(sweepFile, "", err)
	}
	for i, c := range s.Classes {
		if err := c.check(len(s.Bridges)); err != nil {
			return nil, r.bad(sweepFile, fmt.Sprintf("class %d", i+1), err)
		}
	}
	return s, nil
}

// check finds what is wrong with a sweep, classes apart.
func (s Sweep) check() error {
	switch {
	case len(s.Bridges) < 2 || len(s.Bridges) > maxBridges:
		return fmt.Errorf("%d bridges: not 2 to %d", len(s.Bridges), maxBridges)
	case s.Cases < 0 || s.Cases > maxCases:
		return fmt.Errorf("%d cases: not 0 to %d", s.Cases, maxCases)
	case len(s.Classes) > maxCases:
		return fmt.Errorf("%d classes: more than %d", len(s.Classes), maxCases)
	case s.Packets < 0 || s.Packets > maxCount:
		return fmt.Errorf("%d packets", s.Packets)
	}
	return checkSeconds(s.Seconds)
}

func (c SweepClass) check(bridges int) error {
	switch {
	case c.Pairs < 1 || c.Pairs > maxCases:
		return fmt.Errorf("%d pairs: not 1 to %d", c.Pairs, maxCases)
	case !slices.Contains(SweepVerdicts, c.Verdict):
		return fmt.Errorf("verdict %q: not one of %s", c.Verdict, strings.Join(SweepVerdicts, ", "))
	case len(c.Bridges) != 0 && len(c.Bridges) != bridges:
		return fmt.Errorf("what %d bridges did, of %d", len(c.Bridges), bridges)
	}
	if c.Signature != "" {
		if err := (key{c.Signature, New}).check(); err != nil {
			return err
		}
	}
	for _, w := range c.Bridges {
		if len(w.Packets) == 0 && w.Crash == "" {
			return errors.New("a bridge did nothing, and did not die")
		}
	}
	return nil
}
