package report

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

// dissected has a line for each field; one that is wrong begins with "!".
func dissected(frame []byte) string {
	var b strings.Builder
	for _, f := range dissect(frame) {
		mark := " "
		if f.Wrong {
			mark = "!"
		}
		fmt.Fprintf(&b, "%s %s | %s | %s | %s\n", mark, f.Layer, f.Name, f.Value, f.Bytes)
	}
	return b.String()
}

var dissectTrace = `
rule actions=drop
p1 +0s icmp6 ns 2001:db8::1 > ff02::1:ff00:2 target 2001:db8::2
p1 +0s icmp6 na 2001:db8::1 > 2001:db8::2 checksum 0x1234
p1 +0s icmp6 ra fe80::1 > ff02::1
p1 +0s icmp6 mld-report fe80::1 > ff02::1:ff00:2
p1 +0s icmp6 echo-request 2001:db8::1 > 2001:db8::2 tclass 4 flow-label 0x12345 payload 0102 trailer 0000
p1 +0s icmp6 packet-too-big 2001:db8::1 > 2001:db8::2 payload 60000000
p1 +0s icmp6 type 200 code 3 2001:db8::1 > 2001:db8::2
p1 +0s icmp echo-request 10.0.0.1 > 10.0.0.2 ttl 3 tos 8
p1 +0s udp 10.0.0.1 5000 > 10.0.0.2 53 checksum 0x0000 payload 0102
p1 +0s udp6 2001:db8::1 5000 > 2001:db8::2 53 payload 0102
p1 +0s tcp 10.0.0.1 40000 > 10.0.0.2 80 flags SA options 01010101
`

func TestDissect(t *testing.T) {
	trace, err := tracetext.Parse(strings.NewReader(dissectTrace))
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for _, p := range trace.Packets {
		frames = append(frames, p.Frame)
	}
	ns := frames[0]
	tagged := append(append(append([]byte(nil), ns[:12]...), 0x88, 0xa8, 0x20, 7, 0x81, 0, 0, 5), ns[12:]...)
	hop := append(append(append([]byte(nil), ns[:54]...), 44, 0, 5, 2, 0, 0, 1, 0, 58, 0, 0, 1, 0, 0, 0, 9), ns[54:]...)
	hop[20], hop[19] = 0, hop[19]+16
	frames = append(frames, tagged, hop, ns[:60], ns[:50], oracletest.Fragment(7, 8, true, []byte("12345678")), append(ns[:12:12], 8, 6, 0))
	got := ""
	for i, f := range frames {
		got += fmt.Sprintf("frame %d: %s\n%s", i, Describe(f), dissected(f))
	}
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile("testdata/dissect.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/dissect.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("testdata/dissect.txt (-want +got):\n%s", diff)
	}
}

func FuzzDissect(f *testing.F) {
	f.Add(oracletest.NeighborSolicitation())
	f.Add(oracletest.TCP("10.0.0.1", "10.0.0.2", 1, 80, 0x12))
	f.Add(oracletest.UDP("10.0.0.1", "10.0.0.2", 1, 80))
	f.Add(oracletest.Fragment(1, 8, false, nil))
	f.Fuzz(func(t *testing.T, frame []byte) {
		keys := map[string]bool{}
		for _, x := range dissect(frame) {
			if x.Name == "" || x.Bytes == "" || keys[x.key] {
				t.Errorf("field %+v", x)
			}
			keys[x.key] = true
		}
	})
}

func TestTablesOf(t *testing.T) {
	for _, c := range []struct {
		rules []string
		want  string
	}{
		{oracletest.Pipeline(), "table 0|table 1||"},
		{oracletest.Loop().Trace.Pipeline, "table 0|table 0|table 0|table 0"},
		{[]string{"actions=goto_table:3", "table=3,ip,actions=ct(commit,nat(src=10.0.0.1),table=4)", "table=3, arp, actions=ct(table=5)", "table=4,actions=resubmit(,6)", "table=6,actions=ct(table=7)"}, "table 0|tables 4, 5|table 7|"},
		{nil, "table 0|||"},
	} {
		if got := strings.Join(tablesOf(c.rules, 4), "|"); got != c.want {
			t.Errorf("%q: %s, want %s", c.rules, got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0 s", 4.25: "4.2 s", 59.94: "59.9 s", 60: "1 min", 62: "1 min 2 s", 3600: "1 h", 7500: "2 h 5 min"} {
		if got := duration(seconds); got != want {
			t.Errorf("%v: %s, want %s", seconds, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for word, want := range map[string]string{"debian-11": "debian-11", "a b": "'a b'", "it's": `'it'\''s'`, "-x": "'-x'", "": "''", "$(x)": "'$(x)'"} {
		if got := quoted(word); got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
	for text, want := range map[string]string{"a|b": "`a\\|b`", "a`b": "``a`b``", "`": "`` ` ``"} {
		if got := codeSpan(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
