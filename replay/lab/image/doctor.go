package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Finding is one thing that the lab needs of this machine.
type Finding struct {
	Name string
	OK   bool
	// Detail says what there is, or what is wrong.
	Detail string
	// Mend is what mends it, a command where one does; empty if OK.
	Mend string
}

// Check looks at everything that building and booting images needs; it
// changes nothing and needs nothing built. An empty cache means
// [DefaultCache].
func Check(ctx context.Context, cache Cache) []Finding {
	findings := []Finding{checkMachine()}
	findings = append(findings, checkPrograms()...)
	findings = append(findings, checkKeys(), checkMemoryFile())
	if cache == "" {
		var err error
		if cache, err = DefaultCache(); err != nil {
			return append(findings, Finding{Name: "cache directory", Detail: err.Error(), Mend: "export " + CacheEnv + "=DIRECTORY"})
		}
	}
	findings = append(findings, checkCache(cache), checkSpace(cache))
	for _, p := range Profiles() {
		if ctx.Err() != nil {
			break
		}
		findings = append(findings, checkProfile(cache, p))
	}
	return findings
}

func checkMachine() Finding {
	f := Finding{Name: "machine", Detail: runtime.GOOS + "/" + runtime.GOARCH}
	if f.OK = runtime.GOOS == "linux" && runtime.GOARCH == "amd64"; !f.OK {
		f.Mend = "use an x86-64 Linux machine: User-Mode Linux runs on no other"
	}
	return f
}

// checkPrograms has one finding for each program that a build runs.
func checkPrograms() []Finding {
	var findings []Finding
	for _, name := range slices.Concat(kernelPrograms, debianPrograms) {
		f := Finding{Name: name}
		path, err := exec.LookPath(name)
		if f.OK, f.Detail = err == nil, path; err != nil {
			f.Detail, f.Mend = "not installed", "apt-get install "+hostPackages[name]
		}
		findings = append(findings, f)
	}
	// The kernel's own tools are programs of the host.
	f := Finding{Name: "C library headers", OK: true, Detail: "/usr/include/stdio.h"}
	if _, err := os.Stat(f.Detail); err != nil {
		f.OK, f.Detail, f.Mend = false, "not installed", "apt-get install libc6-dev"
	}
	return append(findings, f)
}

func checkKeys() Finding {
	f := Finding{Name: "Debian's keys", OK: true, Detail: debianKeyring}
	if err := checkKeyring(); err != nil {
		f.OK, f.Detail, f.Mend = false, "no "+debianKeyring, "apt-get install debian-archive-keyring"
	}
	return f
}

// memorySpace is what the guests of two bridges touch of their memory, in
// bytes, with room for one more. Containers often have a /dev/shm of 64 MB.
const memorySpace = 256 << 20

// MemoryDir returns the directory for a guest's memory, which User-Mode Linux
// keeps in a file that it maps executable: /dev/shm if that can hold it, else
// the directory for temporary files. The error says why neither can.
func MemoryDir() (string, error) {
	shm := checkMemoryDir("/dev/shm")
	if shm == nil {
		return "/dev/shm", nil
	}
	dir := os.TempDir()
	if err := checkMemoryDir(dir); err != nil {
		return "", fmt.Errorf("no directory can hold a guest's memory: %w", errors.Join(shm, err))
	}
	return dir, nil
}

func checkMemoryDir(dir string) error {
	free, err := spaceOf(dir)
	if err != nil {
		return err
	}
	if free < memorySpace {
		return fmt.Errorf("%s: %s are free, a replay needs %s", dir, gigabytes(free), gigabytes(memorySpace))
	}
	if err := mapExecutable(dir); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}

func checkMemoryFile() Finding {
	f := Finding{Name: "guest memory"}
	dir, err := MemoryDir()
	if err != nil {
		f.Detail = strings.ReplaceAll(err.Error(), "\n", "; ")
		f.Mend = "mount -o remount,exec,size=1G /dev/shm, or in Docker --tmpfs /dev/shm:exec,size=1g, or export TMPDIR=DIRECTORY"
		return f
	}
	f.OK, f.Detail = true, dir
	return f
}

func writable(dir string) bool { return unix.Access(dir, unix.W_OK) == nil }

// mapExecutable does once what a guest does with its memory.
func mapExecutable(dir string) error {
	f, err := os.CreateTemp(dir, "ctdiff-doctor-")
	if err != nil {
		return err
	}
	defer f.Close()
	defer os.Remove(f.Name())
	page := os.Getpagesize()
	if err := f.Truncate(int64(page)); err != nil {
		return err
	}
	m, err := unix.Mmap(int(f.Fd()), 0, page, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map a file executable (is it mounted noexec?): %w", err)
	}
	return unix.Munmap(m)
}

// checkCache looks at the cache directory, or the nearest parent there is.
func checkCache(cache Cache) Finding {
	f := Finding{Name: "cache directory", Detail: string(cache)}
	if err := checkMakePath(string(cache)); err != nil {
		f.Detail, f.Mend = err.Error(), "export "+CacheEnv+"=DIRECTORY"
		return f
	}
	dir := string(cache)
	for dir != parentOf(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = parentOf(dir)
	}
	var s unix.Statfs_t
	switch err := unix.Statfs(dir, &s); {
	case !writable(dir):
		f.Detail = dir + " cannot be written to"
	case err == nil && s.Flags&unix.ST_NOEXEC != 0:
		f.Detail = dir + " is mounted noexec, and a kernel is a program"
	default:
		f.OK = true
		return f
	}
	f.Mend = "export " + CacheEnv + "=DIRECTORY, one that can be written to and is not mounted noexec"
	return f
}

func checkSpace(cache Cache) Finding {
	f := Finding{Name: "disk space"}
	free, err := spaceOf(string(cache))
	if err != nil {
		f.Detail, f.Mend = err.Error(), "export "+CacheEnv+"=DIRECTORY"
		return f
	}
	f.Detail = fmt.Sprintf("%s free, a build needs %s", gigabytes(free), gigabytes(buildSpace))
	if f.OK = free >= buildSpace; !f.OK {
		f.Mend = "make room, or export " + CacheEnv + "=DIRECTORY, one with more"
	}
	return f
}

func checkProfile(cache Cache, p Profile) Finding {
	f := Finding{Name: "profile " + p.Name}
	image, err := Find(Spec{Profile: p.Name, Cache: cache})
	if err != nil {
		f.Detail = strings.SplitN(err.Error(), "; build it with", 2)[0]
		f.Mend = "ctdiff lab build --profile " + p.Name
		return f
	}
	f.OK = true
	f.Detail = fmt.Sprintf("Linux %s, Open vSwitch %s in %s", image.KernelVersion, image.OVSVersion, filepath.Dir(image.Kernel))
	return f
}
