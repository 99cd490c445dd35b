package move

import (
	"bytes"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

// places has what the letters in a template stand for, and where Move(1) puts
// it.
var places = map[string]struct{ from, to string }{
	"a":  {"20010db8 00000000 00000000 00000001", "20010db8 00000000 000000ff ff000001"},
	"b":  {"20010db8 00000000 00000000 00000002", "20010db8 00000000 000000ff ff000002"},
	"l":  {"fe800000 00000000 00000000 00000003", "fe800000 00000000 000000ff ff000003"},
	"m":  {"ff020000 00000000 00000000 00000001", "ff020000 00000000 00000000 00000001"},
	"v":  {"c0000201", "c0010200"}, // 192.0.2.1
	"w":  {"c6336402", "c6346401"}, // 198.51.100.2
	"x":  {"0b000001", "0b010000"}, // 11.0.0.1
	"id": {"00000005", "9e3779b6"},
}

var place = regexp.MustCompile(`\[(!?)(\w+)\]`)

// expand returns the frame of a template, as it is and moved: [a] moves, [!a]
// stays.
func expand(t testing.TB, template string) (from, to []byte) {
	t.Helper()
	fill := func(moved bool) []byte {
		text := place.ReplaceAllStringFunc(template, func(word string) string {
			m := place.FindStringSubmatch(word)
			p, ok := places[m[2]]
			if !ok {
				t.Fatalf("no place %s", word)
			}
			if moved && m[1] == "" {
				return p.to
			}
			return p.from
		})
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return fill(false), fill(true)
}

const (
	ether = "020000000002 020000000001 "
	udp6  = ether + "86dd 60000000 0008 11 40 [a] [b] 0001 0002 0008 beef"
	// unreach is an error that quotes the packet after it.
	unreach = " 0100 beef 00000000 "
	quote   = "60000000 0008 11 40 [a] [b] 0001 0002 0008 beef"
	quote4  = "45000014 00000000 4011 beef [v] [w]"
)

var frames = map[string]string{
	"IPv6":         udp6,
	"two tags":     ether + "8100 0001 88a8 0002 86dd" + udp6[len(ether)+4:],
	"five tags":    ether + strings.Repeat("8100 0001 ", 5) + "0800 " + quote4,
	"SNAP":         ether + "0040 aaaa03 000000 86dd" + udp6[len(ether)+4:],
	"another SNAP": ether + "0040 aaaa03 000001 86dd 60000000 0000 3b 40 [!a] [!b]",
	"LLC":          ether + "0040 42420300 0000 86dd 60000000 0000 3b 40 [!a] [!b]",
	"multicast, and a neighbor solicitation's target": ether + "86dd 60000000 0018 3a ff [l] [m] 8700 beef 00000000 [!a]",
	"a version that is none":                          ether + "86dd 00000000 0000 3b 40 [a] [b]",

	"all extension headers": ether + "86dd 60000000 0080 00 40 [a] [b] 3c00 000000000000 2b01 000000000000 0000000000000000" +
		"2c02 0001 00000000 [l] 3300 0000 [id] 3a04 000000000000 00000000 00000000 00000000 00000000" + unreach + quote,
	"ESP is the end":         ether + "86dd 60000000 0038 32 40 [a] [b] 3a00 000000000000" + unreach + "60000000 0000 3b 40 [!a] [!b]",
	"no next header":         ether + "86dd 60000000 0030 3b 40 [a] [b]" + unreach + "60000000 0000 3b 40 [!a] [!b]",
	"routing, type 0":        ether + "86dd 60000000 0028 2b 40 [a] [b] 3b04 0002 00000000 [l] [m]",
	"routing, type 2":        ether + "86dd 60000000 0018 2b 40 [a] [b] 3b02 0201 00000000 [a]",
	"routing, type 3":        ether + "86dd 60000000 0018 2b 40 [a] [b] 3b02 0301 00000000 [!a]",
	"routing, type 4":        ether + "86dd 60000000 0038 2b 40 [a] [b] 3b06 0401 01000000 [a] [b] [!l]",
	"routing, lying":         ether + "86dd 60000000 0018 2b 40 [a] [b] 3bff 04ff ff000000 [a]",
	"routing, odd":           ether + "86dd 60000000 0040 2b 40 [a] [b] 3a01 0001 00000000 beefbeefbeefbeef" + unreach + quote,
	"routing, cut":           ether + "86dd 60000000 0028 2b 40 [a] [b] 3b04 0002 00000000 [a] 20010db8 00000000 00000000 000000",
	"first fragment":         ether + "86dd 60000000 0040 2c 40 [a] [b] 3a00 0001 [id]" + unreach + quote,
	"later fragment":         ether + "86dd 60000000 0040 2c 40 [a] [b] 3a00 0008 [id]" + unreach + "60000000 0008 11 40 [!a] [!b] 0001 0002 0008 beef",
	"fragment header, cut":   ether + "86dd 60000000 0008 2c 40 [a] [b] 3a00 0001 000000",
	"two fragment headers":   ether + "86dd 60000000 0010 2c 40 [a] [b] 2c00 0001 [id] 3b00 0001 [id]",
	"packet in a packet":     ether + "86dd 60000000 0028 29 40 [a] [b] 60000000 0000 3b 40 [!a] [!b]",
	"IPv4 in a packet":       ether + "86dd 60000000 0014 04 40 [a] [b] 45000014 00000000 4011 beef [!v] [!w]",
	"error":                  ether + "86dd 60000000 0038 3a 40 [b] [a]" + unreach + quote,
	"error, no version":      ether + "86dd 60000000 0030 3a 40 [b] [a] 7f00 beef 00000000 00000000 0000 3b 40 [a] [b]",
	"echo request":           ether + "86dd 60000000 0030 3a 40 [b] [a] 8000 beef 00000000 60000000 0000 3b 40 [!a] [!b]",
	"error, quote cut":       ether + "86dd 60000000 002f 3a 40 [b] [a]" + unreach + "60000000 0000 3b 40 [!a] 20010db8 00000000 00000000 000000",
	"error, quote in a tail": ether + "86dd 60000000 002f 3a 40 [b] [a]" + unreach + "60000000 0000 3b 40 [!a] [!b]",
	"error that quotes an error": ether + "86dd 60000000 0060 3a 40 [b] [a]" + unreach + "60000000 0030 3a 40 [a] [b]" +
		unreach + "60000000 0000 3b 40 [!b] [!a]",
	"error, headers in the quote": ether + "86dd 60000000 0050 3a 40 [b] [a]" + unreach +
		"60000000 0020 2b 40 [a] [b] 2c02 0001 00000000 [l] 1100 0001 [!id]",
	"error, IPv4 in it":        ether + "86dd 60000000 001c 3a 40 [b] [a]" + unreach + "45000014 00000000 4011 beef [!v] [!w]",
	"redirect":                 ether + "86dd 60000000 0060 3a ff [l] [a] 8900 beef 00000000 [!l] [!b] 0406 0000 00000000" + quote,
	"redirect, another option": ether + "86dd 60000000 0060 3a ff [l] [a] 8900 beef 00000000 [!l] [!b] 0206 0000 00000000 60000000 0008 11 40 [!a] [!b] 0001 0002 0008 beef",
	"redirect, bare":           ether + "86dd 60000000 0028 3a ff [l] [a] 8900 beef 00000000 [!l] [!b]",

	"IPv4":                    ether + "0800 4500001c 00050000 4011 beef [v] [w] 0001 0002 0008 beef",
	"IPv4 with options":       ether + "0800 46000034 00050000 4001 beef [v] [w] 01010101 0300 beef 00000000" + quote4,
	"IPv4 error":              ether + "0800 45000030 00050000 4001 beef [w] [v] 0b00 beef 00000000" + quote4,
	"IPv4 error in fragments": ether + "0800 45000030 00052000 4001 beef [w] [v] 0500 beef 00000000" + quote4,
	"IPv4 later fragment":     ether + "0800 45000030 00050001 4001 beef [w] [v] 0300 beef 00000000 45000014 00000000 4011 beef [!v] [!w]",
	"IPv4 echo":               ether + "0800 45000030 00050000 4001 beef [w] [v] 0800 beef 00000000 45000014 00000000 4011 beef [!v] [!w]",
	"IPv4 ICMPv6":             ether + "0800 45000030 00050000 403a beef [w] [v] 0300 beef 00000000 45000014 00000000 4011 beef [!v] [!w]",
	"IPv4 error, IPv6 in it":  ether + "0800 45000044 00050000 4001 beef [w] [v] 0300 beef 00000000 60000000 0000 3b 40 20010db8 [v] 00000000 00000001 [!b]",
	"IPv4 quote cut":          ether + "0800 4500002f 00050000 4001 beef [w] [v] 0300 beef 00000000 45000014 00000000 4011 beef [!v] [!w]",
	"IPv4 error that quotes an error": ether + "0800 4500004c 00050000 4001 beef [w] [v] 0300 beef 00000000" +
		"45000030 00050000 4001 beef [v] [w] 0300 beef 00000000 45000014 00000000 4011 beef [!v] [!w]",
	// What would be the ICMP header begins with the destination.
	"IPv4 short header": ether + "0800 4400002c 00050000 4001 beef [v] [x] beefbeef 45000014 00000000 4011 beef [!v] [!w]",
	"IPv4 short length": ether + "0800 45000013 00050000 4011 beef [!v] [!w]",

	"ARP":           ether + "0806 0001 0800 0604 0001 020000000001 [!v] 000000000000 [!w]",
	"MPLS":          ether + "8847 00001140 45000014 00050000 4011 beef [!v] [!w]",
	"nothing":       "",
	"no type":       ether + "86",
	"no tag":        ether + "8100 00",
	"no SNAP":       ether + "0007 aaaa03 000000 86",
	"IPv6, 39 byte": ether + "86dd 60000000 0000 3b 40 [!a] 20010db8 00000000 00000000 000000",
	"IPv4, 19 byte": ether + "0800 45000014 00050000 4011 beef [!v] c63364",
}

func TestFrame(t *testing.T) {
	for name, template := range frames {
		t.Run(name, func(t *testing.T) {
			from, to := expand(t, template)
			for _, test := range []struct {
				name      string
				got, want []byte
			}{
				{"Frame", Move(1).Frame(nil, from), to},
				{"Back", Move(1).Back(nil, to), from},
				{"Move(0)", Move(0).Frame(nil, from), from},
				{"after what is there", Move(1).Frame([]byte("there"), from), append([]byte("there"), to...)},
				{"in place", Move(1).Frame(bytes.Clone(from)[:0], from), to},
			} {
				if !bytes.Equal(test.got, test.want) {
					t.Errorf("%s: (-want +got)\n%s", test.name, cmp.Diff(hex.Dump(test.want), hex.Dump(test.got)))
				}
			}
		})
	}
}

// Where the text has no checksum, it is right.
func TestChecksums(t *testing.T) {
	const (
		head   = "6000000000041140"
		tail   = "0001000200040000"
		a, b   = "20010db8000000000000000000000001", "20010db8000000000000000000000002"
		am, bm = "20010db800000000000001fffe000001", "20010db800000000000001fffe000002"
	)
	text := strings.Join([]string{
		"p1 +0s icmp6 echo-request 2001:db8::1 > 2001:db8::2 payload 0102030405",
		"p1 +0s icmp6 ns fe80::1 > ff02::1:ff00:2 target fe80::2",
		"p1 +0s icmp6 unreachable 2001:db8::2 > 2001:db8::1 code 4 payload " + head + a + b + tail,
		"p1 +0s tcp6 2001:db8::1 1024 > 2001:db8::2 80",
		"p1 +0s udp6 2001:db8::1 1024 > fe80::2 53 checksum 0x1234",
		"p1 +0s udp 192.0.2.1 1024 > 198.51.100.2 53 payload 616263",
		"p1 +0s tcp 192.0.2.1 1024 > 255.255.255.255 53 checksum 0xffff",
		"p1 +0s icmp echo-request 10.0.0.1 > 224.0.0.1",
	}, "\n") + "\n"
	want := strings.NewReplacer(
		"2001:db8::1 ", "2001:db8::1ff:fe00:1 ", "2001:db8::2 ", "2001:db8::1ff:fe00:2 ",
		"fe80::1 ", "fe80::1ff:fe00:1 ", "> fe80::2 ", "> fe80::1ff:fe00:2 ",
		"192.0.2.1 ", "192.2.1.255 ", "198.51.100.2 ", "198.53.100.0 ", "10.0.0.1 ", "10.1.255.255 ",
		a+b, am+bm,
	).Replace(text)
	trace, err := tracetext.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var moved replay.Trace
	for _, p := range trace.Packets {
		p.Frame = Move(2).Frame(nil, p.Frame)
		moved.Packets = append(moved.Packets, p)
	}
	var got strings.Builder
	if err := tracetext.Format(&got, moved); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
