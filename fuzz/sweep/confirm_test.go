package sweep

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/known"
	"github.com/ctdiff/ctdiff/replay"
)

func TestConfirm(t *testing.T) {
	const agrees = "at 200/0 alone the bridges agree"
	for _, test := range []struct {
		name    string
		wrong   func(number int, level replay.Level, kind, code uint8, w *replay.PacketWay)
		verdict string
		reason  string
		alone   []string
	}{
		{"new", func(_ int, _ replay.Level, _, _ uint8, w *replay.PacketWay) { w.Outputs = []replay.Output{{Port: 3}} },
			"diverge", "", []string{"200/0", "200/128", "200/255"}},
		{"known", func(_ int, _ replay.Level, _, _ uint8, w *replay.PacketWay) { untracked(w) },
			"known", "", []string{"200/0", "200/128", "200/255"}},
		{"warm only", func(_ int, l replay.Level, _, _ uint8, w *replay.PacketWay) {
			if l == replay.Warm {
				untracked(w)
			}
		}, "inconclusive", agrees, []string{"200/0 after an echo"}},
		{"not the last", func(_ int, l replay.Level, _, code uint8, w *replay.PacketWay) {
			if l == replay.Warm || code < 255 {
				untracked(w)
			}
		}, "inconclusive", "at 200/255 alone the bridges agree", []string{"200/0", "200/128", "200/255 after an echo"}},
		{"after an echo", func(_ int, l replay.Level, _, _ uint8, w *replay.PacketWay) {
			if l == replay.Warm || w.Index > 1 {
				untracked(w)
			}
		}, "known", "", []string{"200/0 after an echo", "200/128 after an echo", "200/255 after an echo"}},
		{"not booted", func(_ int, l replay.Level, _, _ uint8, w *replay.PacketWay) {
			if l != replay.Booted {
				untracked(w)
			}
		}, "inconclusive", "200/0 alone: at level purged they diverge with system~tc/ct_state/recirc1/-inv-trk/icmpv6; at level booted the bridges agree", []string{"200/0"}},
		{"another", func(_ int, l replay.Level, _, code uint8, w *replay.PacketWay) {
			if l == replay.Warm || code < 255 {
				untracked(w)
			} else {
				w.Outputs = []replay.Output{{Port: 3}}
			}
		}, "inconclusive", "200/255 alone diverges with system~tc/verdict/not-dropped/icmpv6", []string{"200/0", "200/128", "200/255"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := swept(t, &fakeBridge{wrong: test.wrong}, replay.Warm, 200).Classes[0]
			if c.Verdict() != test.verdict || c.Reason != test.reason {
				t.Errorf("%s: %s", c.Verdict(), c.Reason)
			}
			if diff := cmp.Diff(test.alone, c.Alone); diff != "" {
				t.Errorf("alone (-want +got)\n%s", diff)
			}
		})
	}
}

// Only the first of a class's cases is replayed in guests booted for it.
func TestLevels(t *testing.T) {
	b := &fakeBridge{name: "tc", wrong: func(_ int, _ replay.Level, _, _ uint8, w *replay.PacketWay) { untracked(w) }}
	list := []replay.Replayer{&fakeBridge{name: "system"}, b}
	table, err := Run(t.Context(), list, Cases([]uint8{200})[:5], Options{Level: replay.Warm})
	if err != nil {
		t.Fatal(err)
	}
	b.levels = nil
	if err := table.Confirm(t.Context(), list, known.List{}); err != nil {
		t.Fatal(err)
	}
	want := []replay.Level{replay.Purged, replay.Purged, replay.Booted, replay.Booted, replay.Purged, replay.Purged, replay.Purged, replay.Purged}
	if diff := cmp.Diff(want, b.levels); diff != "" {
		t.Errorf("levels (-want +got)\n%s", diff)
	}
	if c := table.Classes[0]; c.Verdict() != string(oracle.Diverge) {
		t.Errorf("by an empty list it is %s", c.Verdict())
	}
}
