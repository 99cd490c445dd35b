package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// testPlan returns a plan in a cache of its own.
func testPlan(t *testing.T) *plan {
	t.Helper()
	return &plan{cache: Cache(t.TempDir()), progress: silent{}, total: 1}
}

// sh is a task that runs a shell script.
func sh(script string) task {
	return task{name: "test", log: "test", seconds: 1, do: func(ctx context.Context, s *step) error {
		return s.run(ctx, command{argv: []string{"sh", "-c", script}})
	}}
}

func TestStepError(t *testing.T) {
	p := testPlan(t)
	err := p.run(t.Context(), "debian-11", sh("seq 1 40; echo on stderr >&2; printf 'no newline'; exit 3"))
	var failed *StepError
	if !errors.As(err, &failed) {
		t.Fatalf("%T: %v", err, err)
	}
	if failed.Step != "debian-11: test" || failed.Log != p.cache.path("logs", "debian-11-test.log") {
		t.Errorf("step %q, log %q", failed.Step, failed.Log)
	}
	want := []string{"28", "29", "30", "31", "32", "33", "34", "35", "36", "37", "38", "39", "40", "on stderr", "no newline"}
	if diff := cmp.Diff(want, failed.Tail); diff != "" {
		t.Error(diff)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("exit code of %v", err)
	}
	log, err := os.ReadFile(failed.Log)
	if err != nil || bytes.Count(log, []byte("\n")) != 42 {
		t.Errorf("log: %v\n%s", err, log)
	}
	if text := failed.Error(); !strings.Contains(text, failed.Log) || !strings.Contains(text, "\n    40\n") {
		t.Errorf("error: %s", text)
	}
}

func TestStepFillsDisk(t *testing.T) {
	p := testPlan(t)
	err := p.run(t.Context(), "debian-11", sh("echo 'cc1: fatal error: error writing to x.s: No space left on device'; exit 1"))
	var full *DiskFullError
	if !errors.As(err, &full) || !errors.Is(err, syscall.ENOSPC) || full.Dir != string(p.cache) {
		t.Errorf("%T: %v", err, err)
	}
	err = p.run(t.Context(), "debian-11", task{name: "test", log: "test", do: func(context.Context, *step) error {
		return os.WriteFile("/dev/full", []byte("x"), 0o644)
	}})
	if !errors.As(err, &full) {
		t.Errorf("our own write: %T: %v", err, err)
	}
}

func TestRunClosesStreams(t *testing.T) {
	p := testPlan(t)
	err := p.run(t.Context(), "x", task{name: "test", log: "test", do: func(ctx context.Context, s *step) error {
		out, err := s.output(ctx, command{argv: []string{"tr", "a", "b"}, stdin: strings.NewReader("aaa"), env: []string{"X=1"}})
		if out != "bbb" {
			t.Errorf("output %q", out)
		}
		return err
	}})
	if err != nil {
		t.Error(err)
	}
	t.Setenv("MAKEFLAGS", "-n")
	if err := p.run(t.Context(), "x", sh(`test -z "$MAKEFLAGS" && test -n "$PATH" && test ! -e /proc/self/fd/3`)); err != nil {
		t.Error(err)
	}
}

// stubborn is a script with two children, one of which ignores signals that
// can be ignored; it writes all three process ids to a file.
const stubborn = `sleep 1000 & echo $! > %[1]s.new
(trap '' TERM INT HUP; sleep 1000 & echo $! >> %[1]s.new; wait) &
echo $! >> %[1]s.new
sleep 0.1; mv %[1]s.new %[1]s; wait`

func TestCancelLeavesNoProcess(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	pids := filepath.Join(t.TempDir(), "pids")
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("interrupted")
	go func() {
		await(t, func() bool { return exists(pids) })
		cancel(stop)
	}()
	start := time.Now()
	if err := p.run(ctx, "debian-11", sh(fmt.Sprintf(stubborn, pids))); !errors.Is(err, stop) || !errors.Is(err, context.Canceled) {
		t.Errorf("%T: %v", err, err)
	}
	if took := time.Since(start); took > grace+5*time.Second {
		t.Errorf("took %v", took)
	}
	checkGone(t, pids)
}

// The test binary runs itself with this set to be killed in the middle of a
// step.
const helperEnv = "CTDIFF_TEST_STEP"

func TestMain(m *testing.M) {
	if pids := os.Getenv(helperEnv); pids != "" {
		p := &plan{cache: Cache(filepath.Dir(pids)), progress: silent{}, total: 1}
		err := p.run(context.Background(), "debian-11", sh(fmt.Sprintf(stubborn, pids)))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestKillLeavesNoProcess(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+pids)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return exists(pids) })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	checkGone(t, pids)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func await(t *testing.T, condition func() bool) {
	t.Helper()
	for range 1000 {
		if condition() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("it did not happen within 10 s")
}

// checkGone fails if one of the processes is still there after a while.
func checkGone(t *testing.T, pids string) {
	t.Helper()
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text))
	if len(fields) != 3 {
		t.Fatalf("%d processes, not 3: %q", len(fields), text)
	}
	for _, field := range fields {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		await(t, func() bool { return !running(pid) })
	}
}

// running reports whether a process is there and not a zombie.
func running(pid int) bool {
	if unix.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

func TestProgressLines(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b)
	p.Step("one")
	p.Advance(0.5)
	p.Note("a note")
	p.Step("two")
	p.Close()
	lines := strings.Split(b.String(), "\n")
	if len(lines) != 4 || lines[0] != "a note" || !strings.HasPrefix(lines[1], "one: ") || !strings.HasPrefix(lines[2], "two: ") {
		t.Errorf("%q", lines)
	}
}

func TestProgressBar(t *testing.T) {
	var b bytes.Buffer
	p := newBar(&b)
	p.Step("debian-11: compile the kernel")
	p.Advance(0.5)
	time.Sleep(150 * time.Millisecond)
	p.Advance(0.6)
	p.Close()
	if text := b.String(); !strings.Contains(text, "compile the kernel") || !strings.Contains(text, "59%") && !strings.Contains(text, "60%") {
		t.Errorf("%q", text)
	}
}
