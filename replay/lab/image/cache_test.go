package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// fill returns a filler that writes one file.
func fill(name string, size int) func(string) error {
	return func(dir string) error {
		return os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o644)
	}
}

// addImage puts a profile's artefacts into a cache.
func addImage(t *testing.T, c Cache, name string) {
	t.Helper()
	kernel := kernelRecord{Version: "5.10.223", Source: "linux-source-5.10 5.10.223-1", Recipe: kernelRecipe(version{5, 10}), KCOV: true}
	root := rootRecord{OVS: "2.15.0", Recipe: rootRecipe()}
	for _, err := range []error{
		c.store(kernelKind, "5.10-"+name, kernel, fill("linux", 10)),
		c.use(kernelKind, name, "5.10-"+name),
		c.store(rootKind, "2.15-"+name, root, fill("files", 5)),
		c.use(rootKind, name, "2.15-"+name),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// tree returns the names in a kind's directory.
func tree(t *testing.T, c Cache, k kind) (names []string) {
	t.Helper()
	list, err := os.ReadDir(c.path(string(k)))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestStoreIsAllOrNothing(t *testing.T) {
	c := Cache(t.TempDir())
	broken := errors.New("broken")
	err := c.store(kernelKind, "5.10-a", kernelRecord{}, func(dir string) error {
		if err := fill("linux", 10)(dir); err != nil {
			return err
		}
		if c.has(kernelKind, "5.10-a") {
			t.Error("there before it is whole")
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if got := tree(t, c, kernelKind); got != nil {
		t.Errorf("left behind: %v", got)
	}
	// Twice: somebody else may have stored the same.
	for range 2 {
		if err := c.store(kernelKind, "5.10-a", kernelRecord{}, fill("linux", 10)); err != nil {
			t.Fatal(err)
		}
	}
	if got := tree(t, c, kernelKind); !c.has(kernelKind, "5.10-a") || len(got) != 1 {
		t.Errorf("stored: %v", got)
	}
}

func TestFindAndList(t *testing.T) {
	c := Cache(t.TempDir())
	spec := Spec{Profile: "debian-11", Cache: c}
	_, err := Find(spec)
	if !errors.Is(err, ErrNotBuilt) || !strings.Contains(err.Error(), "ctdiff lab build --profile debian-11") {
		t.Errorf("nothing built: %v", err)
	}
	addImage(t, c, "debian-11")
	start := time.Now()
	got, err := Find(spec)
	if took := time.Since(start); took > 5*time.Millisecond {
		t.Errorf("took %v", took)
	}
	kernel, root := c.path("kernel", "5.10-debian-11"), c.path("root", "2.15-debian-11")
	want := Image{
		Profile: "debian-11", Kernel: kernel + "/linux", KernelVersion: "5.10.223", KCOV: true,
		Symbols: kernel + "/vmlinux", SystemMap: kernel + "/System.map", Root: root + "/files", OVSVersion: "2.15.0",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	list, err := List(c)
	if err != nil || len(list) != len(Profiles()) || list[0].KernelVersion != "5.10.223" || list[0].OVSVersion != "2.15.0" || list[1].Kernel != "" {
		t.Errorf("List: %v %+v", err, list)
	}
}

func TestFindOtherRecipe(t *testing.T) {
	c := Cache(t.TempDir())
	addImage(t, c, "debian-11")
	if err := c.store(kernelKind, "5.10-old", kernelRecord{Recipe: "old"}, fill("linux", 1)); err != nil {
		t.Fatal(err)
	}
	if err := c.use(kernelKind, "debian-11", "5.10-old"); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(Spec{Profile: "debian-11", Cache: c}); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("another recipe's kernel: %v", err)
	}
	if list, err := List(c); err != nil || !list[0].Stale {
		t.Errorf("List: %v %+v", err, list)
	}
}

func TestRemove(t *testing.T) {
	c := Cache(t.TempDir())
	addImage(t, c, "debian-11")
	addImage(t, c, "debian-12")
	// An interrupted build's, and one that was replaced.
	for _, dir := range []string{"kernel/.new-123", "kernel/5.10-replaced", "work/debian-11/source", "root/.new-9/files"} {
		if err := os.MkdirAll(c.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := Remove(t.Context(), c, "debian-11"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"5.10-debian-12", "debian-12"}, tree(t, c, kernelKind)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"2.15-debian-12", "debian-12"}, tree(t, c, rootKind)); diff != "" {
		t.Error(diff)
	}
	if exists(c.path("work/debian-11")) {
		t.Error("its work directory is left")
	}
	for _, name := range []string{"debian-11", "", "..", "../kernel", "5.10-debian-12", "lock", "*"} {
		if err := Remove(t.Context(), c, name); !errors.As(err, new(*InputError)) {
			t.Errorf("Remove(%q): %v", name, err)
		}
	}
	if _, err := Find(Spec{Profile: "debian-12", Cache: c}); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	c := Cache(t.TempDir())
	unlock, err := c.lock(t.Context(), func() { t.Error("waits for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	var waited atomic.Int32
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockPoll)
	defer cancel()
	if _, err := c.lock(ctx, func() { waited.Add(1) }); !errors.Is(err, context.DeadlineExceeded) || waited.Load() != 1 {
		t.Errorf("cancelled while it waits: %v, said so %d times", err, waited.Load())
	}
	got := make(chan error)
	go func() {
		unlock, err := c.lock(t.Context(), func() { waited.Add(1) })
		if err == nil {
			unlock()
		}
		got <- err
	}()
	await(t, func() bool { return waited.Load() == 2 })
	unlock()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// smallDisk mounts a file system of 4 MB, which takes root.
func smallDisk(t *testing.T) Cache {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m")
	if errors.Is(err, unix.EPERM) {
		t.Skip("mount a small file system: needs root")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return Cache(dir)
}

func TestFullDisk(t *testing.T) {
	c := smallDisk(t)
	var full *DiskFullError
	_, err := Build(t.Context(), Spec{Profile: "debian-11", Cache: c}, nil)
	if !errors.As(err, &full) || full.Dir != string(c) || full.Free > 4<<20 || !strings.Contains(err.Error(), CacheEnv) {
		t.Errorf("a disk that is too small: %T %v", err, err)
	}
	err = c.full(c.store(kernelKind, "5.10-a", kernelRecord{}, fill("linux", 8<<20)))
	if !errors.As(err, &full) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a disk that gets full: %T %v", err, err)
	}
	if got := tree(t, c, kernelKind); got != nil {
		t.Errorf("left behind: %v", got)
	}
}

func TestDefaultCache(t *testing.T) {
	t.Setenv(CacheEnv, "")
	t.Setenv("XDG_CACHE_HOME", "/home/u/.cache")
	if c, err := DefaultCache(); c != "/home/u/.cache/ctdiff/lab" || err != nil {
		t.Errorf("%q, %v", c, err)
	}
	t.Setenv(CacheEnv, "/srv/ctdiff")
	if c, err := DefaultCache(); c != "/srv/ctdiff" || err != nil {
		t.Errorf("%q, %v", c, err)
	}
	t.Setenv(CacheEnv, "")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if c, err := DefaultCache(); !errors.As(err, new(*InputError)) {
		t.Errorf("%q, %v", c, err)
	}
}
