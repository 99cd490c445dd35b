package tracetext

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

const founding = `# the founding report
rule table=0,in_port=p1,ct_state=-trk,ipv6,actions=ct(table=1)
rule table=1,in_port=p1,ct_state=+trk+new,ipv6,actions=ct(commit),output:p2   # new

p1 +0ms icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2
p2	+1h0.000000001s hex 3333ff000002020000000001 # no ethertype
p1 +800ms icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2
`

// foundingFrame is the neighbor solicitation of the founding report: 86 bytes.
const foundingFrame = "3333ff000002" + "020000000001" + "86dd" +
	"60000000" + "0020" + "3a" + "ff" +
	"20010db80000f1010000000000000001" + "ff0200000000000000000001ff000002" +
	"8700" + "3a23" + "00000000" + "20010db80000f1010000000000000002" +
	"0101020000000001"

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	text := strings.Replace(founding, "020000000001 #", "02000000000186dd #", 1)
	got, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := replay.Trace{
		Pipeline: replay.Pipeline{
			"table=0,in_port=p1,ct_state=-trk,ipv6,actions=ct(table=1)",
			"table=1,in_port=p1,ct_state=+trk+new,ipv6,actions=ct(commit),output:p2",
		},
		Packets: []replay.Packet{
			{Port: 1, Frame: unhex(t, foundingFrame)},
			{Port: 2, Gap: time.Hour + 1, Frame: unhex(t, foundingFrame[:28])},
			{Port: 1, Gap: 800 * time.Millisecond, Frame: unhex(t, foundingFrame)},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
	if n := len(got.Packets[0].Frame); n != 86 {
		t.Errorf("the solicitation has %d bytes, the founding report's 86", n)
	}
}

func TestParseRefuses(t *testing.T) {
	const ns = "p1 +0s icmp6 ns ::1 > ::2 target ::2 "
	tests := map[string]struct{ text, want string }{
		"nothing":      {"# none\n", "trace has no packets"},
		"short frame":  {founding, "line 6: frame of 12 bytes: not 14 to 1522"},
		"word":         {"\nflow drop", `line 2, word 1: "flow": neither rule nor one of p1 to p4`},
		"port":         {"p5 +0s hex 00", `word 1: "p5": neither`},
		"rule":         {"rule", "line 1: rule is empty"},
		"control":      {"rule a\x01b", "line 1: rule \"a\\x01b\": has a control character"},
		"no gap":       {"p1", "line 1: the line ends where a gap such as +800ms should follow"},
		"gap":          {"p1 800ms", `line 1, word 2: "800ms": not a gap: want a +`},
		"gap unit":     {"p1 +800", `line 1, word 2: "+800": not a gap`},
		"negative gap": {"p1 +-1s", `line 1, word 2: "+-1s": not a gap`},
		"long gap":     {"p1 +721h", `line 1, word 2: "+721h": not a gap: want a duration from +0s to +720h0m0s`},
		"no frame":     {"p1 +0s", "the line ends where hex or a protocol"},
		"protocol":     {"p1 +0s sctp", `line 1, word 3: "sctp": not one of hex, icmp6`},
		"no hex":       {"p1 +0s hex", "the line ends where the frame"},
		"odd hex":      {"p1 +0s hex 000", `line 1, word 4: "000": not bytes in hexadecimal: encoding/hex: odd length`},
		"long word":    {"p1 +0s hex " + strings.Repeat("x", 100), "word 4: \"" + strings.Repeat("x", 40) + "…\""},
		"more hex":     {"p1 +0s hex 00 00", `line 1, word 5: "00": the line should end before this`},
		"long frame":   {"p1 +0s udp 1.2.3.4 1 > 5.6.7.8 2 payload " + strings.Repeat("00", 1500), "frame of 1542 bytes"},
		"kind":         {"p1 +0s icmp6 NS", `line 1, word 4: "NS": not one of ns, na, rs`},
		"type":         {"p1 +0s icmp6 type 256", `line 1, word 5: "256": not a number from 0 to 255`},
		"no code":      {"p1 +0s icmp6 type 200 ::1", `line 1, word 6: "::1": want "code" here`},
		"address":      {"p1 +0s icmp6 ns 1.2.3.4", `line 1, word 5: "1.2.3.4": not an IPv6 address`},
		"zone":         {"p1 +0s icmp6 ns fe80::1%eth0", "not an IPv6 address"},
		"IPv4":         {"p1 +0s icmp echo-request ::1", `"::1": not an IPv4 address`},
		"arrow":        {"p1 +0s icmp6 ns ::1 ::2", `line 1, word 6: "::2": want ">" here`},
		"udp port":     {"p1 +0s udp 1.2.3.4 65536", `line 1, word 5: "65536": not a number from 0 to 65535`},
		"key":          {ns + "ttl 1", `line 1, word 10: "ttl": no such key here, only eth-src, eth-dst, code, target, sll, payload`},
		"value":        {ns + "hlim", "the line ends where the value of hlim should follow"},
		"number":       {ns + "hlim 300", `line 1, word 11: "300": hlim: not a number from 0 to 255`},
		"flow label":   {ns + "flow-label 0x100000", "not a number from 0 to 1048575"},
		"twice":        {ns + "hlim 1 hlim 2", `line 1, word 12: "hlim": given twice`},
		"mac":          {ns + "eth-src 02:00:00:00:00", "eth-src: not a MAC address"},
		"sll":          {ns + "sll maybe", `"maybe": sll: not a MAC address`},
		"payload":      {ns + "payload 0x00", "payload: encoding/hex: invalid byte"},
		"alert":        {ns + "router-alert yes", "router-alert: not a number"},
		"no target":    {"p1 +0s icmp6 ns ::1 > ::2", "line 1: lacks a key: target ADDRESS"},
		"target":       {"p1 +0s icmp6 ns ::1 > ::2 target x", `line 1, word 9: "x": target: not an IPv6 address`},
		"flags":        {"p1 +0s tcp6 ::1 1 > ::2 2 flags SX", `"SX": flags: want letters of FSRPAUEC`},
		"flags twice":  {"p1 +0s tcp6 ::1 1 > ::2 2 flags SS", "each at most once"},
		"no bit":       {"p1 +0s icmp6 na ::1 > ::2 flags -", "want letters of osr"},
		"options":      {"p1 +0s tcp6 ::1 1 > ::2 2 options 010101", "options: want a multiple of 4 bytes"},
		"not UTF-8":    {"# \xff", "line 1: not UTF-8"},
		"long line":    {"\n#" + strings.Repeat(" ", maxLine), "line 2: longer than"},
		"rules":        {strings.Repeat("rule drop\n", replay.MaxRules+1), "line 4097: more than 4096 rules"},
		"packets":      {strings.Repeat("p1 +0s hex 0000000000000000000000000000\n", replay.MaxPackets+1), "line 4097: more than 4096 packets"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(strings.NewReader(test.text))
			var input *tracefile.InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want an InputError with %q", err, test.want)
			}
		})
	}
}

func TestParseReportsReader(t *testing.T) {
	_, err := Parse(iotest.ErrReader(io.ErrNoProgress))
	var input *tracefile.InputError
	if !errors.Is(err, io.ErrNoProgress) || errors.As(err, &input) {
		t.Errorf("error %v, want %v that is no InputError", err, io.ErrNoProgress)
	}
}

func TestFormatRefuses(t *testing.T) {
	for _, trace := range []replay.Trace{
		{},
		{Pipeline: replay.Pipeline{"a#b"}, Packets: []replay.Packet{{Port: 1, Frame: make([]byte, 60)}}},
	} {
		var b bytes.Buffer
		if err := Format(&b, trace); err == nil || b.Len() != 0 {
			t.Errorf("error %v, %d bytes written; want an error and none", err, b.Len())
		}
	}
}
