package corpus

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/ctdiff/ctdiff/replay/tracefile"
)

// The files of a campaign.
const (
	campaignFile    = "campaign.json"
	findingsDir     = "findings"
	inconclusiveDir = "inconclusive"
	journalPrefix   = "journal-"
	journalSuffix   = ".jsonl"
)

// The files of a finding. hints is there only if there are some.
const (
	findingFile      = "finding.json"
	observationsFile = "observations.json"
	traceFile        = "trace.pcapng"
	originalFile     = "original.pcapng"
	hintsFile        = "hints.json"
)

// campaignForm is what campaign.json has.
type campaignForm struct {
	Version int `json:"version"`
	Settings
}

// findingForm is what finding.json has.
type findingForm struct {
	Version int `json:"version"`
	Finding
	// The hashes of the traces.
	Trace    string `json:"trace"`
	Original string `json:"original"`
}

// Record keeps a finding, and returns its directory. If there is one with its
// signature already, that one stays. An occurrence is counted by [Writer.Seen],
// not by this.
//
// Record sets Found and Seconds if they are zero, Bridges from the observations,
// Profile and Ctdiff from the campaign if they are empty, and the sizes in
// Reduction.
func (w *Writer) Record(f Finding) (dir string, err error) {
	if f.Found.IsZero() {
		f.Found, f.Seconds = time.Now().UTC(), w.Seconds()
	}
	if f.Profile == "" {
		f.Profile = w.Settings.Profile
	}
	if f.Ctdiff == "" {
		f.Ctdiff = w.Settings.Ctdiff
	}
	place := placeOf(f.Signature, f.Status)
	dir = filepath.Join(w.dir, place)
	files, err := f.files()
	if err == nil {
		err = writeDir(filepath.Dir(dir), filepath.Base(dir), files)
	}
	if err != nil {
		return "", fmt.Errorf("keeping finding %s: %w", f.Signature, err)
	}
	return dir, nil
}

// files returns the files of a finding.
func (f Finding) files() (map[string][]byte, error) {
	f.Bridges = nil
	for _, o := range f.Observations {
		f.Bridges = append(f.Bridges, Bridge{o.Bridge, o.Kernel, o.OVS})
	}
	r := &f.Reduction
	r.Packets, r.OfPackets = len(f.Trace.Packets), len(f.Original.Packets)
	r.Rules, r.OfRules = len(f.Trace.Pipeline), len(f.Original.Pipeline)
	if err := f.check(); err != nil {
		return nil, err
	}
	var trace, original bytes.Buffer
	if err := tracefile.Encode(&trace, f.Trace); err != nil {
		return nil, err
	}
	if err := tracefile.Encode(&original, f.Original); err != nil {
		return nil, fmt.Errorf("original: %w", err)
	}
	files := map[string][]byte{traceFile: trace.Bytes(), originalFile: original.Bytes()}
	values := map[string]any{
		findingFile:      findingForm{Version, f, tracefile.Hash(f.Trace), tracefile.Hash(f.Original)},
		observationsFile: f.Observations,
	}
	if len(f.Hints) > 0 {
		values[hintsFile] = f.Hints
	}
	for name, value := range values {
		text, err := marshal(value)
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	return files, nil
}

// placeOf returns where in a campaign's directory a finding is.
func placeOf(signature string, status Status) string {
	if status == Inconclusive {
		return filepath.Join(inconclusiveDir, nameOf(signature))
	}
	return filepath.Join(findingsDir, nameOf(signature))
}

// longestName bounds the readable part of a finding's name.
const longestName = 80

// nameOf returns the name of a finding's directory: the signature in characters
// that need no quoting, and eight digits of its SHA-256.
func nameOf(signature string) string {
	const plain = "abcdefghijklmnopqrstuvwxyz0123456789_+"
	words := strings.FieldsFunc(strings.ToLower(signature), func(r rune) bool { return !strings.ContainsRune(plain, r) })
	name := strings.Join(words, "-")
	sum := sha256.Sum256([]byte(signature))
	return strings.TrimLeft(fmt.Sprintf("%.*s-%x", longestName, name, sum[:4]), "-+")
}

// marshal returns v for people to read, in JSON.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // a tuple is "src > dst"
	enc.SetIndent("", "\t")
	err := enc.Encode(v)
	return b.Bytes(), err
}
