package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CacheEnv is the environment variable that names the cache directory.
const CacheEnv = "CTDIFF_CACHE"

// A Cache is a directory with artefacts.
type Cache string

// DefaultCache returns the directory named by $CTDIFF_CACHE, else ctdiff/lab
// in the user's cache directory.
func DefaultCache() (Cache, error) {
	if dir := os.Getenv(CacheEnv); dir != "" {
		abs, err := filepath.Abs(dir)
		return Cache(abs), err
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", badInput("no cache directory: %w; name one with $%s", err, CacheEnv)
	}
	return Cache(filepath.Join(dir, "ctdiff", "lab")), nil
}

func (c Cache) path(elem ...string) string {
	return filepath.Join(append([]string{string(c)}, elem...)...)
}

// full returns err, or what one needs to know if the disk is full.
func (c Cache) full(err error) error {
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	free, _ := spaceOf(string(c))
	return &DiskFullError{Dir: string(c), Need: buildSpace, Free: free}
}

func parentOf(path string) string { return filepath.Dir(path) }

// lockPoll is how often a lock that another process holds is tried again.
const lockPoll = 200 * time.Millisecond

// lock takes the cache's lock, waiting until whoever has it is done, and
// calling waiting once if so. The lock goes with the process that holds it.
func (c Cache) lock(ctx context.Context, waiting func()) (unlock func(), err error) {
	if err := os.MkdirAll(string(c), 0o755); err != nil {
		return nil, c.full(fmt.Errorf("cache directory: %w", err))
	}
	f, err := os.OpenFile(c.path("lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, c.full(fmt.Errorf("lock of the cache: %w", err))
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		waiting()
		waiting = func() {}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for another build: %w", stopped(ctx))
		case <-time.After(lockPoll):
		}
	}
}

// kind is "kernel" or "root": the two halves of an image.
type kind string

const (
	kernelKind kind = "kernel"
	rootKind   kind = "root"
)

func (k kind) record() string { return string(k) + ".json" }

// work is where what goes by a name is downloaded, unpacked and compiled.
func (c Cache) work(name string) string { return c.path("work", name) }

// has reports whether an artefact is there under its final name.
func (c Cache) has(k kind, key string) bool {
	_, err := os.Stat(c.path(string(k), key, k.record()))
	return err == nil
}

// store makes an artefact: fill gets an empty directory, which appears under
// the artefact's name once it and the record are on the disk, or not at all.
func (c Cache) store(k kind, key string, record any, fill func(dir string) error) error {
	if err := os.MkdirAll(c.path(string(k)), 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.path(string(k)), tempPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := fill(dir); err != nil {
		return err
	}
	text, err := json.MarshalIndent(record, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, k.record()), text, 0o644); err != nil {
		return err
	}
	// MkdirTemp's is for its owner only.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if err := syncTree(dir); err != nil {
		return err
	}
	final := c.path(string(k), key)
	if err := os.Rename(dir, final); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFile(filepath.Dir(final))
}

// tempPrefix is of directories that have no final name yet. No name of an
// artefact or profile begins so.
const tempPrefix = ".new-"

// use has a name stand for an artefact.
func (c Cache) use(k kind, name, key string) error {
	link := c.path(string(k), tempPrefix+name)
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(key, link); err != nil {
		return err
	}
	if err := os.Rename(link, c.path(string(k), name)); err != nil {
		return err
	}
	return syncFile(c.path(string(k)))
}

// clean removes what an interrupted build left under temporary names. The
// lock is held.
func (c Cache) clean() error {
	for _, k := range []kind{kernelKind, rootKind} {
		left, err := filepath.Glob(c.path(string(k), tempPrefix+"*"))
		if err != nil {
			return err
		}
		for _, path := range left {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// Remove removes what a name of [List] has, and all artefacts that no name
// stands for any more. It returns an [InputError] if nothing goes by the
// name. A guest that runs on it fails from then on.
func Remove(ctx context.Context, cache Cache, name string) error {
	unlock, err := cache.lock(ctx, func() {})
	if err != nil {
		return err
	}
	defer unlock()
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return badInput("%q is not the name of an image", name)
	}
	found := false
	for _, path := range []string{cache.path(string(kernelKind), name), cache.path(string(rootKind), name), cache.work(name)} {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() && path != cache.work(name) {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
		found = true
	}
	if !found {
		return badInput("nothing is built under the name %q: see ctdiff lab list", name)
	}
	return cache.sweep()
}

// sweep removes the artefacts that no name stands for.
func (c Cache) sweep() error {
	if err := c.clean(); err != nil {
		return err
	}
	for _, k := range []kind{kernelKind, rootKind} {
		names, keys, err := c.entries(k)
		if err != nil {
			return err
		}
		used := map[string]bool{}
		for _, key := range names {
			used[key] = true
		}
		for _, key := range keys {
			if used[key] {
				continue
			}
			if err := os.RemoveAll(c.path(string(k), key)); err != nil {
				return fmt.Errorf("remove %s: %w", key, err)
			}
		}
	}
	return nil
}

// entries returns the names of a kind with the artefacts that they stand for,
// and all artefacts.
func (c Cache) entries(k kind) (names map[string]string, keys []string, err error) {
	list, err := os.ReadDir(c.path(string(k)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	names = map[string]string{}
	for _, e := range list {
		switch {
		case strings.HasPrefix(e.Name(), tempPrefix):
		case e.IsDir():
			keys = append(keys, e.Name())
		case e.Type() == fs.ModeSymlink:
			key, err := os.Readlink(c.path(string(k), e.Name()))
			if err != nil {
				return nil, nil, err
			}
			names[e.Name()] = key
		}
	}
	return names, keys, nil
}

// syncTree has everything under a directory written to the disk.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		return syncFile(path)
	})
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
