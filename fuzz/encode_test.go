package fuzz

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
)

// encode fails the test unless t comes back from the bytes that it returns.
func encode(t testing.TB, want replay.Trace) []byte {
	t.Helper()
	data, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := Decode(data, want.Pipeline); !reflect.DeepEqual(want, got) {
		t.Fatalf("Decode(Encode(t)) (-want +got):\n%s", cmp.Diff(want, got))
	}
	return data
}

func opcodes(data []byte) []byte {
	var codes []byte
	for len(data) > 0 {
		r := row(data[:rowSize])
		data = data[rowSize:]
		codes = append(codes, r[atOp])
		if r[atOp] == opRaw {
			data = data[(r.rawLength()+rowSize-1)/rowSize*rowSize:]
		}
	}
	return codes
}

// What people write in words is what the grammar has.
func TestEncodeFindsOperations(t *testing.T) {
	const request = "p1 +0s icmp6 echo-request 2001:db8:0:f101::1 > 2001:db8:0:f101::2"
	tests := map[string]struct {
		lines []string
		want  []byte
	}{
		"founding": {[]string{
			"p1 +0s icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2",
			"p1 +800ms icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2",
			"p1 +800ms icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2",
		}, []byte{2, opRepeat, opRepeat}},
		"copies":      {[]string{request, request, request, request, request}, []byte{0, opRepeat}},
		"reply":       {[]string{request, "p2 +1us icmp6 echo-reply 2001:db8:0:f101::2 > 2001:db8:0:f101::1"}, []byte{0, opReply}},
		"own gap":     {[]string{"p1 +1234ns " + request[7:]}, []byte{opWait, 0}},
		"id":          {[]string{request + " id 4711 seq 12"}, []byte{0}},
		"checksum":    {[]string{request + " checksum 0"}, []byte{0}},
		"trailer":     {[]string{request + " trailer 000000000000"}, []byte{0}},
		"hop limit":   {[]string{request + " hlim 1 tclass 255 flow-label 1"}, []byte{0}},
		"alert":       {[]string{request + " router-alert 0"}, []byte{0}},
		"ns from ::":  {[]string{"p1 +0s icmp6 ns :: > ff02::1:ff00:1 target 2001:db8:0:f101::1"}, []byte{2}},
		"ns, no sll":  {[]string{"p1 +0s icmp6 ns fe80::1 > ff02::1:ff00:2 target fe80::2 sll none"}, []byte{2}},
		"na":          {[]string{"p2 +0s icmp6 na fe80::2 > ff02::1 flags o"}, []byte{3}},
		"rs":          {[]string{"p1 +0s icmp6 rs :: > ff02::2"}, []byte{4}},
		"ra":          {[]string{"p1 +0s icmp6 ra fe80::1 > ff02::1 cur-hlim 1 flags mo lifetime 0 reachable 1000 retrans 1"}, []byte{5}},
		"redirect":    {[]string{"p1 +0s icmp6 type 137 code 0 fe80::1 > 2001:db8:0:f101::2 hlim 255 payload 00000000" + strings.Repeat("0", 64)}, []byte{6}},
		"query":       {[]string{"p1 +0s icmp6 mld-query fe80::1 > ff02::1 max-delay 1000"}, []byte{7}},
		"query 2":     {[]string{"p1 +0s icmp6 mld-query fe80::1 > ff02::1 payload 027d0000"}, []byte{7}},
		"report":      {[]string{"p1 +0s icmp6 mld-report fe80::1 > ff02::fb"}, []byte{8}},
		"done":        {[]string{"p1 +0s icmp6 mld-done fe80::1 > ff02::2 group ff02::fb"}, []byte{9}},
		"report 2":    {[]string{"p1 +0s icmp6 mld2-report :: > ff02::16 group ff02::fb record 3"}, []byte{10}},
		"information": {[]string{"p1 +0s icmp6 type 139 code 0 fe80::1 > fe80::2 payload 0003001e0001020304050607"}, []byte{15}},
		"no payload":  {[]string{"p1 +0s icmp6 ns fe80::1 > fe80::2 target 2001:db8::77"}, []byte{opRaw}},
		"type":        {[]string{"p1 +0s icmp6 type 255 code 255 fe80::1 > fe80::2 payload 01020304"}, []byte{opAny}},
		"code":        {[]string{request + " code 77"}, []byte{opAny}},
		"elsewhere":   {[]string{"p1 +0s icmp6 echo-request 2001:db8::1 > 2001:db8::2"}, []byte{opRaw}},
		"udp":         {[]string{"p4 +720h udp6 fe80::1 5 > fe80::2 53"}, []byte{opRaw}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			data := encode(t, parse(t, test.lines...))
			if diff := cmp.Diff(test.want, opcodes(data)); diff != "" {
				t.Errorf("opcodes (-want +got):\n%s", diff)
			}
		})
	}
}

// rows that [Encode] finds again are made of those that are sent in one piece.
func TestEncodeFindsRandomRows(t *testing.T) {
	source, random := chacha(4)
	packets, raw := make([]int, 32), make([]int, 32)
	for range 3000 {
		var first, r row
		source.Read(first[atCode:])
		source.Read(r[:])
		first[atFlow], r[atFlow] = 2, r[atFlow]&^3|2
		r[atOp] = byte(random.IntN(32))
		r[atDelivery] &= 7
		trace := Decode(seed(first, r), nil)
		codes := opcodes(encode(t, trace))
		packets[r[atOp]]++
		if codes[len(codes)-1] == opRaw {
			raw[r[atOp]]++
		}
	}
	for code, op := range operations {
		found := 100 - 100*float64(raw[code])/float64(packets[code])
		t.Logf("%02x %-24s %5.1f %% found", code, op.name, found)
		if op.set != nil && op.kind > 4 && found < 45 {
			t.Errorf("of %s, only %.1f %% are found", op.name, found)
		}
	}
}

func TestEncodeDecoded(t *testing.T) {
	source, random := chacha(5)
	for range 2000 {
		data := make([]byte, random.IntN(160))
		source.Read(data)
		encode(t, Decode(data, Founding()))
	}
}

func randomTrace(random *rand.Rand, source *rand.ChaCha8, packets int) replay.Trace {
	var trace replay.Trace
	for range packets {
		p := replay.Packet{
			Port:  replay.Port(1 + random.IntN(replay.Ports)),
			Gap:   time.Duration(random.Int64N(int64(replay.MaxGap) + 1)),
			Frame: make([]byte, replay.MinFrame+random.IntN(replay.MaxFrame-replay.MinFrame+1)),
		}
		source.Read(p.Frame)
		if random.IntN(4) == 0 {
			p.Gap = 0
		}
		if random.IntN(4) == 0 {
			p.Frame[12], p.Frame[13] = 0x86, 0xdd
		}
		trace.Packets = append(trace.Packets, p)
	}
	return trace
}

func TestEncodeRawTraces(t *testing.T) {
	source, random := chacha(6)
	for range 200 {
		encode(t, randomTrace(random, source, 1+random.IntN(40)))
	}
	encode(t, randomTrace(random, source, replay.MaxPackets))
}

func TestEncodeExtremes(t *testing.T) {
	for _, size := range []int{replay.MinFrame, 15, 16, 17, replay.MaxFrame} {
		for _, gap := range []time.Duration{0, 1, replay.MaxGap - 1, replay.MaxGap} {
			frame := make([]byte, size)
			encode(t, replay.Trace{Packets: []replay.Packet{{Port: 4, Gap: gap, Frame: frame}, {Port: 4, Frame: frame}}})
		}
	}
}

// Every packet of a long trace of connections is found, and so the trace stays
// one that a fuzzer can work on.
func TestEncodeLongTrace(t *testing.T) {
	rows := []row{limitRow(replay.MaxPackets)}
	for i := range replay.MaxPackets / 2 {
		rows = append(rows,
			row{atFlow: 2, atOwn: rawNumber, atOwn + 1: byte(i >> 8), atOwn + 2: byte(i)},
			row{atOp: opReply, atFlow: 2})
	}
	trace := Decode(seed(rows...), nil)
	if len(trace.Packets) != replay.MaxPackets {
		t.Fatalf("%d packets", len(trace.Packets))
	}
	data := encode(t, trace)
	if bytes.IndexByte(opcodes(data), opRaw) >= 0 || len(data) > 16*(1+replay.MaxPackets) {
		t.Errorf("%d bytes for %d packets", len(data), replay.MaxPackets)
	}
}

func TestEncodeRefuses(t *testing.T) {
	tests := map[string]struct {
		trace replay.Trace
		want  string
	}{
		"nothing": {replay.Trace{}, "encoding trace: trace has no packets"},
		"frame":   {replay.Trace{Packets: []replay.Packet{{Port: 1, Frame: []byte{1}}}}, "packet 0: frame of 1 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			data, err := Encode(test.trace)
			if err == nil || data != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%x, %v; want %s", data, err, test.want)
			}
		})
	}
}
