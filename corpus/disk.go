package corpus

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// tempPrefix begins the names of directories that what is being written is put
// into. Readers pass over names that begin with a dot.
const tempPrefix = ".ctdiff-tmp-"

// A temp is a directory for what has no name yet. It is locked as long as the
// process that made it lives.
type temp struct {
	path string
	lock *os.File
}

// newTemp makes a directory in parent, and removes those of processes that are
// gone.
func newTemp(parent string) (temp, error) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return temp{}, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		if t, ok := lockTemp(filepath.Join(parent, e.Name())); ok {
			t.remove()
		}
	}
	for {
		path := filepath.Join(parent, fmt.Sprintf("%s%016x", tempPrefix, rand.Uint64()))
		if err := os.Mkdir(path, 0o777); err != nil {
			return temp{}, err
		}
		// Another process may take it for a leftover before it is locked, and
		// then it has gone.
		if t, ok := lockTemp(path); ok {
			return t, nil
		}
	}
}

// lockTemp takes the lock of a directory, if nobody has it and the directory is
// still there.
func lockTemp(path string) (temp, bool) {
	f, err := os.Open(path)
	if err != nil {
		return temp{}, false
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		locked, err1 := f.Stat()
		named, err2 := os.Lstat(path)
		if err1 == nil && err2 == nil && os.SameFile(locked, named) {
			return temp{path, f}, true
		}
	}
	f.Close()
	return temp{}, false
}

func (t temp) remove() {
	os.RemoveAll(t.path)
	t.lock.Close()
}

// write writes a file in the directory, and to the disk.
func (t temp) write(name string, data []byte) error {
	f, err := os.OpenFile(filepath.Join(t.path, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// writeDir makes the directory name in parent with the files, whole or not at
// all. If it is there already, it stays as it is.
func writeDir(parent, name string, files map[string][]byte) error {
	t, err := newTemp(parent)
	if err != nil {
		return err
	}
	defer t.remove()
	for file, data := range files {
		if err := t.write(file, data); err != nil {
			return err
		}
	}
	if err := syncDir(t.path); err != nil {
		return err
	}
	// A rename never replaces a directory that has something in it: rename(2).
	err = os.Rename(t.path, filepath.Join(parent, name))
	if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(parent)
}

// WriteFile writes the named file whole or not at all: it appears under its
// name when all of it is on the disk. A file of that name is replaced; what is
// no regular file, such as a pipe, is written to.
func WriteFile(path string, data []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return errors.Join(err, f.Close())
	}
	return publish(path, data, os.Rename)
}

// createFile is as [WriteFile], but a file of that name is an error, for which
// errors.Is(err, fs.ErrExist) holds.
func createFile(path string, data []byte) error { return publish(path, data, os.Link) }

func publish(path string, data []byte, name func(from, to string) error) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir, base := filepath.Dir(path), filepath.Base(path)
	t, err := newTemp(dir)
	if err != nil {
		return err
	}
	defer t.remove()
	if err := t.write(base, data); err != nil {
		return err
	}
	if err := name(filepath.Join(t.path, base), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir puts what happened in a directory on the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
