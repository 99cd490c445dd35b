package corpus

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// An event is a line of a journal. One of its fields is set; start is the first
// line's.
type event struct {
	Start  *start  `json:"start,omitempty"`
	Sample *Sample `json:"sample,omitempty"`
	Seen   *seen   `json:"seen,omitempty"`
}

type start struct {
	Version int       `json:"version"`
	PID     int       `json:"pid"`
	Time    time.Time `json:"time"`
	Seconds float64   `json:"s"`
}

type seen struct {
	Seconds float64 `json:"s"`
	key
	Count uint64 `json:"count"`
}

// A key is what occurrences are counted by.
type key struct {
	Signature string `json:"signature"`
	Status    Status `json:"status"`
}

func (k key) check() error {
	switch {
	case k.Signature == "":
		return errors.New("no signature")
	case len(k.Signature) > maxSignature:
		return fmt.Errorf("signature of %d bytes: more than %d", len(k.Signature), maxSignature)
	case !utf8.ValidString(k.Signature) || strings.ContainsFunc(k.Signature, func(r rune) bool { return r < ' ' }):
		return fmt.Errorf("signature %q: not text", k.Signature)
	}
	switch k.Status {
	case New, Known, Inconclusive:
		return nil
	}
	return fmt.Errorf("status %q: not one of %s, %s, %s", k.Status, New, Known, Inconclusive)
}

// checkSeconds refuses what is no time since a campaign's start.
func checkSeconds(s float64) error {
	if !(s >= 0 && s <= maxSeconds) { // also NaN
		return fmt.Errorf("%g seconds: not 0 to %g", s, maxSeconds)
	}
	return nil
}

func (s Sample) check() error {
	if s.Traces > maxCount || s.Restarts > maxCount || s.Coverage > math.MaxInt32 {
		return errors.New("a count out of range")
	}
	return checkSeconds(s.Seconds)
}

func (s seen) check() error {
	if s.Count > maxCount {
		return errors.New("a count out of range")
	}
	if err := s.key.check(); err != nil {
		return err
	}
	return checkSeconds(s.Seconds)
}

// A history is what a campaign's journals have.
type history struct {
	samples [][]Sample // of each journal
	seen    []seen
	seconds float64 // the latest
	faults  []error
	names   map[string]bool
}

func isJournal(name string) bool {
	return strings.HasPrefix(name, journalPrefix) && strings.HasSuffix(name, journalSuffix)
}

// journals reads all journals.
func (r reader) journals() history {
	h := history{names: map[string]bool{}}
	entries, err := r.entries(".", 2*maxJournals)
	if err != nil {
		h.faults = append(h.faults, err)
	}
	left := int64(maxJournalBytes)
	for _, e := range entries {
		if !isJournal(e.Name()) {
			continue
		}
		if err := h.journal(r, e.Name(), &left); err != nil {
			h.faults = append(h.faults, err)
		}
	}
	return h
}

func (h *history) journal(r reader, name string, left *int64) error {
	f, size, err := r.open(name)
	if err != nil {
		return r.bad(name, "", err)
	}
	defer f.Close()
	if *left -= size; *left < 0 {
		return r.bad(name, "", fmt.Errorf("the journals have more than %d bytes: it is not read", maxJournalBytes))
	}
	place, err := h.lines(f)
	if err != nil {
		return r.bad(name, place, err)
	}
	return nil
}

// lines reads a journal. What follows its last line's end is of a writer that
// was killed. A line that is spoilt is passed over, and the first such is the
// error.
func (h *history) lines(f io.Reader) (place string, err error) {
	lines := bufio.NewReaderSize(f, maxLine)
	var samples []Sample
	for n := 1; ; n++ {
		line, readErr := lines.ReadSlice('\n')
		if errors.Is(readErr, io.EOF) {
			break
		}
		if readErr != nil {
			place, err = fmt.Sprintf("line %d", n), readErr
			if errors.Is(readErr, bufio.ErrBufferFull) {
				err = fmt.Errorf("longer than %d bytes", maxLine)
			}
			break
		}
		e, bad := h.event(line, n == 1)
		if bad != nil && err == nil {
			place, err = fmt.Sprintf("line %d", n), bad
		}
		if bad != nil && n == 1 {
			return place, err
		}
		if bad == nil && e.Sample != nil {
			samples = append(samples, *e.Sample)
		}
	}
	if len(samples) > 0 {
		h.samples = append(h.samples, samples)
	}
	return place, err
}

// event reads a line, of which a sample is left to the caller.
func (h *history) event(line []byte, first bool) (event, error) {
	var e event
	if err := json.Unmarshal(bytes.TrimSuffix(line, []byte("\n")), &e); err != nil {
		return e, err
	}
	switch {
	case first && e.Start == nil:
		return e, errors.New("not the start of a journal")
	case first && e.Start.Version != Version:
		return e, otherVersion(e.Start.Version)
	case first:
		return e, nil
	case e.Sample != nil:
		if err := e.Sample.check(); err != nil {
			return e, err
		}
		h.seconds = max(h.seconds, e.Sample.Seconds)
	case e.Seen != nil:
		if err := e.Seen.check(); err != nil {
			return e, err
		}
		if h.names[e.Seen.Signature] = true; len(h.names) > maxSignatures {
			return e, fmt.Errorf("more than %d signatures", maxSignatures)
		}
		h.seconds = max(h.seconds, e.Seen.Seconds)
		h.seen = append(h.seen, *e.Seen)
	}
	return e, nil
}

// merge adds up the samples of all processes as time goes by.
func merge(journals [][]Sample) []Sample {
	type from struct {
		journal int
		Sample
	}
	var all []from
	for j, list := range journals {
		for _, s := range list {
			all = append(all, from{j, s})
		}
	}
	slices.SortStableFunc(all, func(x, y from) int { return cmp.Compare(x.Seconds, y.Seconds) })
	latest := make([]Sample, len(journals))
	var sum Sample
	var out []Sample
	for _, s := range all {
		last := latest[s.journal]
		sum.Traces += s.Traces - last.Traces
		sum.Restarts += s.Restarts - last.Restarts
		sum.Coverage = max(sum.Coverage, s.Coverage)
		sum.Seconds = s.Seconds
		latest[s.journal] = s.Sample
		out = append(out, sum)
	}
	return out
}
