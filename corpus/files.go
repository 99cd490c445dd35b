package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

// Bounds of what is read: findings come from other teams.
const (
	maxFindings     = 100_000
	maxSignatures   = 100_000
	maxJournals     = 10_000
	maxJournalBytes = 256 << 20 // of all together
	maxLine         = 64 << 10
	maxFile         = 64 << 20
	maxSignature    = 1 << 10
	maxBridges      = 16
	maxHints        = 256
	maxSeconds      = 1e10 // three centuries
	maxCount        = 1 << 50
)

// An InputError says what is wrong with a file or directory that was read.
type InputError struct {
	// File is its path.
	File string
	// Place is where in it the fault is, such as "line 3"; empty if it is
	// nowhere in particular.
	Place string
	// Err is the reason.
	Err error
}

// Error implements error.
func (e *InputError) Error() string {
	if e.Place == "" {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.File, e.Place, e.Err)
}

// Unwrap returns the reason.
func (e *InputError) Unwrap() error { return e.Err }

// A reader reads the files of a directory, and none outside: [os.Root] does not
// follow a symbolic link out of it.
type reader struct {
	dir  string
	root *os.Root
}

func openDir(dir string) (reader, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return reader{}, &InputError{File: dir, Err: reason(err)}
	}
	return reader{dir, root}, nil
}

func (r reader) close() { r.root.Close() }

// bad returns an error about a file in the directory.
func (r reader) bad(name, place string, err error) *InputError {
	if in, ok := errors.AsType[*tracefile.InputError](err); ok {
		place, err = in.Place, in.Err
	}
	return &InputError{File: filepath.Join(r.dir, name), Place: place, Err: reason(err)}
}

// reason leaves out what an error of the operating system says besides the
// reason: the path is named anyway, and by that which the user knows.
func reason(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// open opens a regular file. It does not wait for the other end of a pipe.
func (r reader) open(name string) (*os.File, int64, error) {
	f, err := r.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err == nil && info.Size() > maxFile && !isJournal(filepath.Base(name)) {
		err = fmt.Errorf("%d bytes: more than %d", info.Size(), maxFile)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// text reads a file.
func (r reader) text(name string) ([]byte, error) {
	f, _, err := r.open(name)
	if err != nil {
		return nil, r.bad(name, "", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, r.bad(name, "", err)
	}
	return text, nil
}

// json reads a file of JSON into v.
func (r reader) json(name string, v any) error {
	text, err := r.text(name)
	if err != nil {
		return err
	}
	return r.parse(name, text, v)
}

func (r reader) parse(name string, text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return r.bad(name, placeIn(text, err), err)
	}
	return nil
}

// form reads a file of JSON that says of which version it is, and refuses those
// that are not ours: nothing else in one is known to mean what it seems to.
func (r reader) form(name string, v any) error {
	text, err := r.text(name)
	if err != nil {
		return err
	}
	var form struct {
		Version int `json:"version"`
	}
	if err := r.parse(name, text, &form); err != nil {
		return err
	}
	if form.Version != Version {
		return r.bad(name, "version", otherVersion(form.Version))
	}
	return r.parse(name, text, v)
}

// placeIn returns where in a text the fault is that encoding/json found.
func placeIn(text []byte, err error) string {
	var at int64
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = syntax.Offset
	} else if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at = typed.Offset
	} else {
		return ""
	}
	line := 1
	for _, c := range text[:min(at, int64(len(text)))] {
		if c == '\n' {
			line++
		}
	}
	return fmt.Sprintf("line %d", line)
}

func otherVersion(v int) error {
	return fmt.Errorf("it is of version %d, and this ctdiff reads %d", v, Version)
}

func (r reader) settings() (Settings, error) {
	var form campaignForm
	if err := r.form(campaignFile, &form); err != nil {
		return Settings{}, err
	}
	if n := len(form.Bridges); n > maxBridges {
		return Settings{}, r.bad(campaignFile, "bridges", fmt.Errorf("%d: more than %d", n, maxBridges))
	}
	if form.Started.IsZero() {
		return Settings{}, r.bad(campaignFile, "started", errors.New("no time"))
	}
	return form.Settings, nil
}

// finding reads what finding.json in a directory has.
func (r reader) finding(dir string) (findingForm, error) {
	name := filepath.Join(dir, findingFile)
	var form findingForm
	if err := r.form(name, &form); err != nil {
		return form, err
	}
	if err := form.check(); err != nil {
		return form, r.bad(name, "", err)
	}
	form.Dir = filepath.Join(r.dir, dir)
	return form, nil
}

// whole finds a file of a finding that is missing.
func (r reader) whole(dir string) error {
	for _, file := range []string{traceFile, originalFile, observationsFile} {
		name := filepath.Join(dir, file)
		if _, err := r.root.Stat(name); err != nil {
			return r.bad(name, "", err)
		}
	}
	return nil
}

// trace reads a trace of which the hash is known.
func (r reader) trace(name, hash string) (replay.Trace, error) {
	f, _, err := r.open(name)
	if err != nil {
		return replay.Trace{}, r.bad(name, "", err)
	}
	defer f.Close()
	t, err := tracefile.Decode(f)
	if err != nil {
		return replay.Trace{}, r.bad(name, "", err)
	}
	if found := tracefile.Hash(t); found != hash {
		return replay.Trace{}, r.bad(name, "", fmt.Errorf("the trace's hash is %.12s, and %s says %.12q", found, findingFile, hash))
	}
	return t, nil
}

// ReadFinding reads a finding with all that is in its directory. What cannot be
// read is an [*InputError].
func ReadFinding(dir string) (Finding, error) {
	r, err := openDir(dir)
	if err != nil {
		return Finding{}, err
	}
	defer r.close()
	form, err := r.finding(".")
	if err != nil {
		return Finding{}, err
	}
	f := form.Finding
	f.Dir = dir
	if f.Trace, err = r.trace(traceFile, form.Trace); err != nil {
		return Finding{}, err
	}
	if f.Original, err = r.trace(originalFile, form.Original); err != nil {
		return Finding{}, err
	}
	if err := r.json(observationsFile, &f.Observations); err != nil {
		return Finding{}, err
	}
	if err := f.checkObservations(); err != nil {
		return Finding{}, r.bad(observationsFile, "", err)
	}
	if err := r.json(hintsFile, &f.Hints); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Finding{}, err
	}
	if err := f.check(); err != nil {
		return Finding{}, r.bad(hintsFile, "", err)
	}
	return f, nil
}
