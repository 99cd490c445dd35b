package sweep

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/known"
	"github.com/ctdiff/ctdiff/replay"
)

// A fakeBridge does with echoes what conntrack and the founding rules do, and
// drops all else.
type fakeBridge struct {
	name   string
	levels []replay.Level // of each replay
	// wrong, if there is one, changes what a packet came to. The number is
	// that of the replay.
	wrong func(number int, level replay.Level, kind, code uint8, w *replay.PacketWay)
	// change, if there is one, changes the whole.
	change func(number int, t replay.Trace, o *replay.Observation)
}

func (b *fakeBridge) Replay(_ context.Context, t replay.Trace, level replay.Level) (replay.Observation, error) {
	if err := t.Validate(); err != nil {
		return replay.Observation{}, err
	}
	b.levels = append(b.levels, level)
	o := replay.Observation{Bridge: b.name, Kernel: "5.10.223", OVS: "2.15.0", Level: level}
	made := map[string]int{} // the place of a connection in the list
	for i, p := range t.Packets {
		way := replay.PacketWay{Index: i, Port: p.Port}
		state := track(&o, made, p)
		kind, code := kindOf(p.Frame)
		if state&(replay.CTNew|replay.CTEst) != 0 {
			way.Outputs = []replay.Output{{Port: p.Port ^ 3, Frame: p.Frame}}
		}
		way.Witness = []replay.Step{{}, {Recirc: 1, CTState: replay.CTState{Value: state | replay.CTTrk, Mask: replay.CTWitnessed}}}
		if b.wrong != nil {
			b.wrong(len(b.levels), level, kind, code, &way)
		}
		o.Packets = append(o.Packets, way)
	}
	if b.change != nil {
		b.change(len(b.levels), t, &o)
	}
	return o, nil
}

// track returns a packet's ct_state, trk apart.
func track(o *replay.Observation, made map[string]int, p replay.Packet) replay.CTBits {
	h := oracle.ParseHeaders(p.Frame)
	kind, code := kindOf(p.Frame)
	there, back := fmt.Sprintf("%v > %v", h.Src, h.Dst), fmt.Sprintf("%v > %v", h.Dst, h.Src)
	suffix := fmt.Sprintf(" id=1 type=%d code=%d", kind, code)
	switch {
	case kind == echoRequest:
		i, ok := made[there+suffix]
		if !ok {
			made[there+suffix] = len(o.Conntrack)
			o.Conntrack = append(o.Conntrack, replay.ConntrackEntry{Proto: "icmpv6", Orig: there + suffix, Status: []string{"CONFIRMED"}})
			return replay.CTNew
		}
		if slices.Contains(o.Conntrack[i].Status, "SEEN_REPLY") {
			return replay.CTEst
		}
		return replay.CTNew
	case kind == echoReply && code == 0:
		if i, ok := made[back+" id=1 type=128 code=0"]; ok {
			o.Conntrack[i].Status = []string{"CONFIRMED", "SEEN_REPLY"}
			return replay.CTEst | replay.CTRpl
		}
	case kind < firstInformational:
		if _, ok := made[back+" id=1 type=128 code=0"]; ok {
			return replay.CTRel | replay.CTRpl
		}
	}
	return replay.CTInv
}

func kindOf(frame []byte) (kind, code uint8) {
	l4 := oracle.ParseHeaders(frame).L4
	return frame[l4], frame[l4+1]
}

// untracked is what the founding bug does.
func untracked(w *replay.PacketWay) {
	if s := &w.Witness[1].CTState; s.Value&replay.CTInv != 0 {
		s.Value = 0
	}
}

// swept sweeps types on two bridges, the second of which is given.
func swept(t *testing.T, second *fakeBridge, level replay.Level, types ...uint8) *Table {
	t.Helper()
	second.name = "tc"
	list := []replay.Replayer{&fakeBridge{name: "system"}, second}
	done := 0
	cases := Cases(types)
	table, err := Run(t.Context(), list, cases, Options{Level: level, Progress: func(n int) { done = n }})
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Confirm(t.Context(), list, known.Shipped()); err != nil {
		t.Fatal(err)
	}
	if done != len(cases) {
		t.Errorf("told of %d cases of %d", done, len(cases))
	}
	table.Seconds = 2
	return table
}
