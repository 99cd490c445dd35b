package reduce_test

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/reduce"
	"github.com/ctdiff/ctdiff/replay"
)

// Each field becomes plain where nothing needs it; what is kept is of another
// class only if the predicate lets it be.
func TestPlain(t *testing.T) {
	classes := func(start replay.Trace) reduce.Predicate {
		list := func(t replay.Trace) (all []string) {
			for _, p := range t.Packets {
				all = append(all, oracle.ParseHeaders(p.Frame).Class())
			}
			return all
		}
		want := list(start)
		return func(_ context.Context, c replay.Trace) (bool, error) { return slices.Equal(list(c), want), nil }
	}
	ethernet := "hex 020000000009020000000008"
	for _, c := range []struct{ name, start, want string }{
		{"tcp", "p2 +1s tcp 192.0.2.1 40000 > 192.0.2.9 443 flags PA seq 9 ack 8 window 7 urgent 6 options 01010101 payload 686921 tos 4 ttl 9 ip-id 77 ip-flags none eth-src 0a:0a:0a:0a:0a:0a",
			"p1 +0s tcp 10.0.0.1 1001 > 10.0.0.2 1002 flags PA"},
		{"wrong checksum", "p1 +0s udp6 fd00::5 40000 > fd00::6 53 checksum 1", "p1 +0s udp6 2001:db8::1 1001 > 2001:db8::2 1002"},
		{"router advertisement", "p3 +0s icmp6 ra fe80::1 > ff02::1 flags m", "p1 +0s icmp6 echo-request 2001:db8::1 > 2001:db8::2"},
		{"icmp error", "p1 +0s icmp type 3 code 1 10.9.0.1 > 10.8.0.1 payload 4500001c0000400040110000c0000201c0000202" + "0001000200080000",
			"p1 +0s icmp type 3 code 0 10.0.0.1 > 10.0.0.2"},
		{"vlan", "p1 +0s " + ethernet + "88a8f00b8100f00c0800" + "4500001400000000401100000a0000010a000002",
			"p1 +0s hex 02000000000202000000000188a80001810000010800" + "4500001400004000401126d70a0000010a000002"},
		{"one vlan", "p1 +0s " + ethernet + "8100f00b0800" + "4500001400000000401100000a0000010a000002",
			"p1 +0s hex 0200000000020200000000010800" + "4500001400004000401126d70a0000010a000002"},
		{"extension headers", "p1 +0s " + ethernet + "86dd" + "60000000" + "0018" + "0040" + "20010db8000000000000000000000001" + "20010db8000000000000000000000002" +
			"3c00010400000000" + "1100010400000000" + "0001000200080000",
			"p1 +0s udp6 2001:db8::1 1001 > 2001:db8::2 1002"},
		{"arp", "p2 +0s " + ethernet + "0806" + "0001080006040001" + "02000000000a" + "c0000201" + "000000000000" + "c0000202",
			"p1 +0s hex 0200000000020200000000010806"},
		{"other", "p1 +0s " + ethernet + "88b5" + "ffff", "p1 +0s hex 02000000000202000000000188b5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := parse(t, "rule actions=drop\n"+c.start)
			got, err := reduce.Reduce(t.Context(), start, classes(start), reduce.Options{})
			if err != nil || !got.Minimal {
				t.Fatalf("minimal %v, %v", got.Minimal, err)
			}
			if diff := cmp.Diff("rule actions=drop\n"+c.want+"\n", format(t, got.Trace)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What belongs together stays together: a reply comes from where its request
// went.
func TestReply(t *testing.T) {
	start := parse(t, "rule actions=drop\np1 +0s udp6 fd00::5 40000 > fd00::6 53 payload 00\np2 +1ms udp6 fd00::6 53 > fd00::5 40000 payload 0011")
	replied := func(_ context.Context, c replay.Trace) (bool, error) {
		if len(c.Packets) < 2 {
			return false, nil
		}
		a, b := c.Packets[0].Frame, c.Packets[1].Frame
		x, y := oracle.ParseHeaders(a), oracle.ParseHeaders(b)
		return x.Src == y.Dst && x.Dst == y.Src && x.Src != x.Dst && string(a[54:56]) == string(b[56:58]) && string(a[56:58]) == string(b[54:56]), nil
	}
	got, err := reduce.Reduce(t.Context(), start, replied, reduce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const want = "rule actions=drop\np1 +0s udp6 2001:db8::1 1001 > 2001:db8::2 1002\np1 +0s udp6 2001:db8::2 1002 > 2001:db8::1 1001\n"
	if diff := cmp.Diff(want, format(t, got.Trace)); diff != "" {
		t.Error(diff)
	}
}

// A change leaves checksums and lengths right that were, and wrong ones as
// they were if they are needed.
func TestChecksums(t *testing.T) {
	wrong := func(c replay.Trace) bool {
		return strings.Contains(hex.EncodeToString(c.Packets[0].Frame), "dead")
	}
	start := parse(t, "rule actions=drop\np1 +0s icmp6 na fd00::5 > fd00::6 checksum 0xdead hlim 9")
	got, err := reduce.Reduce(t.Context(), start, func(_ context.Context, c replay.Trace) (bool, error) { return wrong(c), nil }, reduce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("rule actions=drop\np1 +0s icmp6 echo-request 2001:db8::1 > 2001:db8::2 checksum 0xdead\n", format(t, got.Trace)); diff != "" {
		t.Error(diff)
	}
	start = parse(t, "rule actions=drop\np1 +0s udp 192.0.2.7 5 > 192.0.2.8 6 payload 0102030405")
	needs := func(_ context.Context, c replay.Trace) (bool, error) {
		return len(c.Packets[0].Frame) >= 45 && strings.Contains(string(c.Packets[0].Frame), "\xc0\x00\x02\x07"), nil
	}
	if got, err = reduce.Reduce(t.Context(), start, needs, reduce.Options{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("rule actions=drop\np1 +0s udp 192.0.2.7 1001 > 10.0.0.2 1002 payload 000000\n", format(t, got.Trace)); diff != "" {
		t.Error(diff)
	}
}

// Rules go on to match on the addresses that they did.
func TestAddressesInRules(t *testing.T) {
	start := parse(t, "rule ipv6,ipv6_dst=fd00::6,actions=drop\np1 +0s udp6 fd00::5 1 > fd00::6 2")
	matches := func(_ context.Context, c replay.Trace) (bool, error) {
		return strings.Contains(c.Pipeline[0], "ipv6_dst="+oracle.ParseHeaders(c.Packets[0].Frame).Dst.String()), nil
	}
	got, err := reduce.Reduce(t.Context(), start, matches, reduce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const want = "rule ipv6,ipv6_dst=2001:db8::2,actions=drop\np1 +0s udp6 2001:db8::1 1001 > 2001:db8::2 1002\n"
	if diff := cmp.Diff(want, format(t, got.Trace)); diff != "" {
		t.Error(diff)
	}
}
