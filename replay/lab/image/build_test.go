package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// needPrograms skips a test on a machine that could not build a kernel.
func needPrograms(t *testing.T, names ...string) {
	t.Helper()
	if err := lookPrograms(names...); err != nil {
		t.Skip("build: ", err)
	}
}

func write(t *testing.T, text string, elem ...string) {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// A fakeTree's make targets are as much of a kernel's as a build uses.
const (
	fakeMakefile = `VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 0
allnoconfig:
	cp $(KCONFIG_ALLCONFIG) $(O)/.config
olddefconfig:
	@true
linux: $(O)/linux
$(O)/linux: init/main.c
	@echo '  CC      init/main.o'
	@test $(KCOV_INSTRUMENT_act_ct.o) = y
	@echo compiled >> $(O)/times
	: > $(O)/main.o; : > $(O)/System.map
	gcc -o $@ init/main.c
`
	fakeMain = `#include <stdio.h>
int main(void) { puts("6.12.0-fake"); return 0; }
`
)

// fakeTree makes a kernel tree of a few lines, with a change to its Makefile.
func fakeTree(t *testing.T, old, new string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, strings.Replace(fakeMakefile, old, new, 1), dir, "Makefile")
	write(t, fakeMain, dir, "init/main.c")
	for _, name := range []string{"Kconfig", "arch/um/Makefile", "net/openvswitch/Makefile", "net/sched/act_ct.c"} {
		write(t, "", dir, name)
	}
	return dir
}

// fakeRoot makes an OVS root of scripts.
func fakeRoot(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"usr/sbin/ovs-vswitchd", "usr/sbin/ovsdb-server", "usr/bin/ovs-ofctl", "usr/bin/ovs-appctl", "usr/share/openvswitch/vswitch.ovsschema"} {
		write(t, "#!/bin/sh\nexit 0 # long enough for an ELF header\n", dir, name)
	}
	return dir
}

func fakeSpec(t *testing.T, old, new string) Spec {
	t.Helper()
	needPrograms(t, kernelPrograms...)
	return Spec{KernelSrc: fakeTree(t, old, new), OVSRoot: fakeRoot(t), Cache: Cache(t.TempDir())}
}

func TestBuildTree(t *testing.T) {
	spec := fakeSpec(t, "", "")
	before := snapshot(t, spec.KernelSrc)
	if _, err := Find(spec); !errors.Is(err, ErrNotBuilt) || !strings.Contains(err.Error(), "--kernel-src "+spec.KernelSrc) {
		t.Errorf("nothing built: %v", err)
	}
	first, err := Build(t.Context(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if first.KernelVersion != "6.12.0-fake" || !first.KCOV || first.Root != spec.OVSRoot {
		t.Errorf("%+v", first)
	}
	for _, path := range []string{first.Kernel, first.Symbols, first.SystemMap} {
		if !exists(path) {
			t.Errorf("no %s", path)
		}
	}
	if diff := cmp.Diff(before, snapshot(t, spec.KernelSrc)); diff != "" {
		t.Errorf("the user's tree changed: %s", diff)
	}
	// The same again compiles nothing; after an edit it is another kernel.
	times := func() string {
		text, _ := os.ReadFile(spec.Cache.path("work", spec.kernelName(), "build/times"))
		return string(text)
	}
	again, err := Build(t.Context(), spec, nil)
	if diff := cmp.Diff(first, again); diff != "" || err != nil || times() != "compiled\n" {
		t.Errorf("again: %v %q %s", err, times(), diff)
	}
	write(t, strings.Replace(fakeMain, "fake", "edited", 1), spec.KernelSrc, "init/main.c")
	edited, err := Build(t.Context(), spec, nil)
	if err != nil || edited.KernelVersion != "6.12.0-edited" || edited.Kernel == first.Kernel || times() != "compiled\ncompiled\n" {
		t.Errorf("edited: %v %+v", err, edited)
	}
	if !exists(first.Kernel) {
		t.Error("a kernel that a guest may run on is gone")
	}
	list, err := List(spec.Cache)
	if last := list[len(list)-1]; err != nil || last.Name != spec.kernelName() || last.Source != spec.KernelSrc {
		t.Errorf("List: %v %+v", err, list)
	}
	if err := Remove(t.Context(), spec.Cache, spec.kernelName()); err != nil || tree(t, spec.Cache, kernelKind) != nil || exists(first.Kernel) {
		t.Errorf("Remove: %v", err)
	}
}

// snapshot returns the contents of a directory's files.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestBuildMissingOption(t *testing.T) {
	spec := fakeSpec(t, "cp $(KCONFIG_ALLCONFIG) $(O)/.config", "grep -v -e _VETH= -e NET_TC_SKB_EXT $(KCONFIG_ALLCONFIG) > $(O)/.config")
	_, err := Build(t.Context(), spec, nil)
	var missing *MissingOptionError
	if !errors.As(err, &missing) {
		t.Fatalf("%T: %v", err, err)
	}
	if diff := cmp.Diff(&MissingOptionError{Kernel: "6.12", Names: []string{"VETH", "NET_TC_SKB_EXT"}}, missing); diff != "" {
		t.Error(diff)
	}
	if exists(spec.Cache.path("work", spec.kernelName(), "build/linux")) {
		t.Error("it was compiled all the same")
	}
}

func TestBuildFails(t *testing.T) {
	spec := fakeSpec(t, "gcc -o $@ init/main.c", "echo 'act_ct.c:7: error: expected expression'; exit 1")
	_, err := Build(t.Context(), spec, nil)
	var failed *StepError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "act_ct.c:7: error") || !exists(failed.Log) {
		t.Errorf("%T: %v", err, err)
	}
	if got := tree(t, spec.Cache, kernelKind); got != nil {
		t.Errorf("left behind: %v", got)
	}
}

func TestBuildFillsDisk(t *testing.T) {
	spec := fakeSpec(t, "gcc -o $@ init/main.c", "cat init/main.c > /dev/full")
	if _, err := Build(t.Context(), spec, nil); !errors.As(err, new(*DiskFullError)) {
		t.Errorf("%T: %v", err, err)
	}
}

// TestBuildInterrupted stops a build in the middle of compiling, and takes it
// up again.
func TestBuildInterrupted(t *testing.T) {
	spec := fakeSpec(t, "\tgcc", "\t@test -e $(O)/resumed || { touch $(O)/resumed; sleep 1000; }\n\tgcc")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waits := make(chan error, 1)
	go func() {
		await(t, func() bool { return exists(spec.Cache.path("work", spec.kernelName(), "build/resumed")) })
		// A second build waits, and can be cancelled meanwhile.
		waiting, stop := context.WithTimeout(ctx, 2*lockPoll)
		defer stop()
		_, err := Build(waiting, spec, nil)
		waits <- err
		cancel()
	}()
	start := time.Now()
	if _, err := Build(ctx, spec, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%T: %v", err, err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if err := <-waits; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second build: %v", err)
	}
	if got := tree(t, spec.Cache, kernelKind); got != nil {
		t.Errorf("left behind: %v", got)
	}
	if _, err := Build(t.Context(), spec, nil); err != nil {
		t.Errorf("taken up again: %v", err)
	}
}

// TestBuildOnce: who waited for the lock finds the other's result.
func TestBuildOnce(t *testing.T) {
	spec := Spec{Profile: "debian-11", Cache: Cache(t.TempDir()), Mirror: "file:///nowhere"}
	unlock, err := spec.Cache.lock(t.Context(), func() {})
	if err != nil {
		t.Fatal(err)
	}
	built := make(chan error)
	said := &notes{waiting: make(chan string, 1)}
	go func() {
		_, err := Build(t.Context(), spec, said)
		built <- err
	}()
	if text := <-said.waiting; !strings.Contains(text, "waiting") {
		t.Errorf("said %q", text)
	}
	addImage(t, spec.Cache, "debian-11")
	unlock()
	if err := <-built; err != nil {
		t.Error(err)
	}
}

type notes struct {
	silent
	waiting chan string
}

func (n *notes) Note(text string) { n.waiting <- text }

func TestBuildBadInput(t *testing.T) {
	root, dirty := fakeRoot(t), fakeTree(t, "", "")
	write(t, "", dirty, ".config")
	image := filepath.Join(t.TempDir(), "linux")
	write(t, "not a kernel", image)
	for _, test := range []struct {
		name, want string
		spec       Spec
	}{
		{"unknown profile", "unknown profile", Spec{Profile: "debian-10"}},
		{"no tree", "not a Linux source tree", Spec{KernelSrc: t.TempDir(), OVSRoot: root}},
		{"dirty tree", "mrproper", Spec{KernelSrc: dirty, OVSRoot: root}},
		{"no image", "no such file", Spec{KernelImage: "/nonexistent", OVSRoot: root}},
		{"a directory", "not an executable", Spec{KernelImage: t.TempDir(), OVSRoot: root}},
		{"not a kernel", "not a User-Mode Linux kernel", Spec{KernelImage: image, OVSRoot: root}},
		{"no root", "no ov", Spec{KernelImage: image, OVSRoot: t.TempDir()}},
		{"mirror", "not an http", Spec{Profile: "debian-11", Mirror: "gopher://x"}},
	} {
		test.spec.Cache = Cache(t.TempDir())
		_, err := Build(t.Context(), test.spec, nil)
		if !errors.As(err, new(*InputError)) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %T %v, not %q", test.name, err, err, test.want)
		}
		if list, _ := os.ReadDir(string(test.spec.Cache)); len(list) > 0 {
			t.Errorf("%s: left behind %v", test.name, list)
		}
	}
}

func TestKernelImage(t *testing.T) {
	config := "CONFIG_UML=y\n" + strings.ReplaceAll(fragment(version{6, 1}), "_VETH=y", "_VETH=m")
	file := filepath.Join(t.TempDir(), "linux")
	spec := Spec{KernelImage: file, OVSRoot: fakeRoot(t), Cache: Cache(t.TempDir())}
	write(t, "\x7fELF Linux version 6.1.176 (u@h)\x00"+config, file)
	var missing *MissingOptionError
	if _, err := Find(spec); !errors.As(err, &missing) || !errors.As(err, new(*InputError)) || !cmp.Equal(missing.Names, []string{"VETH"}) {
		t.Errorf("lacks an option: %v", err)
	}
	write(t, "\x7fELF Linux version 6.1.176 (u@h)\x00CONFIG_UML=y\n"+fragment(version{6, 1}), file)
	got, err := Build(t.Context(), spec, nil)
	want := Image{Kernel: file, KernelVersion: "6.1.176", KCOV: true, Root: spec.OVSRoot}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// TestMirrorWithoutRelease asks the real apt-get for a release that a mirror
// does not have.
func TestMirrorWithoutRelease(t *testing.T) {
	t.Parallel()
	needPrograms(t, append(debianPrograms, kernelPrograms...)...)
	if err := checkKeyring(); err != nil {
		t.Skip("build: ", err)
	}
	spec := Spec{Profile: "debian-11", Cache: Cache(t.TempDir()), Mirror: "file://" + t.TempDir()}
	_, err := Build(t.Context(), spec, nil)
	var gone *ReleaseError
	if !errors.As(err, &gone) || gone.Suite != "bullseye" || !strings.Contains(err.Error(), "--mirror") {
		t.Errorf("%T: %v", err, err)
	}
	// Of the newest profile, experimental is tried first and may be missing.
	spec.Profile = Newest
	if _, err = Build(t.Context(), spec, nil); !errors.As(err, &gone) || gone.Suite != "sid" {
		t.Errorf("%T: %v", err, err)
	}
	// A mirror that is not there is another error.
	spec.Mirror = "http://127.0.0.1:1/debian"
	var failed *StepError
	if _, err = Build(t.Context(), spec, nil); !errors.As(err, &failed) || !strings.Contains(failed.Log, "mirror.log") {
		t.Errorf("%T: %v", err, err)
	}
}

func TestCheck(t *testing.T) {
	cache := Cache(filepath.Join(t.TempDir(), "not/there/yet"))
	findings := Check(t.Context(), cache)
	names := map[string]Finding{}
	for _, f := range findings {
		names[f.Name] = f
		if f.OK == (f.Mend != "") || f.Detail == "" && f.OK {
			t.Errorf("%+v", f)
		}
	}
	if f := names["profile debian-11"]; f.OK || f.Mend != "ctdiff lab build --profile debian-11" {
		t.Errorf("%+v", f)
	}
	if f := names["cache directory"]; !f.OK {
		t.Errorf("%+v", f)
	}
	if exists(string(cache)) {
		t.Error("the doctor made the cache")
	}
	t.Setenv("PATH", t.TempDir())
	for _, f := range Check(t.Context(), cache) {
		if f.Name == "xz" && (f.OK || f.Mend != "apt-get install xz-utils") {
			t.Errorf("%+v", f)
		}
	}
	if err := lookPrograms("flex", "strip"); err == nil || !strings.Contains(err.Error(), "apt-get install flex binutils") {
		t.Errorf("%v", err)
	}
}
