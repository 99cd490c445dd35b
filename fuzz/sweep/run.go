package sweep

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ctdiff/ctdiff/replay"
)

// mostPackets is the largest number of packets in a trace: with more it is not
// replayed warm, and with fewer there would be more traces.
const mostPackets = 126

// Options are how cases are replayed.
type Options struct {
	// Pipeline has the rules that the packets meet.
	Pipeline replay.Pipeline
	// Level is that at which cases are replayed many at a time: warm if the
	// rules allow that.
	Level replay.Level
	// Progress, if there is one, is called with the number of cases done, up
	// to a few hundred times a second.
	Progress func(done int)
}

// Run replays cases on bridges, of which the first is the reference, and sorts
// them into classes. An error is that of a replay.
func Run(ctx context.Context, bridges []replay.Replayer, cases []Case, o Options) (*Table, error) {
	s := &sweep{bridges: bridges, options: o, sorter: newSorter(cases, o.Pipeline)}
	start := time.Now()
	for first := 0; first < len(cases); {
		n := fitting(cases[first:])
		if err := s.settle(ctx, batch{first, cases[first:][:n]}); err != nil {
			return nil, err
		}
		if first += n; o.Progress != nil {
			o.Progress(first)
		}
	}
	t := s.table()
	t.Seconds = time.Since(start).Seconds()
	return t, nil
}

// fitting returns how many of the first cases fit into one trace.
func fitting(cases []Case) (n int) {
	packets := 0
	for n < len(cases) && packets+cases[n].size() <= mostPackets {
		packets += cases[n].size()
		n++
	}
	return n
}

// A batch is cases that are replayed in one trace.
type batch struct {
	first int // place of the first in the list of all
	cases []Case
}

type sweep struct {
	*sorter
	bridges []replay.Replayer
	options Options
}

// tries is how often a batch is replayed if it does not show the same.
const tries = 4

// settle replays a batch until each of its cases has shown what others have, or
// the same twice in a row: what a case shows once may come from flows that were
// made or went meanwhile.
func (s *sweep) settle(ctx context.Context, b batch) error {
	settled := make([]bool, len(b.cases))
	last := make([]string, len(b.cases))
	for range tries {
		shown, err := s.replay(ctx, b.cases)
		if err != nil {
			return err
		}
		if shown == nil {
			return s.halve(ctx, b)
		}
		if s.take(b, shown, settled, last) {
			return nil
		}
	}
	for i, c := range b.cases {
		if !settled[i] {
			s.addUnsteady(b.first+i, c)
		}
	}
	return nil
}

// take sorts in what the cases of a batch have shown, if it is nothing new or
// what they showed the last time. It reports whether that is so of all.
func (s *sweep) take(b batch, shown []view, settled []bool, last []string) (all bool) {
	all = true
	for i, v := range shown {
		if settled[i] {
			continue
		}
		key := v.key()
		if settled[i] = s.has(key) || key == last[i]; settled[i] {
			s.add(b.first+i, key, v)
		} else {
			all = false
		}
		last[i] = key
	}
	return all
}

// halve settles the halves of a batch under which a bridge died.
func (s *sweep) halve(ctx context.Context, b batch) error {
	middle := len(b.cases) / 2
	if err := s.settle(ctx, batch{b.first, b.cases[:middle]}); err != nil {
		return err
	}
	return s.settle(ctx, batch{b.first + middle, b.cases[middle:]})
}

// primers are what a trace begins with that is not replayed warm, so that those
// after them do not take the upcall path: of each way that conntrack treats
// packets.
var primers = []Case{answered, {Type: echoRequest}, {Type: 135}, {Type: 200}, {Type: 1, Connected: true}, {Type: 1}}

// replay returns what all bridges made of each case, or nothing if one died and
// there are several.
func (s *sweep) replay(ctx context.Context, cases []Case) ([]view, error) {
	played := cases
	if s.options.Level != replay.Warm {
		played = slices.Concat(primers, cases)
	}
	t := replay.Trace{Pipeline: s.options.Pipeline}
	for slot, c := range played {
		t.Packets = c.appendPackets(t.Packets, slot)
	}
	obs, err := replay.All(ctx, s.bridges, t, s.options.Level)
	if err != nil {
		return nil, fmt.Errorf("%v to %v: %w", cases[0], cases[len(cases)-1], err)
	}
	s.watch(cases, obs, s.options.Level, len(t.Packets))
	died := slices.ContainsFunc(obs, func(o replay.Observation) bool { return o.Crash != "" })
	if died && len(cases) > 1 {
		return nil, nil
	}
	views := divide(played, t.Packets, obs)
	return views[len(played)-len(cases):], nil
}

// divide gives each case what is its own of what bridges made of all.
func divide(cases []Case, packets []replay.Packet, obs []replay.Observation) []view {
	views := make([]view, len(cases))
	first := 0
	for i, c := range cases {
		v := view{c: c, packets: packets[first:][:c.size()], bridges: make([]sight, len(obs))}
		for b, o := range obs {
			v.bridges[b].crash = o.Crash
			if o.Crash == "" {
				v.bridges[b].ways = o.Packets[first:][:c.size()]
			}
		}
		views[i] = v
		first += c.size()
	}
	for b, o := range obs {
		for _, e := range o.Conntrack {
			if slot, ok := slotOfEntry(e); ok && slot < len(views) {
				s := &views[slot].bridges[b]
				s.connections = append(s.connections, e)
			}
		}
	}
	return views
}

// slots has the place in a trace of each address.
var slots = func() map[string]int {
	places := map[string]int{}
	for host := 1; host <= 2*mostSlots; host++ {
		places[fmt.Sprintf("2001:db8:0:f101::%x", host)] = slotOf(uint8(host))
		places[fmt.Sprintf("fe80::%x", host)] = slotOf(uint8(host))
	}
	return places
}()

// slotOfEntry returns the place in a trace of the case that a connection is of.
func slotOfEntry(e replay.ConntrackEntry) (slot int, ok bool) {
	src, dst, _ := strings.Cut(e.Orig, " > ")
	dst, _, _ = strings.Cut(dst, " ")
	if slot, ok = slots[src]; !ok {
		slot, ok = slots[dst]
	}
	return slot, ok
}
