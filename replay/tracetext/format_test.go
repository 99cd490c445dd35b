package tracetext

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

// packets are in the form that Format writes. With each is a part of what
// tcpdump -v says of it, unless that is empty.
var packets = []struct{ words, tcpdump string }{
	{"icmp6 ns 2001:db8::1 > ff02::1:ff00:2 target 2001:db8::2", "(hlim 255, next-header ICMPv6 (58) payload length: 32) 2001:db8::1 > ff02::1:ff00:2: [icmp6 sum ok] ICMP6, neighbor solicitation, length 32, who has 2001:db8::2"},
	{"icmp6 ns 2001:db8::1 > ff02::1:ff00:2 target 2001:db8::2 sll none", "payload length: 24"},
	{"icmp6 ns :: > ff02::1:ff00:2 target 2001:db8::2", "payload length: 24) :: > ff02::1:ff00:2: [icmp6 sum ok] ICMP6, neighbor solicitation, length 24"},
	{"icmp6 ns :: > ff02::1:ff00:2 target 2001:db8::2 sll 02:00:00:00:00:01", "payload length: 32"},
	{"icmp6 ns fe80::1 > ff02::1:ff00:2 target fe80::2 code 1 eth-src 02:00:00:00:00:99 hlim 64 tclass 4 flow-label 0x12345 checksum 0x0000", "(class 0x04, flowlabel 0x12345, hlim 64,"},
	{"icmp6 na 2001:db8::2 > 2001:db8::1", "[icmp6 sum ok] ICMP6, neighbor advertisement, length 32, tgt is 2001:db8::2, Flags [solicited, override]"},
	{"icmp6 na 2001:db8::2 > ff02::1 target 2001:db8::3 flags r tll none", "length 24, tgt is 2001:db8::3, Flags [router]"},
	{"icmp6 rs fe80::1 > ff02::2", "[icmp6 sum ok] ICMP6, router solicitation, length 16"},
	{"icmp6 rs :: > ff02::2", "[icmp6 sum ok] ICMP6, router solicitation, length 8"},
	{"icmp6 ra fe80::1 > ff02::1 cur-hlim 255 flags om lifetime 9 reachable 7 retrans 8", "hop limit 255, Flags [managed, other stateful], pref medium, router lifetime 9s, reachable time 7ms, retrans timer 8ms"},
	{"icmp6 ra fe80::1 > ff02::1 payload 0501000000000500", "mtu option (5), length 8 (1):  1280"},
	{"icmp6 echo-request 2001:db8::1 > 2001:db8::2 id 7 seq 2 payload 00ff", "(hlim 64, next-header ICMPv6 (58) payload length: 10) 2001:db8::1 > 2001:db8::2: [icmp6 sum ok] ICMP6, echo request, id 7, seq 2"},
	{"icmp6 echo-reply 2001:db8::2 > 2001:db8::1", "[icmp6 sum ok] ICMP6, echo reply, id 1, seq 1"},
	{"icmp6 echo-reply 2001:db8::2 > 2001:db8::1 router-alert 5", "HBH (rtalert: 0x0005)"},
	{"icmp6 mld-query fe80::1 > ff02::1", "(hlim 1, next-header Options (0) payload length: 32) fe80::1 > ff02::1: HBH (rtalert: 0x0000) (padn) [icmp6 sum ok] ICMP6, multicast listener query"},
	{"icmp6 mld-query fe80::1 > ff02::1 router-alert none", "next-header ICMPv6 (58) payload length: 24"},
	{"icmp6 mld-report fe80::1 > ff02::db8", "addr: ff02::db8"},
	{"icmp6 mld-done fe80::1 > ff02::2 group ff02::db8", "[icmp6 sum ok] ICMP6, multicast listener done"},
	{"icmp6 mld2-report fe80::1 > ff02::16 group ff02::db8", "[icmp6 sum ok] ICMP6, multicast listener report v2, 1 group record(s) [gaddr ff02::db8 to_ex"},
	{"icmp6 mld2-report fe80::1 > ff02::16 group ff02::db8 record 3", "[gaddr ff02::db8 to_in"},
	{"icmp6 unreachable 2001:db8::2 > 2001:db8::1 code 4 payload 60000000", "ICMP6, destination unreachable"},
	{"icmp6 packet-too-big 2001:db8::2 > 2001:db8::1 mtu 1400", "ICMP6, packet too big, mtu 1400"},
	{"icmp6 packet-too-big 2001:db8::2 > 2001:db8::1", "ICMP6, packet too big, mtu 1280"},
	{"icmp6 time-exceeded 2001:db8::2 > 2001:db8::1", "ICMP6, time exceeded in-transit"},
	{"icmp6 parameter-problem 2001:db8::2 > 2001:db8::1 pointer 40 code 1", "ICMP6, parameter problem"},
	{"icmp6 type 200 code 3 2001:db8::1 > 2001:db8::2 payload 0102", "payload length: 6) 2001:db8::1 > 2001:db8::2: [icmp6 sum ok] ICMP6"},
	{"icmp6 type 135 code 0 2001:db8::1 > 2001:db8::2", ""},
	{"icmp6 echo-request ::ffff:1.2.3.4 > ::1", ""},
	{"tcp6 2001:db8::1 1000 > 2001:db8::2 80", "2001:db8::1.1000 > 2001:db8::2.80: Flags [S], cksum 0x5036 (correct), seq 0, win 65535, length 0"},
	{"tcp6 2001:db8::1 1000 > 2001:db8::2 80 flags PA seq 1 ack 4294967295 window 1 payload 68690a", "Flags [P.]"},
	{"tcp6 2001:db8::1 1000 > 2001:db8::2 80 flags none options 020405a001010402", "Flags [none]"},
	{"tcp 192.0.2.1 1000 > 192.0.2.2 80 flags FSRPAUEC urgent 9 trailer 000000000000", "(tos 0x0, ttl 64, id 0, offset 0, flags [DF], proto TCP (6), length 40)"},
	{"udp6 2001:db8::1 1000 > 2001:db8::2 53 payload 00", "[udp sum ok]"},
	{"udp6 2001:db8::1 1000 > 2001:db8::2 53 checksum 0x0000", ""},
	{"udp 192.0.2.1 1000 > 255.255.255.255 7 ttl 1 tos 16 ip-id 9 ip-flags none", "(tos 0x10, ttl 1, id 9, offset 0, flags [none], proto UDP (17), length 28)"},
	{"udp 192.0.2.1 1000 > 224.129.2.3 7 ip-flags mde payload 00", "flags [+, DF, rsvd]"},
	{"icmp echo-request 192.0.2.1 > 192.0.2.2 seq 2 payload 0000", "ICMP echo request, id 1, seq 2, length 10"},
	{"icmp echo-reply 192.0.2.2 > 192.0.2.1 code 1", ""},
	{"icmp type 3 code 1 192.0.2.2 > 192.0.2.1", "192.0.2.2 > 192.0.2.1: [|icmp]"},
	{"icmp type 17 code 0 192.0.2.2 > 192.0.2.1 id 3 payload ff", ""},
}

func allPackets() string {
	var b strings.Builder
	for i, p := range packets {
		fmt.Fprintf(&b, "p%d +0s %s\n", 1+i%replay.Ports, p.words)
	}
	// Neither has all of its packet in words: wrong length, no IP.
	b.WriteString("p1 +1.5us hex " + foundingFrame[:len(foundingFrame)-2] + "\n")
	b.WriteString("p4 +720h0m0s hex 02000000000202000000000108060001\n")
	return b.String()
}

// TestFormatIsShortest reads packets in their shortest form and writes them in
// it again.
func TestFormatIsShortest(t *testing.T) {
	want := "rule ipv6,actions=normal\n" + strings.ReplaceAll(allPackets(), "sll 02:00:00:00:00:01", "sll 02:00:00:00:00:04")
	trace, err := Parse(strings.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	if err := Format(&got, trace); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestFormatReportsWriter(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	trace := replay.Trace{Packets: []replay.Packet{{Port: 1, Frame: make([]byte, 60)}}}
	if err := Format(w, trace); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v, want %v", err, io.ErrClosedPipe)
	}
}

// TestTcpdumpAgrees asks tcpdump what the packets are.
func TestTcpdumpAgrees(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("tcpdump is not installed")
	}
	for _, p := range packets {
		if p.tcpdump == "" {
			continue
		}
		t.Run(p.words, func(t *testing.T) {
			trace, err := Parse(strings.NewReader("p1 +0s " + p.words))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "t.pcapng")
			if err := tracefile.WriteFile(path, trace); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("tcpdump", "-nvr", path).Output()
			if err != nil {
				t.Fatal(err)
			}
			if got := string(bytes.Join(bytes.Fields(out), []byte(" "))); !strings.Contains(got, strings.Join(strings.Fields(p.tcpdump), " ")) {
				t.Errorf("tcpdump says %s, want %s", got, p.tcpdump)
			}
		})
	}
}

func TestDefaultMACs(t *testing.T) {
	tests := []struct{ line, want string }{
		{"p1 +0s udp6 ::1 1 > ::2 2", "020000000002020000000001"},
		{"p2 +0s udp6 ::1 1 > ::2 2", "020000000001020000000002"},
		{"p3 +0s udp 1.1.1.1 1 > 2.2.2.2 2", "020000000004020000000003"},
		{"p4 +0s udp 1.1.1.1 1 > 2.2.2.2 2", "020000000003020000000004"},
		{"p1 +0s udp6 ::1 1 > ff02::1:ff00:2 2", "3333ff000002020000000001"},
		{"p1 +0s udp 1.1.1.1 1 > 239.129.2.3 2", "01005e010203020000000001"},
		{"p1 +0s udp 1.1.1.1 1 > 255.255.255.255 2", "ffffffffffff020000000001"},
		{"p1 +0s udp 1.1.1.1 1 > 2.2.2.2 2 eth-dst 0a:0b:0c:0d:0e:0f eth-src 01:02:03:04:05:06", "0a0b0c0d0e0f010203040506"},
	}
	for _, test := range tests {
		trace, err := Parse(strings.NewReader(test.line))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(unhex(t, test.want), trace.Packets[0].Frame[:12]); diff != "" {
			t.Errorf("%s: MACs (-want +got):\n%s", test.line, diff)
		}
	}
}

// TestUDPChecksumZero has the one checksum that UDP writes as another: 0.
func TestUDPChecksumZero(t *testing.T) {
	const line = "p1 +0s udp6 ::1 0 > ::1 0 payload "
	for n := range 1 << 16 {
		text := fmt.Sprintf("%s%04x", line, n)
		frame, err := parseFrame(1, &wordList{words: strings.Fields(text)[2:]})
		if err != nil {
			t.Fatal(err)
		}
		if sum := frame[14+40+6:][:2]; sum[0] == 0 && sum[1] == 0 {
			t.Fatalf("%q gives a checksum of 0, which means that there is none", text)
		}
	}
}
