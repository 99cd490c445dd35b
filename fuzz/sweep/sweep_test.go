package sweep

import (
	"bytes"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

var update = flag.Bool("update", false, "write the golden files")

// summary has a line for each class.
func summary(t *Table) (lines []string) {
	for _, c := range t.Classes {
		var parts []string
		for _, b := range blocks(c.Cases) {
			parts = append(parts, b.String())
		}
		lines = append(lines, fmt.Sprintf("%v %s: %s %s", c.Connected(), strings.Join(parts, " "), c.Verdict(), c.Reason))
	}
	return lines
}

func sameLines(t *testing.T, table *Table, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, summary(table)); diff != "" {
		t.Errorf("classes (-want +got)\n%s", diff)
	}
}

// goldenTable has the founding bug, and of one code a new one.
func goldenTable(t *testing.T) *Table {
	t.Helper()
	return swept(t, &fakeBridge{wrong: func(_ int, _ replay.Level, kind, code uint8, w *replay.PacketWay) {
		untracked(w)
		if kind == 128 && code == 9 {
			w.Outputs = nil
		}
	}}, replay.Warm, 1, 3, 128, 129, 135, 137, 200)
}

func TestGolden(t *testing.T) {
	table := goldenTable(t)
	table.Profile = "debian-11"
	for _, form := range []struct {
		file  string
		write func(*Table, io.Writer) error
	}{{"testdata/table.txt", (*Table).Text}, {"testdata/table.json", (*Table).JSON}} {
		var got bytes.Buffer
		if err := form.write(table, &got); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(form.file, got.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(form.file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", form.file, diff)
		}
	}
}

func TestCSV(t *testing.T) {
	var text bytes.Buffer
	if err := goldenTable(t).CSV(&text); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&text).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + 7*2*Codes; len(rows) != want {
		t.Fatalf("%d rows, want %d", len(rows), want)
	}
	const founding = "system~tc/ct_state/recirc1/-inv-trk/icmpv6"
	for n, want := range map[int][]string{
		0:                 {"type", "code", "connection", "name", "class", "verdict", "signature", "system", "tc"},
		1 + 2*Codes + 9:   {"128", "9", "false", "echo request", "3", "diverge", "system~tc/verdict/dropped/icmpv6", "+new+trk, leaves by p2, own connection CONFIRMED", "+new+trk, dropped, own connection CONFIRMED"},
		1 + 4*Codes:       {"135", "0", "false", "neighbor solicitation", "1", "known", founding, "+inv+trk, dropped", "-trk, dropped"},
		1 + 7*Codes + 255: {"1", "255", "true", "destination unreachable", "4", "agree", "", "+rel+rpl+trk, dropped, echo's connection CONFIRMED SEEN_REPLY", "+rel+rpl+trk, dropped, echo's connection CONFIRMED SEEN_REPLY"},
	} {
		if diff := cmp.Diff(want, rows[n]); diff != "" {
			t.Errorf("row %d (-want +got)\n%s", n, diff)
		}
	}
}

// What a trace shows once is not believed.
func TestOnce(t *testing.T) {
	table := swept(t, &fakeBridge{wrong: func(number int, _ replay.Level, _, code uint8, w *replay.PacketWay) {
		if number == 1 || number == 7 && code > 100 {
			untracked(w)
		}
	}}, replay.Warm, 200)
	sameLines(t, table, "false 200/*: agree ", "true 200/*: agree ")
}

func TestUnsteady(t *testing.T) {
	table := swept(t, &fakeBridge{wrong: func(number int, _ replay.Level, _, code uint8, w *replay.PacketWay) {
		if code == 3 {
			w.Outputs = slices.Repeat([]replay.Output{{Port: 3}}, number)
		}
	}}, replay.Warm, 200)
	sameLines(t, table,
		"false 200/0-2,4-255: agree ", "false 200/3: inconclusive the bridges do not do the same each time",
		"true 200/0-2,4-255: agree ", "true 200/3: inconclusive the bridges do not do the same each time")
	var text bytes.Buffer
	if err := errors.Join(table.Text(&text), table.CSV(&text), table.JSON(&text)); err != nil {
		t.Error(err)
	}
}

// A bridge that dies is blamed on the case under which it does so alone.
func TestCrash(t *testing.T) {
	die := func(o *replay.Observation) { o.Crash, o.Packets, o.Conntrack = "Kernel panic - not syncing", nil, nil }
	deadly := func(_ int, tr replay.Trace, o *replay.Observation) {
		for _, p := range tr.Packets {
			if kind, code := kindOf(p.Frame); kind == 200 && code == 77 {
				die(o)
				return
			}
		}
	}
	for _, level := range []replay.Level{replay.Warm, replay.Purged} {
		table := swept(t, &fakeBridge{change: deadly}, level, 200)
		sameLines(t, table,
			"false 200/0-76,78-255: agree ", "false 200/77: diverge ",
			"true 200/0-76,78-255: agree ", "true 200/77: diverge ")
		if c := table.Classes[1]; !strings.HasPrefix(c.Signature, "system~tc/crash/tc/") || c.Ways[1].String() != "crash" {
			t.Errorf("%s: signature %q, way %q", level, c.Signature, c.Ways[1])
		}
		if len(table.Notes) == 0 || !strings.HasPrefix(table.Notes[0], "tc died under 200/") {
			t.Errorf("%s: notes %q", level, table.Notes)
		}
	}
	table := swept(t, &fakeBridge{change: func(number int, _ replay.Trace, o *replay.Observation) {
		if number == 3 {
			die(o)
		}
	}}, replay.Warm, 200)
	sameLines(t, table, "false 200/*: agree ", "true 200/*: agree ")
	if len(table.Notes) != 1 {
		t.Errorf("notes %q", table.Notes)
	}
}

// Bridges that change the same bytes, but to others, are no class with those that
// change them alike.
func TestOtherBytes(t *testing.T) {
	c := Case{Type: 200}
	packets := c.Trace(nil).Packets
	seen := func(value byte) sight {
		frame := slices.Clone(packets[0].Frame)
		frame[0] = value
		way := replay.PacketWay{Port: 1, Outputs: []replay.Output{{Port: 2, Changed: true, Frame: frame}}}
		return sight{ways: []replay.PacketWay{way, way}}
	}
	alike, other := view{c, packets, []sight{seen(8), seen(8)}}, view{c, packets, []sight{seen(8), seen(9)}}
	if alike.key() != (view{c, packets, []sight{seen(7), seen(7)}}).key() || alike.key() == other.key() {
		t.Errorf("keys %q and %q", alike.key(), other.key())
	}
}

// What is not of a case is noted.
func TestNotes(t *testing.T) {
	stray := replay.ConntrackEntry{Proto: "icmpv6", Orig: "2001:db8::9 > 2001:db8::8 id=1 type=128 code=0"}
	table := swept(t, &fakeBridge{change: func(_ int, _ replay.Trace, o *replay.Observation) {
		o.Level = replay.Purged
		o.Conntrack = append(o.Conntrack, stray)
		o.KernelLog = []string{"WARNING: CPU: 0"}
	}}, replay.Warm, 200)
	want := []string{"the kernel of tc says: WARNING: CPU: 0", "tc has a connection of no case: " + stray.Orig}
	if diff := cmp.Diff(want, table.Notes); diff != "" {
		t.Errorf("notes (-want +got)\n%s", diff)
	}
	if !strings.HasSuffix(table.summary(), fmt.Sprintf("; %d replays were not warm.", table.Cold)) || table.Cold == 0 {
		t.Errorf("%d were not warm: %s", table.Cold, table.summary())
	}
}

// With rules that are not replayed warm, the first packets of a trace take
// upcalls, and are none of the cases.
func TestPurged(t *testing.T) {
	b := &fakeBridge{}
	b.wrong = func(_ int, level replay.Level, kind, _ uint8, w *replay.PacketWay) {
		if level != replay.Purged {
			t.Errorf("replayed at level %s", level)
		}
		if w.Index > 12 && kind == 200 {
			untracked(w)
		}
	}
	list := []replay.Replayer{&fakeBridge{name: "system"}, b}
	table, err := Run(t.Context(), list, Cases([]uint8{200}), Options{Level: replay.Purged})
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Classes) != 2 || len(table.Classes[0].Cases) != Codes {
		t.Errorf("classes %q", summary(table))
	}
}

// No address is in two cases of a trace, and all packets are valid.
func TestApart(t *testing.T) {
	cases := Cases(AllTypes())
	for first := 0; first < len(cases); {
		n := fitting(cases[first:])
		seen := map[string]int{}
		var packets []replay.Packet
		for slot, c := range cases[first:][:n] {
			start := len(packets)
			packets = c.appendPackets(packets, slot)
			if len(packets)-start != c.size() {
				t.Fatalf("%v has %d packets, not %d", c, len(packets)-start, c.size())
			}
			for _, p := range packets[start:] {
				if p.Frame[11] != uint8(p.Port) || p.Frame[0]&1 == 0 && p.Frame[5] != 3-uint8(p.Port) {
					t.Fatalf("%v has a packet of other Ethernet addresses at %v: %x", c, p.Port, p.Frame[:12])
				}
				h := oracle.ParseHeaders(p.Frame)
				for _, a := range []string{h.Src.String(), h.Dst.String()} {
					if other, ok := seen[a]; ok && other != slot && !h.Dst.IsMulticast() {
						t.Fatalf("%v: %s is also of %v", c, a, cases[first+other])
					}
					seen[a] = slot
				}
				e := replay.ConntrackEntry{Orig: fmt.Sprintf("%v > %v id=1 type=1 code=1", h.Src, h.Dst)}
				if got, ok := slotOfEntry(e); !ok || got != slot {
					t.Fatalf("%v: a connection %s is of place %d, not %d", c, e.Orig, got, slot)
				}
			}
		}
		tr := replay.Trace{Pipeline: fuzz.Founding(), Packets: packets}
		if err := tr.Validate(); err != nil || len(packets) > mostPackets {
			t.Fatalf("from %v on: %d packets, %v", cases[first], len(packets), err)
		}
		first += n
	}
}
