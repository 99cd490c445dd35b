package sweep

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
)

func TestBlocks(t *testing.T) {
	codes := func(kind uint8, codes ...uint8) (list []Case) {
		for _, c := range codes {
			list = append(list, Case{Type: kind, Code: c})
		}
		return list
	}
	all := func(types ...uint8) []Case { return Cases(types)[:Codes*len(types)] }
	for _, test := range []struct {
		cases []Case
		want  string
	}{
		{all(135), "135/* neighbor solicitation"},
		{all(135, 136), "135-136/* neighbor solicitation to neighbor advertisement"},
		{all(1, 2, 3, 4, 5), "1-5/* errors"},
		{all(126, 127, 128), "126-128/*"},
		{all(254, 255), "254-255/*"},
		{all(200), "200/*"},
		{append(all(0, 2), all(4)...), "0/*; 2/* packet too big; 4/* parameter problem"},
		{codes(128, 0), "128/0 echo request"},
		{codes(128, 0, 1, 2, 5, 254, 255), "128/0-2,5,254-255 echo request"},
		{append(codes(128, 1, 2), codes(129, 1, 2)...), "128-129/1-2 echo request to echo reply"},
		{append(codes(128, 1, 2), codes(129, 1)...), "128/1-2 echo request; 129/1 echo reply"},
		{append(codes(128, 0), codes(130, 0)...), "128/0 echo request; 130/0 multicast listener query"},
	} {
		var got []string
		for _, b := range blocks(test.cases) {
			got = append(got, b.named())
		}
		if text := strings.Join(got, "; "); text != test.want {
			t.Errorf("got %s, want %s", text, test.want)
		}
	}
}

func TestParseTypes(t *testing.T) {
	for text, want := range map[string][]uint8{
		"0":            {0},
		"255":          {255},
		"254-255,3":    {3, 254, 255},
		"133-135,134":  {133, 134, 135},
		"0-255":        AllTypes(),
		"128,128-128":  {128},
		"007":          {7},
		"4,3,2,1,0":    {0, 1, 2, 3, 4},
		"128-129,0-00": {0, 128, 129},
	} {
		got, err := ParseTypes(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"", ",", "256", "-1", "1-", "-", "3-2", "1 ", "1,", "0x1", "1-2-3", "+1"} {
		if got, err := ParseTypes(text); err == nil {
			t.Errorf("%q: %d types, want an error", text, len(got))
		}
	}
}

func FuzzParseTypes(f *testing.F) {
	f.Add("128,133-137")
	f.Add("0-255,3")
	f.Fuzz(func(t *testing.T, text string) {
		types, err := ParseTypes(text)
		if err != nil {
			return
		}
		if len(types) == 0 || !slices.IsSorted(types) || len(slices.Compact(slices.Clone(types))) != len(types) {
			t.Errorf("%q: %v", text, types)
		}
		var parts []string
		for _, s := range spans(types) {
			parts = append(parts, s.String())
		}
		again, err := ParseTypes(strings.Join(parts, ","))
		if err != nil || !slices.Equal(types, again) {
			t.Errorf("%q: %v, then %v, %v", text, types, again, err)
		}
	})
}

func TestFate(t *testing.T) {
	frame := make([]byte, 20)
	other := slices.Clone(frame)
	other[0], other[3], other[4], other[19] = 1, 1, 1, 1
	state := func(text string) replay.Step {
		s, err := replay.ParseCTState(text)
		if err != nil {
			t.Fatal(err)
		}
		return replay.Step{Recirc: 1, CTState: s}
	}
	for _, test := range []struct {
		way  replay.PacketWay
		want string
	}{
		{replay.PacketWay{}, "not to conntrack, dropped"},
		{replay.PacketWay{Witness: []replay.Step{{}, state("-new-est-rel-rpl-inv-trk")}}, "-trk, dropped"},
		{replay.PacketWay{Witness: []replay.Step{{}, state("+new+trk"), state("-new+est+trk")}, Outputs: []replay.Output{{Port: 1, Frame: frame}, {Port: 2, Frame: other, Changed: true}}},
			"+new+trk, then +est+trk, leaves by p1 and p2 (bytes 0,3-4,19 changed)"},
		{replay.PacketWay{Outputs: []replay.Output{{Port: 4, Frame: frame[:16], Changed: true}}}, "not to conntrack, leaves by p4 (-4 bytes)"},
		{replay.PacketWay{Looped: true, Witness: []replay.Step{{}, state("+inv+trk")}}, "+inv+trk, goes round"},
	} {
		if got := fateOf(replay.Packet{Frame: frame}, test.way); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestEntryWords(t *testing.T) {
	const to = "2001:db8:0:f101::1 > 2001:db8:0:f101::2 id=1 type="
	for _, test := range []struct {
		c    Case
		e    replay.ConntrackEntry
		want string
	}{
		{Case{128, 0, true}, replay.ConntrackEntry{Orig: to + "128 code=0", Status: []string{"CONFIRMED", "SEEN_REPLY"}}, "echo's connection CONFIRMED SEEN_REPLY"},
		{Case{128, 0, false}, replay.ConntrackEntry{Orig: to + "128 code=0", Status: []string{"CONFIRMED"}, Zone: 3, Mark: 7, Labels: "0x1"}, "own connection CONFIRMED zone 3 mark 7 labels 0x1"},
		{Case{139, 5, true}, replay.ConntrackEntry{Orig: to + "139 code=5", State: "ESTABLISHED", Helper: "ftp"}, "own connection ESTABLISHED helper ftp"},
		{Case{139, 5, true}, replay.ConntrackEntry{Orig: to + "139 code=4"}, "connection of type 139 code=4"},
	} {
		if got := entryWords(test.c, test.e); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// What is as usual about the packets that come first is left out.
func TestSaid(t *testing.T) {
	const echo = "echo's connection CONFIRMED"
	usual := setup{[]string{"a", "b"}, echo}
	for _, test := range []struct {
		way  Way
		want string
	}{
		{Way{Before: usual.before, Packets: []string{"x", "x"}, Connections: []string{echo, "own connection"}}, "x, own connection"},
		{Way{Before: usual.before, Packets: []string{"x", "y"}, Connections: []string{echo}}, "first x, then y"},
		{Way{Before: usual.before, Packets: []string{"x", "x"}}, "x, no echo's connection"},
		{Way{Before: usual.before, Packets: []string{"x", "x"}, Connections: []string{echo + " ASSURED"}}, "x, " + echo + " ASSURED"},
		{Way{Before: []string{"a", "c"}, Packets: []string{"x", "x"}, Connections: []string{echo}}, "an echo request (a) and its reply (c), then x"},
		{Way{Crash: "panic"}, "crash"},
	} {
		if got := (Class{Ways: []Way{test.way}}).said(0, usual); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		parts []string
		want  []string
	}{
		{[]string{"a"}, []string{"a"}},
		{[]string{"abc", "def", "ghi"}, []string{"abc, def,", "ghi"}},
		{[]string{"longer than that", "a", "b"}, []string{"longer than that,", "a, b"}},
	} {
		if diff := cmp.Diff(test.want, wrap(test.parts, 10)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}
