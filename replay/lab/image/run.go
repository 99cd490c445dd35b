package image

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tailLines is how many of a failed step's last lines an error has.
const tailLines = 15

// grace is what a cancelled command gets to remove its half-written files.
const grace = 3 * time.Second

// guard runs a command as the leader of a process group, and kills the group
// once descriptor 3 is closed, which the kernel does when we end, however we
// end. PR_SET_PDEATHSIG would reach the command but not its children: make's
// would go on. The trap keeps the shell until the command has ended by the
// same signal; its exit status is the command's.
const guard = `trap : TERM
{ read -r x <&3; kill -s KILL 0; } >/dev/null 2>&1 &
guard=$!
"$@" 3<&-
status=$?
kill -s KILL $guard
wait $guard 2>/dev/null
exit $status`

// A command is a host program of one step.
type command struct {
	argv  []string
	dir   string
	env   []string  // added to baseEnv
	stdin io.Reader // nothing if nil
	// stdout is where the output goes; the step's log if nil.
	stdout io.Writer
	// line, if any, is called with each line that goes to the log.
	line func(string)
}

// baseEnv is the environment of every command: what finds programs and the
// network, and nothing that changes what make or apt-get do, such as
// MAKEFLAGS or ARCH.
func baseEnv() []string {
	env := []string{"LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "all_proxy"} {
		for _, name := range []string{name, strings.ToUpper(name)} {
			if value, ok := os.LookupEnv(name); ok {
				env = append(env, name+"="+value)
			}
		}
	}
	return env
}

// run runs a command until it ends, or until ctx is cancelled; none of its
// processes outlives it.
func (s *step) run(ctx context.Context, c command) error {
	held, release, err := os.Pipe()
	if err != nil {
		return err
	}
	defer release.Close()
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", guard, "sh"}, c.argv...)...)
	cmd.Dir, cmd.Stdin = c.dir, c.stdin
	cmd.Env = append(baseEnv(), c.env...)
	cmd.ExtraFiles = []*os.File{held}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGTERM) }
	cmd.WaitDelay = grace
	output := &lineWriter{line: func(text string) {
		s.print(text)
		if c.line != nil {
			c.line(text)
		}
	}}
	cmd.Stdout, cmd.Stderr = c.stdout, output
	if c.stdout == nil {
		cmd.Stdout = output
	}
	slog.Debug("run", "argv", c.argv, "dir", c.dir)
	err = cmd.Start()
	held.Close()
	if err != nil {
		return fmt.Errorf("start %s: %w", c.argv[0], err)
	}
	err = cmd.Wait()
	// Whoever ignored the signal is still in the group; the group is still
	// ours, as its leader's number is not given out again while it has members.
	_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	output.flush()
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.argv[0], err)
	}
	return nil
}

// output runs a command and returns what it wrote to its standard output.
func (s *step) output(ctx context.Context, c command) (string, error) {
	var b strings.Builder
	c.stdout = &b
	err := s.run(ctx, c)
	return b.String(), err
}

// A lineWriter calls line with each whole line written to it.
type lineWriter struct {
	line func(string)
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		advance, text, _ := bufio.ScanLines(w.rest, false)
		if advance == 0 {
			return len(p), nil
		}
		w.line(string(text))
		w.rest = w.rest[advance:]
	}
}

func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.line(string(w.rest))
	}
	w.rest = nil
}

// lookPrograms returns an error that names the packages of host programs that
// are not there.
func lookPrograms(names ...string) error {
	var missing, packages []string
	for _, name := range names {
		if _, err := exec.LookPath(name); errors.Is(err, exec.ErrNotFound) {
			missing = append(missing, name)
			packages = append(packages, hostPackages[name])
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("not installed: %s; install with: apt-get install %s",
		strings.Join(missing, ", "), strings.Join(packages, " "))
}

// hostPackages are the Debian packages of the host programs we run.
var hostPackages = map[string]string{
	"gcc": "gcc", "make": "make", "flex": "flex", "bison": "bison", "bc": "bc",
	"xz": "xz-utils", "strip": "binutils", "ld": "binutils", "perl": "perl",
	"dpkg-deb": "dpkg", "apt-get": "apt", "apt-cache": "apt", "apt-config": "apt",
}
