package corpus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

// The directories of what waits to be examined, and of what came of it.
const (
	suspectsDir = "suspects"
	settledDir  = "settled"
	suspectFile = "suspect.json"
)

// A Suspect is a trace at which the screening saw bridges differ. The workers of a
// campaign leave it to be examined, and go on.
type Suspect struct {
	// Signature is what the screening saw.
	Signature string `json:"signature"`
	// Seconds is when: see [Writer.Seconds]. [Writer.Suspect] sets it.
	Seconds float64 `json:"after_s"`
	// Trace is as it was found.
	Trace replay.Trace `json:"-"`
}

// Settled is what came of the suspects of a signature.
type Settled struct {
	// Signature and Status are those of the finding.
	Signature string `json:"signature"`
	Status    Status `json:"status"`
	// Examined is the number of suspects that were examined.
	Examined int `json:"examined"`
}

// Suspect leaves a suspect to be examined, unless one of its signature waits
// already.
func (w *Writer) Suspect(s Suspect) error {
	s.Seconds = w.Seconds()
	var trace bytes.Buffer
	if err := tracefile.Encode(&trace, s.Trace); err != nil {
		return err
	}
	text, err := marshal(s)
	if err == nil {
		err = os.MkdirAll(filepath.Join(w.dir, suspectsDir), 0o777)
	}
	if err == nil {
		err = writeDir(filepath.Join(w.dir, suspectsDir), nameOf(s.Signature), map[string][]byte{suspectFile: text, traceFile: trace.Bytes()})
	}
	if err != nil {
		return fmt.Errorf("keeping suspect %s: %w", s.Signature, err)
	}
	return nil
}

// Suspects returns those that wait to be examined. One that cannot be read is
// removed.
func (w *Writer) Suspects() ([]Suspect, error) {
	names, err := filepath.Glob(filepath.Join(w.dir, suspectsDir, "[^.]*"))
	if err != nil {
		return nil, err
	}
	var list []Suspect
	for _, dir := range names {
		var s Suspect
		text, err := os.ReadFile(filepath.Join(dir, suspectFile))
		if err == nil {
			err = json.Unmarshal(text, &s)
		}
		if err == nil {
			s.Trace, err = tracefile.ReadFile(filepath.Join(dir, traceFile), tracefile.ImportOptions{})
		}
		if err != nil || nameOf(s.Signature) != filepath.Base(dir) {
			if err := os.RemoveAll(dir); err != nil {
				return list, fmt.Errorf("suspects: %w", err)
			}
			continue
		}
		list = append(list, s)
	}
	return list, nil
}

// Settle says what came of a suspect: it waits no longer.
func (w *Writer) Settle(s Suspect, what Settled) error {
	before, _ := w.Settled(s.Signature)
	what.Examined = before.Examined + 1
	text, err := marshal(what)
	if err == nil {
		err = os.MkdirAll(filepath.Join(w.dir, settledDir), 0o777)
	}
	if err == nil {
		err = WriteFile(filepath.Join(w.dir, settledDir, nameOf(s.Signature)+".json"), text)
	}
	if err == nil {
		err = os.RemoveAll(filepath.Join(w.dir, suspectsDir, nameOf(s.Signature)))
	}
	if err != nil {
		return fmt.Errorf("settling %s: %w", s.Signature, err)
	}
	return nil
}

// Settled returns what came of the suspects of a signature; ok is false if none was
// examined yet.
func (w *Writer) Settled(signature string) (s Settled, ok bool) {
	text, err := os.ReadFile(filepath.Join(w.dir, settledDir, nameOf(signature)+".json"))
	if err != nil {
		return s, false
	}
	return s, json.Unmarshal(text, &s) == nil
}

// Waiting reports whether a suspect of a signature waits to be examined.
func (w *Writer) Waiting(signature string) bool {
	_, err := os.Stat(filepath.Join(w.dir, suspectsDir, nameOf(signature)))
	return err == nil
}
