package tracefile

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ctdiff/ctdiff/replay"
)

// run runs a tool that the test needs, without name look-ups.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	var stderr strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	return string(out)
}

func writeTemp(t *testing.T, trace replay.Trace) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.pcapng")
	if err := WriteFile(path, trace); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTcpdumpReads(t *testing.T) {
	got := run(t, "tcpdump", "-n", "--nano", "-tt", "-r", writeTemp(t, foundingTrace()))
	const solicits = "IP6 2001:db8:0:f101::1 > ff02::1:ff00:2: ICMP6, neighbor solicitation, who has 2001:db8:0:f101::2, length 32"
	for _, want := range []string{"0.000000000 " + solicits, "0.800000000 " + solicits, "0.800000001 "} {
		if !strings.Contains(got, want) {
			t.Errorf("tcpdump's output lacks %q:\n%s", want, got)
		}
	}
}

func TestTsharkReads(t *testing.T) {
	got := run(t, "tshark", "-n", "-r", writeTemp(t, foundingTrace()), "-T", "fields", "-E", "separator=;",
		"-e", "frame.interface_name", "-e", "frame.time_relative", "-e", "frame.packet_flags_direction",
		"-e", "frame.len", "-e", "icmpv6.checksum.status", "-e", "icmpv6.nd.ns.target_address")
	want := []string{
		"p1;0.000000000;0x00000001;86;1;2001:db8:0:f101::2",
		"p1;0.800000000;0x00000001;86;1;2001:db8:0:f101::2",
		"p2;0.800000001;0x00000001;61;",
	}
	lines := strings.Split(strings.TrimSpace(got), "\n")
	for i, w := range want {
		if i >= len(lines) || !strings.HasPrefix(lines[i], w) {
			t.Fatalf("tshark says\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	}
}

func TestToolsReadLargest(t *testing.T) {
	path := writeTemp(t, largestTrace())
	run(t, "tcpdump", "-n", "-c", "1", "-r", path)
	run(t, "tshark", "-n", "-c", "1", "-r", path)
}

// TestResaved reads a trace that Wireshark's tools have written anew.
func TestResaved(t *testing.T) {
	for name, want := range map[string]replay.Trace{"founding": foundingTrace(), "largest": largestTrace()} {
		t.Run(name, func(t *testing.T) {
			path := writeTemp(t, want)
			resaved := path + ".resaved"
			run(t, "tshark", "-n", "-r", path, "-w", resaved)
			got, err := ReadFile(resaved, ImportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := diff(want, got); diff != "" {
				t.Errorf("trace (-want +got):\n%s", diff)
			}
		})
	}
}
