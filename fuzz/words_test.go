package fuzz

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

func parse(t testing.TB, lines ...string) replay.Trace {
	t.Helper()
	trace, err := tracetext.Parse(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func format(t testing.TB, trace replay.Trace) string {
	t.Helper()
	var b strings.Builder
	if err := tracetext.Format(&b, trace); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The words go through gopacket: that frames and checksums are right is its
// word, not only ours.
func TestRowsInWords(t *testing.T) {
	const (
		once    = 2
		fromP2  = once | 9<<2
		request = "icmp6 echo-request 2001:db8:0:f101::1 > 2001:db8:0:f101::2"
		answer  = "icmp6 echo-reply 2001:db8:0:f101::2 > 2001:db8:0:f101::1"
	)
	tests := map[string]struct {
		rows []row
		want []string
	}{
		"zero":       {[]row{{}}, []string{"p1 +0s " + request, "p1 +0s " + request}},
		"four":       {[]row{{atFlow: 3}}, []string{"p1 +0s " + request, "p1 +0s " + request, "p1 +0s " + request, "p1 +0s " + request}},
		"from p2":    {[]row{{atOp: 1, atFlow: fromP2}}, []string{"p2 +0s " + answer}},
		"p3":         {[]row{{atFlow: once | 14<<2}}, []string{"p3 +0s icmp6 echo-request 2001:db8:0:f101::3 > 2001:db8:0:f101::4"}},
		"gap":        {[]row{{atFlow: once, atGap: 0xef}}, []string{"p1 +800ms " + request}},
		"id":         {[]row{{atFlow: once, atOwn: 0xc0, atOwn + 1: 0x12, atOwn + 2: 0x34, atOwn + 3: 3}}, []string{"p1 +0s " + request + " id 0x1234 seq 65535"}},
		"payload":    {[]row{{atFlow: once, atPayload: 0x60 | 21}}, []string{"p1 +0s " + request + " payload 10" + "1112131415161718"[:14]}},
		"addresses":  {[]row{{atFlow: once, atAddresses: 0x99}}, []string{"p1 +0s icmp6 echo-request fe80::1 > fe80::2"}},
		"header":     {[]row{{atFlow: once, atHeader: 3 | 1<<3 | 2<<5}}, []string{"p1 +0s " + request + " hlim 255 tclass 184 flow-label 0x12345"}},
		"no sum":     {[]row{{atFlow: once, atSpoil: irregular | spoilNoChecksum}}, []string{"p1 +0s " + request + " checksum 0"}},
		"trailer":    {[]row{{atFlow: once, atSpoil: irregular | spoilTrailer}}, []string{"p1 +0s " + request + " trailer 000000000000"}},
		"code":       {[]row{{atFlow: once, atCode: 0x83}}, []string{"p1 +0s " + request + " code 3"}},
		"broadcast":  {[]row{{atFlow: once | 2<<6}}, []string{"p1 +0s " + request + " eth-dst ff:ff:ff:ff:ff:ff"}},
		"rsvp":       {[]row{{atFlow: once, atChain: oneExtension + hopByHop, atDelivery: 2}}, []string{"p1 +0s " + request + " router-alert 1"}},
		"ns":         {[]row{{atOp: 2, atFlow: once}}, []string{"p1 +0s icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2"}},
		"ns from ::": {[]row{{atOp: 2, atFlow: once, atAddresses: 0xa0}}, []string{"p1 +0s icmp6 ns :: > ff02::1:ff00:2 target 2001:db8:0:f101::2"}},
		"na":         {[]row{{atOp: 3, atFlow: fromP2}}, []string{"p2 +0s icmp6 na 2001:db8:0:f101::2 > 2001:db8:0:f101::1"}},
		"rs":         {[]row{{atOp: 4, atFlow: once}}, []string{"p1 +0s icmp6 rs fe80::1 > ff02::2"}},
		"ra":         {[]row{{atOp: 5, atFlow: once, atOwn + 2: 0xc5}}, []string{"p1 +0s icmp6 ra fe80::1 > ff02::1 sll none payload 05010000000005dc"}},
		"query":      {[]row{{atOp: 7, atFlow: once}}, []string{"p1 +0s icmp6 mld-query fe80::1 > ff02::1"}},
		"report":     {[]row{{atOp: 8, atFlow: once}}, []string{"p1 +0s icmp6 mld-report fe80::1 > ff02::1:ff00:1"}},
		"done":       {[]row{{atOp: 9, atFlow: once, atOwn: 0x8d}}, []string{"p1 +0s icmp6 mld-done fe80::1 > ff02::2 group ff02::fb"}},
		"report 2":   {[]row{{atOp: 10, atFlow: once}}, []string{"p1 +0s icmp6 mld2-report fe80::1 > ff02::16 group ff02::1:ff00:1"}},
		"too big": {[]row{{atFlow: once}, {atOp: 12, atFlow: once}}, []string{
			"p1 +0s " + request,
			"p2 +0s icmp6 packet-too-big 2001:db8:0:f101::2 > 2001:db8:0:f101::1 mtu 1280 payload " +
				"6000000000083a40" + "20010db80000f1010000000000000001" + "20010db80000f1010000000000000002" + "8000424200010001",
		}},
		"any":                 {[]row{{atOp: opAny, atFlow: once, atCode: 7, atOwn: 201, atOwn + 1: 0xab}}, []string{"p1 +0s icmp6 type 201 code 7 2001:db8:0:f101::1 > 2001:db8:0:f101::2 payload ab000000"}},
		"reply":               {[]row{{atFlow: once}, {atOp: opReply, atFlow: once}}, []string{"p1 +0s " + request, "p2 +0s " + answer}},
		"NS, NA":              {[]row{{atOp: 2, atFlow: once}, {atOp: opReply, atFlow: once}}, []string{"p1 +0s icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2", "p2 +0s icmp6 na 2001:db8:0:f101::2 > 2001:db8:0:f101::1"}},
		"RS, RA":              {[]row{{atOp: 4, atFlow: once}, {atOp: opReply, atFlow: once}}, []string{"p1 +0s icmp6 rs fe80::1 > ff02::2", "p2 +0s icmp6 ra fe80::2 > fe80::1"}},
		"query, report":       {[]row{{atOp: 7, atFlow: once}, {atOp: opReply, atFlow: once}}, []string{"p1 +0s icmp6 mld-query fe80::1 > ff02::1", "p2 +0s icmp6 mld-report fe80::2 > ff02::1:ff00:2"}},
		"vary":                {[]row{{atFlow: once}, {atOp: 0x15, atFlow: once, atOwn + 1: 14 + 7, atOwn + 3: 64 ^ 9}}, []string{"p1 +0s " + request, "p1 +0s " + request + " hlim 9"}},
		"nothing to reply to": {[]row{{atOp: opReply, atFlow: once}}, []string{"p2 +0s " + answer}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := parse(t, test.want...)
			got := Decode(seed(test.rows...), nil)
			if !reflect.DeepEqual(want, got) {
				t.Errorf("(-want +got):\n%s", cmp.Diff(format(t, want), format(t, got)))
			}
		})
	}
}

// A reply to a packet that is no ICMPv6 message is the packet, turned round;
// TCP's and UDP's checksums stay right.
func TestReplyToOthers(t *testing.T) {
	tests := map[string]struct{ packet, want string }{
		"udp6": {"p1 +0s udp6 2001:db8::1 1000 > 2001:db8::2 53", "p2 +0s udp6 2001:db8::2 53 > 2001:db8::1 1000"},
		"tcp":  {"p3 +0s tcp 10.0.0.1 1000 > 10.0.0.2 80", "p4 +0s tcp 10.0.0.2 80 > 10.0.0.1 1000"},
		"na":   {"p1 +0s icmp6 na 2001:db8::1 > ff02::1 eth-dst 02:00:00:00:00:02", "p2 +0s icmp6 na ff02::1 > 2001:db8::1 target 2001:db8::1 tll 02:00:00:00:00:01"},
		"arp":  {"p1 +0s hex ffffffffffff0200000000010806", "p2 +0s hex 0200000000010200000000020806"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			data, err := Encode(parse(t, test.packet))
			if err != nil {
				t.Fatal(err)
			}
			want := parse(t, test.packet, test.want)
			got := Decode(append(data, seed(row{atOp: opReply, atFlow: 2})...), nil)
			if !reflect.DeepEqual(want, got) {
				t.Errorf("(-want +got):\n%s", cmp.Diff(format(t, want), format(t, got)))
			}
		})
	}
}
