package lab_test

import (
	"bufio"
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

	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
	"github.com/ctdiff/ctdiff/replay/lab/labtest"
)

// victimEnv has the test binary be a process that opens bridges, prints their
// guests' process IDs, and waits to be killed.
const victimEnv = "CTDIFF_TEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		if err := victim(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func victim() error {
	img, err := image.Find(image.Spec{Profile: "debian-11"})
	if err != nil {
		return err
	}
	for _, name := range lab.Bridges() {
		b, err := lab.Open(context.Background(), img, name)
		if err != nil {
			return err
		}
		fmt.Println(b.GuestPID())
	}
	if os.Getenv(victimEnv) == "panic" {
		panic("as asked")
	}
	select {}
}

// inGroup returns the processes of a process group that are not gone yet.
func inGroup(t *testing.T, group int) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it ended
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if fields[2] == strconv.Itoa(group) && fields[0] != "Z" {
			found = append(found, filepath.Dir(file))
		}
	}
	return found
}

func waitGone(t *testing.T, group int) {
	t.Helper()
	var left []string
	for range 100 {
		if left = inGroup(t, group); len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("left of guest %d: %v", group, left)
}

// TestNoOrphans shows that guests end with the process that started them,
// however that ends.
func TestNoOrphans(t *testing.T) {
	labtest.Image(t, "debian-11")
	for _, how := range []string{"kill", "panic"} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), victimEnv+"="+how)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var guests []int
			lines := bufio.NewScanner(out)
			for len(guests) < len(lab.Bridges()) && lines.Scan() {
				pid, err := strconv.Atoi(lines.Text())
				if err != nil {
					t.Fatalf("victim says %q", lines.Text())
				}
				guests = append(guests, pid)
			}
			if len(guests) != len(lab.Bridges()) {
				t.Fatal("victim did not open its bridges")
			}
			if how == "kill" {
				if n := len(inGroup(t, guests[0])); n == 0 {
					t.Error("the guest is not there while its owner is")
				}
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			_ = cmd.Wait()
			for _, pid := range guests {
				waitGone(t, pid)
			}
		})
	}
}

// longTrace returns a trace that takes seconds to replay.
func longTrace() replay.Trace {
	t := oracletest.Trace(100, oracletest.NeighborSolicitation())
	for i := range t.Packets {
		t.Packets[i].Gap = time.Hour
	}
	return t
}

func TestGuestKilled(t *testing.T) {
	b := labtest.Bridge(t, "debian-11", lab.System)
	trace := longTrace()
	killed := b.GuestPID()
	time.AfterFunc(300*time.Millisecond, func() { _ = syscall.Kill(killed, syscall.SIGKILL) })
	_, err := b.Replay(t.Context(), trace, replay.Purged)
	var failed *lab.GuestError
	if !errors.As(err, &failed) || !errors.Is(err, lab.ErrGuestDied) || failed.Crashed {
		t.Fatalf("replay in a guest that was killed: %v", err)
	}
	waitGone(t, killed)
	trace.Packets = trace.Packets[:2]
	if _, err := b.Replay(t.Context(), trace, replay.Purged); err != nil {
		t.Errorf("replay after that: %v", err)
	}
	if n := b.Restarts(); n != 1 {
		t.Errorf("%d restarts, want 1", n)
	}
}

func TestCancelled(t *testing.T) {
	b := labtest.Bridge(t, "debian-11", lab.TC)
	guest := b.GuestPID()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := b.Replay(ctx, longTrace(), replay.Purged)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("replay that was cancelled: %v", err)
	}
	waitGone(t, guest)
}

// TestSwitchDies has ovs-vswitchd abort: that is a crash, an observation, and
// the next replay has a guest of its own.
func TestSwitchDies(t *testing.T) {
	b := labtest.Bridge(t, "debian-11", lab.System)
	if _, err := b.Exec(t.Context(), nil, "sh", "-c", "kill -ABRT $(pidof ovs-vswitchd)"); err != nil {
		t.Fatal(err)
	}
	trace := oracletest.Trace(2, oracletest.NeighborSolicitation())
	o, err := b.Replay(t.Context(), trace, replay.Purged)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(o.Crash, "ovs-vswitchd died of signal 6") {
		t.Errorf("crash: %q", o.Crash)
	}
	if o, err = b.Replay(t.Context(), trace, replay.Purged); err != nil || o.Crash != "" {
		t.Errorf("replay after that: %q, %v", o.Crash, err)
	}
}

// TestKernelLog has a guest's kernel log a warning and something less.
func TestKernelLog(t *testing.T) {
	b := labtest.Bridge(t, "debian-11", lab.System)
	trace := oracletest.Trace(1, oracletest.NeighborSolicitation())
	if _, err := b.Exec(t.Context(), nil, "sh", "-c", "echo '<4>a warning' >/dev/kmsg; echo '<6>a remark' >/dev/kmsg"); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]string{{"a warning"}, nil} {
		o, err := b.Replay(t.Context(), trace, replay.Purged)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, o.KernelLog); diff != "" {
			t.Error(diff)
		}
	}
}

// TestLargeTrace has each of a thousand packets make a connection of its own.
func TestLargeTrace(t *testing.T) {
	var packets strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&packets, "p1 +0s icmp6 echo-request 2001:db8::1:%x > 2001:db8::2 payload %s\n", i, strings.Repeat("00", 1400))
	}
	trace := parse(t, oracletest.Pipeline(), packets.String())
	for _, name := range lab.Bridges() {
		o, err := labtest.Bridge(t, "debian-12", name).Replay(t.Context(), trace, replay.Purged)
		if err != nil {
			t.Fatal(err)
		}
		if o.Crash != "" || len(o.Packets) != 1000 || len(o.Conntrack) != 1000 {
			t.Errorf("%s: %d packets, %d connections, crash %q", name, len(o.Packets), len(o.Conntrack), o.Crash)
		}
	}
}

func TestRefusedRule(t *testing.T) {
	b := labtest.Bridge(t, "debian-11", lab.System)
	trace := oracletest.Trace(2, oracletest.NeighborSolicitation())
	good := trace.Pipeline
	trace.Pipeline = append(replay.Pipeline{good[0]}, "table=1,ipv7,actions=drop")
	_, err := b.Replay(t.Context(), trace, replay.Purged)
	var refused *lab.RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("replay with a rule that OVS refuses: %v", err)
	}
	if refused.Rule != 1 || refused.Text != trace.Pipeline[1] || !strings.Contains(refused.Words, "ipv7") {
		t.Errorf("refusal: %+v", refused)
	}
	trace.Pipeline = good
	if _, err := b.Replay(t.Context(), trace, replay.Purged); err != nil {
		t.Errorf("replay after that: %v", err)
	}
}

func TestUnknownBridge(t *testing.T) {
	_, err := lab.Open(t.Context(), image.Image{}, "dpdk")
	if !errors.As(err, new(*image.InputError)) {
		t.Errorf("open of a bridge that does not exist: %v", err)
	}
}

// TestConfined has a guest try to see files of the host outside its root.
func TestConfined(t *testing.T) {
	b := labtest.Bridge(t, "debian-11", lab.System)
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	up := strings.Repeat("../", 12)
	script := fmt.Sprintf("mkdir /tmp/h; mount -t hostfs none /tmp/h -o /%s && ls /tmp/h/etc; cat /tmp/h%s; cat %s", up, outside, outside)
	r, err := b.Exec(t.Context(), nil, "sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Stdout) > 0 {
		t.Errorf("a guest sees the host's files:\n%s", r.Stdout)
	}
}
