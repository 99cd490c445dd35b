package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNotBuilt is wrapped by the errors of [Find] when an artefact is missing
// or was built by another recipe; the error names the command that builds it.
var ErrNotBuilt = errors.New("not built")

// An InputError is the caller's mistake: an unknown profile, a directory that
// is no kernel source. Any other error of this package is the lab's.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

func badInput(format string, args ...any) error {
	return &InputError{fmt.Errorf(format, args...)}
}

// A StepError is a step of a build that failed.
type StepError struct {
	Step string   // such as "debian-11: compile the kernel"
	Log  string   // the file with all that the step printed
	Tail []string // its last lines, at most tailLines
	Err  error
}

func (e *StepError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Step, e.Err)
	for _, line := range e.Tail {
		b.WriteString("\n    " + line)
	}
	if e.Log != "" {
		b.WriteString("\n  the whole log: " + e.Log)
	}
	return b.String()
}

func (e *StepError) Unwrap() error { return e.Err }

// A DiskFullError says that a build ran, or would run, out of disk space. It
// is a [syscall.ENOSPC].
type DiskFullError struct {
	Dir  string
	Need uint64 // bytes that a build takes
	Free uint64 // bytes that are left
}

func (e *DiskFullError) Error() string {
	return fmt.Sprintf("no space left on %s: a build needs %s, %s are free; make room, or name another directory with $%s",
		e.Dir, gigabytes(e.Need), gigabytes(e.Free), CacheEnv)
}

func (e *DiskFullError) Unwrap() error { return syscall.ENOSPC }

func gigabytes(n uint64) string { return fmt.Sprintf("%.1f GB", float64(n)/1e9) }

// A ReleaseError says that the mirror does not carry a release, any more or
// yet.
type ReleaseError struct{ Mirror, Suite, Profile string }

func (e *ReleaseError) Error() string {
	return fmt.Sprintf("the mirror %s does not carry %s, which profile %s is made from: name a mirror that does with --mirror URL",
		e.Mirror, e.Suite, e.Profile)
}

// A MissingOptionError says which kernel options are not there, though a
// guest needs them: the kernel's own configuration dropped them.
type MissingOptionError struct {
	Kernel string // version, or the file
	Names  []string
}

func (e *MissingOptionError) Error() string {
	return fmt.Sprintf("kernel %s: %s did not take effect; the lab needs each of them (a dependency of theirs may be new in this version)",
		e.Kernel, strings.Join(e.Names, ", "))
}

// spaceOf returns the bytes free for us on the file system of dir, or of its
// nearest parent that exists.
func spaceOf(dir string) (uint64, error) {
	for {
		var s unix.Statfs_t
		err := unix.Statfs(dir, &s)
		if err == nil {
			return s.Bavail * uint64(s.Bsize), nil
		}
		parent := parentOf(dir)
		if !errors.Is(err, fs.ErrNotExist) || parent == dir {
			return 0, fmt.Errorf("free space of %s: %w", dir, err)
		}
		dir = parent
	}
}

// stopped returns why ctx is done. It is always ctx.Err() too: the cause that
// signal.NotifyContext gives is not.
func stopped(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ctx.Err()) {
		return cause
	}
	return fmt.Errorf("%w (%w)", cause, ctx.Err())
}
