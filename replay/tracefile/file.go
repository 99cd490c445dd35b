package tracefile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/ctdiff/ctdiff/replay"
)

// ReadFile reads the trace or the capture in the named file: a trace with
// [Decode], anything else with [Import]. A trace has its own pipeline and
// ports: opts are only for captures.
func ReadFile(path string, opts ImportOptions) (replay.Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return replay.Trace{}, fmt.Errorf("reading trace: %w", err)
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return replay.Trace{}, fmt.Errorf("%s: %w", path, err)
	}
	t, err := read(data, opts)
	if err != nil {
		return replay.Trace{}, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

func read(data []byte, opts ImportOptions) (replay.Trace, error) {
	if isPcapng(data) {
		comments, err := parseComments(data)
		if err != nil {
			return replay.Trace{}, err
		}
		if isTrace(comments) {
			return decode(data)
		}
	}
	return importCapture(data, opts)
}

// WriteFile writes t to the named file, whole or not at all: the file appears
// under its name when all of it is on the disk. A file of that name is
// replaced; what is no regular file is written to.
func WriteFile(path string, t replay.Trace) (err error) {
	var data bytes.Buffer
	if err := Encode(&data, t); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeInto(path, data.Bytes())
	}
	dir, base := filepath.Split(path)
	temporary := filepath.Join(dir, fmt.Sprintf(".%s.%016x.tmp", base, rand.Uint64()))
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("writing trace: %w", err), removeIfThere(temporary))
		}
	}()
	if err := writeSynced(temporary, data.Bytes()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeInto writes to what is no regular file, such as a pipe or a terminal, and
// so cannot be replaced.
func writeInto(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("writing trace: %w", err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing trace: %w", err)
	}
	return nil
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir puts a rename in dir on the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
