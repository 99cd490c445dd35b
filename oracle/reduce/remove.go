package reduce

import (
	"fmt"
	"slices"
	"time"

	"github.com/ctdiff/ctdiff/replay"
)

func (r *reducer) packets() error {
	return r.remove("packet", func() int { return len(r.best.Packets) }, func(from, to int) replay.Trace {
		t := r.best
		t.Packets = withoutPackets(t.Packets, from, to)
		return t
	})
}

func (r *reducer) rules() error {
	return r.remove("rule", func() int { return len(r.best.Pipeline) }, func(from, to int) replay.Trace {
		t := r.best
		t.Pipeline = slices.Concat(t.Pipeline[:from], t.Pipeline[to:])
		return t
	})
}

// remove takes away runs of elements of the best trace, long ones first, until
// no single one can go. One is left in any case: a trace without packets is
// none, and one without rules cannot be told from a capture.
func (r *reducer) remove(what string, count func() int, without func(from, to int) replay.Trace) error {
	for size := max(1, count()/2); ; {
		removed := false
		for from := 0; from < count(); {
			to := min(from+size, count())
			if to-from == count() {
				break
			}
			ok, err := r.try(without(from, to), removal(what, from, to))
			if err != nil {
				return err
			}
			if removed = removed || ok; !ok {
				from = to
			}
		}
		switch {
		case size > 1:
			size = min((size+1)/2, max(1, count()/2))
		case !removed:
			return nil
		}
	}
}

func removal(what string, from, to int) string {
	if to-from == 1 {
		return fmt.Sprintf("without %s %d", what, from)
	}
	return fmt.Sprintf("without %ss %d to %d", what, from, to-1)
}

// withoutPackets gives the gaps of the packets that go to the one that follows,
// so that it and all later ones keep their time.
func withoutPackets(packets []replay.Packet, from, to int) []replay.Packet {
	left := slices.Concat(packets[:from], packets[to:])
	if from < len(left) {
		for _, p := range packets[from:to] {
			left[from].Gap = min(left[from].Gap+p.Gap, replay.MaxGap)
		}
	}
	return left
}

// plainGaps are what a gap may become that cannot be 0.
var plainGaps = []time.Duration{
	0, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond,
	time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour,
}

func (r *reducer) gaps() error {
	t := r.best
	t.Packets = slices.Clone(t.Packets)
	for i := range t.Packets {
		t.Packets[i].Gap = 0
	}
	if _, err := r.try(t, "all gaps 0"); err != nil {
		return err
	}
	for i := range r.best.Packets {
		if err := r.gap(i); err != nil {
			return err
		}
	}
	return nil
}

func (r *reducer) gap(i int) error {
	for _, gap := range plainGaps {
		if gap >= r.best.Packets[i].Gap {
			return nil
		}
		t := r.best
		t.Packets = slices.Clone(t.Packets)
		t.Packets[i].Gap = gap
		if ok, err := r.try(t, fmt.Sprintf("gap %v of packet %d", gap, i)); ok || err != nil {
			return err
		}
	}
	return nil
}
