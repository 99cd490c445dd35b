package sweep

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// A view is what all bridges made of one case.
type view struct {
	c       Case
	packets []replay.Packet
	bridges []sight
}

// A sight is what one bridge made of it.
type sight struct {
	ways        []replay.PacketWay
	connections []replay.ConntrackEntry
	crash       string
}

func (v view) ways() []Way {
	ways := make([]Way, len(v.bridges))
	for i, s := range v.bridges {
		ways[i] = wayOf(v.c, v.packets, s)
	}
	return ways
}

// key is the same for two cases of one class.
func (v view) key() string {
	var b strings.Builder
	if v.c.Connected {
		b.WriteByte('C')
	}
	for i, w := range v.ways() {
		for _, list := range [][]string{w.Before, w.Packets, w.Connections} {
			b.WriteByte('\n')
			for _, text := range list {
				b.WriteByte(';')
				b.WriteString(text)
			}
		}
		if i > 0 && !sameFrames(v.bridges[0], v.bridges[i]) {
			b.WriteString("\nother bytes")
		}
	}
	return b.String()
}

// sameFrames reports whether what left one bridge left another, byte for byte.
func sameFrames(a, b sight) bool {
	return slices.EqualFunc(a.ways, b.ways, func(v, w replay.PacketWay) bool {
		return slices.EqualFunc(v.Outputs, w.Outputs, func(o, p replay.Output) bool {
			return !o.Changed && !p.Changed || bytes.Equal(o.Frame, p.Frame)
		})
	})
}

// compare has the oracle compare what bridges made of the case, as if it had been
// alone.
func (v view) compare(pipeline replay.Pipeline, bridges []replay.Observation) oracle.Verdict {
	obs := slices.Clone(bridges)
	for i, s := range v.bridges {
		obs[i].Packets, obs[i].Conntrack, obs[i].Crash = slices.Clone(s.ways), s.connections, s.crash
		for n := range obs[i].Packets {
			obs[i].Packets[n].Index = n
		}
	}
	return oracle.Compare(replay.Trace{Pipeline: pipeline, Packets: v.packets}, obs)
}

// A sorter puts cases into classes.
type sorter struct {
	t       Table
	classes map[string]int // by key
	noted   map[string]bool
}

func newSorter(cases []Case, pipeline replay.Pipeline) *sorter {
	return &sorter{
		t:       Table{pipeline: pipeline, cases: cases, class: make([]int, len(cases))},
		classes: map[string]int{}, noted: map[string]bool{},
	}
}

func (s *sorter) has(key string) bool {
	_, ok := s.classes[key]
	return ok
}

// add puts the case with a number into the class of a key.
func (s *sorter) add(number int, key string, v view) {
	class, ok := s.classes[key]
	if !ok {
		verdict := v.compare(s.t.pipeline, s.t.observations())
		class = s.newClass(key, Class{Ways: v.ways(), Outcome: verdict.Outcome, Signature: verdict.Signature, Reason: verdict.Reason})
	}
	s.t.class[number] = class
}

// addUnsteady does the same for a case that shows something else each time.
func (s *sorter) addUnsteady(number int, c Case) {
	key := fmt.Sprint("unsteady ", c.Connected)
	class, ok := s.classes[key]
	if !ok {
		class = s.newClass(key, Class{Outcome: oracle.Inconclusive, Reason: "the bridges do not do the same each time"})
	}
	s.t.class[number] = class
}

func (s *sorter) newClass(key string, c Class) int {
	n := len(s.t.Classes)
	s.classes[key] = n
	s.t.Classes = append(s.t.Classes, c)
	return n
}

// mostNotes bounds what is noted, mostWords how much of each.
const (
	mostNotes = 50
	mostWords = 500
)

// watch counts, and notes what a replay of cases shows that is not of one of them.
func (s *sorter) watch(cases []Case, obs []replay.Observation, level replay.Level, packets int) {
	if s.t.Bridges == nil {
		for _, o := range obs {
			s.t.Bridges = append(s.t.Bridges, corpus.Bridge{Name: o.Bridge, Kernel: o.Kernel, OVS: o.OVS})
		}
	}
	s.t.Packets += packets
	for i, name := range oracle.Labels(obs) {
		o := obs[i]
		if o.Level != level {
			s.t.Cold++
		}
		if o.Crash != "" {
			s.note("%s died under %v to %v: %s", name, cases[0], cases[len(cases)-1], o.Crash)
		}
		for _, line := range o.KernelLog {
			s.note("the kernel of %s says: %s", name, line)
		}
		for _, e := range o.Conntrack {
			if _, ok := slotOfEntry(e); !ok {
				s.note("%s has a connection of no case: %s", name, e.Orig)
			}
		}
	}
}

func (s *sorter) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	text = text[:min(len(text), mostWords)]
	if len(s.noted) < mostNotes && !s.noted[text] {
		s.noted[text] = true
		s.t.Notes = append(s.t.Notes, text)
	}
}

// table returns the classes with their cases, in the order of the first of these.
func (s *sorter) table() *Table {
	t := &s.t
	first := map[int]int{}
	for i, class := range t.class {
		if _, ok := first[class]; !ok {
			first[class] = i
		}
	}
	order := slices.SortedFunc(maps.Keys(first), func(a, b int) int { return cmp.Compare(first[a], first[b]) })
	sorted := make([]Class, len(order))
	place := make([]int, len(t.Classes))
	for i, old := range order {
		sorted[i], place[old] = t.Classes[old], i
	}
	t.Classes = sorted
	for i, old := range t.class {
		t.class[i] = place[old]
		class := &t.Classes[place[old]]
		class.Cases = append(class.Cases, t.cases[i])
	}
	return t
}
