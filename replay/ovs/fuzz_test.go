package ovs

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
)

func FuzzParseFlows(f *testing.F) {
	dumps(f, func(_, flows, _ string) { f.Add(flows) })
	f.Fuzz(func(t *testing.T, dump string) {
		flows, err := ParseFlows(dump)
		if err != nil {
			if flows != nil {
				t.Errorf("flows and error %v", err)
			}
			return
		}
		for _, flow := range flows {
			checkFlow(t, flow)
		}
		// Lines do not depend on each other.
		twice, err := ParseFlows(dump + "\n" + dump)
		if err != nil && 2*len(dump) < maxDump {
			t.Errorf("the dump twice: %v", err)
		} else if diff := cmp.Diff(slices.Concat(flows, flows), twice); err == nil && diff != "" {
			t.Errorf("the dump twice (-want +got)\n%s", diff)
		}
	})
}

func checkFlow(t *testing.T, f Flow) {
	t.Helper()
	if f.CTState.Value&^f.CTState.Mask != 0 {
		t.Errorf("ct_state %v has a value outside of its mask", f.CTState)
	}
	if again, err := replay.ParseCTState(f.CTState.String()); err != nil || again != f.CTState {
		t.Errorf("ct_state %v is read as %v, %v", f.CTState, again, err)
	}
	for name, body := range f.Match {
		if again, err := matched(body); err != nil || again != body || body == "" {
			t.Errorf("match %s(%s) is read as %q, %v", name, body, again, err)
		}
	}
	for _, text := range []string{f.InPort, f.Zone, f.Mark, f.Label, f.Used, f.DP, f.Offloaded, f.Actions} {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q is not printable", text)
		}
	}
	var met []uint32
	RenumberActions(f.Actions, func(id uint32) int {
		met = append(met, id)
		return int(id)
	})
	if diff := cmp.Diff(f.Recircs(), met); diff != "" {
		t.Errorf("%s: recirculations (-listed +renumbered)\n%s", f.Actions, diff)
	}
}

func FuzzParseConntrack(f *testing.F) {
	dumps(f, func(_, _, conntrack string) { f.Add(conntrack) })
	f.Fuzz(func(t *testing.T, dump string) {
		entries, err := ParseConntrack(dump)
		if err != nil {
			if entries != nil {
				t.Errorf("entries and error %v", err)
			}
			return
		}
		for _, e := range entries {
			if e.Proto == "" || !strings.Contains(e.Orig, " > ") || !strings.Contains(e.Reply, " > ") {
				t.Errorf("entry without protocol or direction: %+v", e)
			}
			if !slices.IsSorted(e.Status) {
				t.Errorf("status %v is not ordered", e.Status)
			}
		}
		// The order of the lines does not matter where it can be told.
		lines := strings.Split(dump, "\n")
		slices.Reverse(lines)
		reversed, err := ParseConntrack(strings.Join(lines, "\n"))
		if err != nil {
			t.Fatalf("the dump reversed: %v", err)
		}
		key := func(e replay.ConntrackEntry) string {
			return e.Proto + "," + e.Orig + "," + e.Reply
		}
		for i, e := range entries {
			if key(e) != key(reversed[i]) || e.Zone != reversed[i].Zone {
				t.Fatalf("entry %d of the dump reversed is %+v, want %+v", i, reversed[i], e)
			}
		}
	})
}
