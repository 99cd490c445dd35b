package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"

	"github.com/ctdiff/ctdiff/corpus/report"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func table(t *testing.T, c oracletest.Case, opts report.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := report.Table(&b, c.Trace, c.Obs, oracle.Compare(c.Trace, c.Obs), opts); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTable(t *testing.T) {
	for _, c := range oracletest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			got := table(t, c, report.Options{})
			golden(t, c.Name+".txt", got)
			for line := range strings.Lines(string(got)) {
				if runewidth.StringWidth(strings.TrimSuffix(line, "\n")) > 100 {
					t.Errorf("wider than 100 columns: %s", line)
				}
				if strings.Contains(line, "\x1b") {
					t.Errorf("an escape without colours: %q", line)
				}
			}
		})
	}
}

func TestTableColorAndVerbose(t *testing.T) {
	c := oracletest.ChangedEntry("zone", func(e *replay.ConntrackEntry) { e.Zone = 0 })
	golden(t, "zone-color.txt", table(t, c, report.Options{Color: true, Width: 120, Verbose: true}))
}

// A kernel's last words must not command the terminal.
func TestTableEscapes(t *testing.T) {
	c := oracletest.Crashed()
	c.Obs[1].Crash = "BUG: \x1b[2J\x07bad"
	if got := table(t, c, report.Options{}); bytes.ContainsAny(got, "\x1b\x07") {
		t.Errorf("%q", got)
	}
}

// Of a long trace only what differs is shown.
func TestTableLong(t *testing.T) {
	c := oracletest.Case{Trace: oracletest.Trace(40, oracletest.NeighborSolicitation())}
	c.Obs = oracletest.Two(c.Trace, "-new-est+trk", "-new-est-rel-rpl+inv+trk")
	c.Obs[1].Packets[20].Outputs = []replay.Output{{Port: 2, Frame: c.Trace.Packets[20].Frame}}
	golden(t, "long.txt", table(t, c, report.Options{}))
}

func TestTableInconclusive(t *testing.T) {
	c := oracletest.Founding(oracletest.NeighborSolicitation())
	v := oracle.Confirm(c.Trace, [][]replay.Observation{c.Obs, oracletest.Fixed().Obs})
	var b bytes.Buffer
	if err := report.Table(&b, c.Trace, c.Obs, v, report.Options{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "inconclusive.txt", b.Bytes())
}

func TestJSON(t *testing.T) {
	run := report.Run{Trace: "sha256:0123", Profile: "debian-11", Level: replay.Purged, Repeat: 3}
	for _, c := range []oracletest.Case{oracletest.Founding(oracletest.NeighborSolicitation()), oracletest.NAT(), oracletest.Fixed()} {
		var line, b bytes.Buffer
		if err := report.NewJSON(run, oracle.Compare(c.Trace, c.Obs), c.Obs).Write(&line); err != nil {
			t.Fatal(err)
		}
		if bytes.Count(line.Bytes(), []byte("\n")) != 1 || bytes.Contains(line.Bytes(), []byte("null")) {
			t.Errorf("want one line without null: %s", line.Bytes())
		}
		if err := json.Indent(&b, line.Bytes(), "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, c.Name+".json", b.Bytes())
	}
}

func TestDescribe(t *testing.T) {
	nd := oracletest.NeighborSolicitation()
	tagged := append(append(append([]byte(nil), nd[:12]...), 0x81, 0, 0, 5), nd[12:]...)
	hop := append(append(append([]byte(nil), nd[:54]...), 58, 0, 5, 2, 0, 0, 1, 0), nd[54:]...)
	hop[20] = 0
	for _, c := range []struct {
		frame []byte
		want  string
	}{
		{nd, "ICMPv6 neighbor solicitation 2001:db8:0:f101::1 > ff02::1:ff00:2, 86 bytes"},
		{tagged, "ICMPv6 neighbor solicitation (1 VLAN tag) 2001:db8:0:f101::1 > ff02::1:ff00:2, 90 bytes"},
		{hop, "ICMPv6 neighbor solicitation (1 extension header) 2001:db8:0:f101::1 > ff02::1:ff00:2, 94 bytes"},
		{oracletest.ICMPv6("::1", "::2", 200), "ICMPv6 type 200 ::1 > ::2, 58 bytes"},
		{oracletest.TCP("10.0.0.1", "10.0.0.2", 1, 80, 0x12), "TCP SYN-ACK 10.0.0.1 port 1 > 10.0.0.2 port 80, 54 bytes"},
		{oracletest.UDP("10.0.0.1", "10.0.0.2", 1, 53), "UDP 10.0.0.1 port 1 > 10.0.0.2 port 53, 50 bytes"},
		{oracletest.Fragment(1, 8, false, nil), "UDP (fragment at 8) 10.0.0.1 > 10.0.0.2, 34 bytes"},
		{nd[:40], "malformed IP, 40 bytes"},
		{append(append([]byte(nil), nd[:12]...), 8, 6, 0), "ARP, 15 bytes"},
		{append(append([]byte(nil), nd[:12]...), 0x88, 0xcc), "Ethernet type 0x88cc, 14 bytes"},
		{nil, "no frame, 0 bytes"},
	} {
		if diff := cmp.Diff(c.want, report.Describe(c.frame)); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add(oracletest.NeighborSolicitation())
	f.Add(oracletest.TCP("10.0.0.1", "10.0.0.2", 1, 80, 0x12))
	f.Add(oracletest.Fragment(1, 8, false, nil))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if text := report.Describe(frame); text == "" || strings.ContainsAny(text, "\n\x1b") {
			t.Errorf("%q", text)
		}
	})
}

func ExampleExplain() {
	c := oracletest.Founding(oracletest.ICMPv6("2001:db8::1", "2001:db8::2", oracletest.EchoReply, 0, 7, 0, 1))
	c.Trace.Packets[1].Gap = time.Second
	words := report.Explain(c.Trace, c.Obs, oracle.Compare(c.Trace, c.Obs))
	os.Stdout.WriteString(strings.ReplaceAll(words, ". ", ".\n"))
	// Output:
	// Packet 1 (ICMPv6 echo reply 2001:db8::1 > 2001:db8::2, 62 bytes) is +trk in system but -trk in tc at recirculation 1.
	// With all bits looked at, it is +inv+trk in system but -inv-trk in tc at recirculation 1.
	// On all bridges it is dropped.
	// 1 more packet differs as well.
}
