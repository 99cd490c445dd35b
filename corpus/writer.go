package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A Writer adds to a campaign. Its methods may be called at once.
type Writer struct {
	// Settings are those of the campaign.
	Settings Settings

	dir    string
	base   float64 // seconds that the campaign had run
	opened time.Time

	mu      sync.Mutex
	journal *os.File
	size    int64 // of its whole lines
	synced  time.Time
	counts  map[key]*tally
}

// A tally is of the occurrences of a signature that are not in the journal yet.
type tally struct {
	count   uint64
	written time.Time
}

// Create makes a directory that of a campaign, and opens it. If it is one
// already, errors.Is(err, fs.ErrExist) holds. If s has no time of start, that
// is now.
func Create(dir string, s Settings) (*Writer, error) {
	if s.Started.IsZero() {
		s.Started = time.Now().UTC()
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("campaign: %w", err)
	}
	text, err := marshal(campaignForm{Version, s})
	if err == nil {
		err = createFile(filepath.Join(dir, campaignFile), text)
	}
	if err != nil {
		return nil, fmt.Errorf("campaign %s: %w", dir, err)
	}
	return Open(dir)
}

// Open opens a campaign to go on with it, from another process or at another
// time. A directory that is none is an [*InputError].
func Open(dir string) (*Writer, error) {
	r, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	defer r.close()
	w := &Writer{dir: dir, opened: time.Now(), counts: map[key]*tally{}}
	if w.Settings, err = r.settings(); err != nil {
		return nil, err
	}
	w.base = r.journals().seconds
	for _, sub := range []string{findingsDir, inconclusiveDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			return nil, fmt.Errorf("campaign: %w", err)
		}
	}
	name := fmt.Sprintf("%s%d-%08x%s", journalPrefix, os.Getpid(), rand.Uint32(), journalSuffix)
	w.journal, err = os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o666)
	if err != nil {
		return nil, fmt.Errorf("campaign: %w", err)
	}
	err = w.append(event{Start: &start{Version, os.Getpid(), w.opened.UTC(), w.base}})
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		w.journal.Close()
		return nil, fmt.Errorf("campaign: %w", err)
	}
	return w, nil
}

// Seconds is the time that the campaign has run: that which the journals knew of
// when w was opened, and the time since then. Time in which no process has it
// open does not count.
func (w *Writer) Seconds() float64 {
	// Milliseconds: more would be noise in the files.
	return math.Round((w.base+time.Since(w.opened).Seconds())*1000) / 1000
}

// Sample writes how far this process has come. It is called every few seconds:
// the time that the campaign has run is known from it.
func (w *Writer) Sample(s Sample) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Seconds = w.Seconds()
	if err := w.append(event{Sample: &s}); err != nil {
		return err
	}
	return w.flush(0)
}

// tallied is the time within which occurrences of one signature are added up:
// on a kernel with a bug, nearly every trace may meet it.
const tallied = time.Second

// Seen counts n occurrences of a signature. The first is in the journal when
// Seen returns, those that follow it within a second by the next call of any
// method: a process that is killed loses no more than these.
func (w *Writer) Seen(signature string, status Status, n uint64) error {
	k := key{signature, status}
	if err := k.check(); err != nil {
		return fmt.Errorf("counting a signature: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts[k] == nil {
		w.counts[k] = &tally{}
	}
	w.counts[k].count += n
	return w.flush(tallied)
}

// SeenAt counts one occurrence at a time of the campaign's.
func (w *Writer) SeenAt(seconds float64, signature string, status Status) error {
	k := key{signature, status}
	if err := k.check(); err != nil {
		return fmt.Errorf("counting a signature: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.append(event{Seen: &seen{seconds, k, 1}})
}

// flush writes the occurrences of each signature of which nothing was written
// for a time.
func (w *Writer) flush(after time.Duration) error {
	for k, t := range w.counts {
		if t.count == 0 || time.Since(t.written) < after {
			continue
		}
		if err := w.append(event{Seen: &seen{w.Seconds(), k, t.count}}); err != nil {
			return err
		}
		t.count, t.written = 0, time.Now()
	}
	return nil
}

// append writes a line in one piece, and once a second sees to it that all are
// on the disk: what is written outlives the process anyway, and only the
// machine's end needs more.
func (w *Writer) append(e event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if _, err := w.journal.Write(line); err != nil {
		// Part of a line must not spoil the next one.
		return errors.Join(err, w.journal.Truncate(w.size))
	}
	w.size += int64(len(line))
	if time.Since(w.synced) < time.Second {
		return nil
	}
	w.synced = time.Now()
	return w.journal.Sync()
}

// Has reports whether a finding with a signature is kept. Confirmed and
// inconclusive findings are kept apart: new and known are the same here.
func (w *Writer) Has(signature string, status Status) bool {
	_, err := os.Stat(filepath.Join(w.dir, placeOf(signature, status)))
	return err == nil
}

// Close writes what is counted and not written yet, and ends the journal.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(w.flush(0), w.journal.Sync(), w.journal.Close()); err != nil {
		return fmt.Errorf("campaign: %w", err)
	}
	return nil
}
