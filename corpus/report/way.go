package report

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
)

// A drawing shows a packet's way through the bridges: a lane for each, from the
// port where it enters to what became of it.
type drawing struct {
	Width, Height int
	Title, Desc   string
	Lanes         []lane
	// Marks says where the ways part: between each two lanes, or nowhere.
	Marks []point
}

type point struct{ X, Y int }

type lane struct {
	X        int
	Name     string
	Boxes    []box
	Captions []caption // of the arrows, each above a box
}

// A box is a step of the way, or its end.
type box struct {
	Y, H  int
	Head  string
	State []span
	Foot  string
	// Odd says that bridges differ here; End that this is what became of the
	// packet.
	Odd, End bool
}

type caption struct {
	Y    int
	Text string
	Full string // what Text is cut from
}

// A span is a piece of text, and whether bridges differ in it.
type span struct {
	Text    string
	Differs bool
}

// The measures of a drawing, in pixels. Two lanes fit into a phone's width, and
// a lane holds all six bits of ct_state.
const (
	laneWidth  = 154
	laneGap    = 20
	laneTop    = 56 // where the first box begins
	boxHeight  = 56
	endHeight  = 30
	arrowSpace = 34
	laneText   = 26 // characters of a caption
	maxSteps   = 12
)

// draw draws the way of packet n.
func (p *page) draw(n int) drawing {
	d := drawing{Title: fmt.Sprintf("The way of packet %d", n), Width: len(p.obs)*(laneWidth+laneGap) - laneGap}
	tables := tablesOf(p.trace.Pipeline, maxSteps)
	var told []string
	shortest := maxSteps
	for i, o := range p.obs {
		l := p.lane(i, o, n, tables)
		d.Lanes = append(d.Lanes, l)
		last := len(l.Boxes) - 1
		shortest = min(shortest, last)
		d.Height = max(d.Height, l.Boxes[last].Y+l.Boxes[last].H+2)
		told = append(told, tell(l))
	}
	d.Desc = strings.Join(told, " ")
	part := p.parting(n)
	switch {
	case part < 0:
		d.Desc += " All bridges take the same way."
		return d
	case part < shortest:
		d.Desc += fmt.Sprintf(" They part at recirculation %d.", part)
	default:
		d.Desc += " They part at the end."
	}
	height := boxHeight
	if part >= shortest {
		part, height = shortest, endHeight
	}
	for i := range d.Lanes[1:] {
		x := (i+1)*(laneWidth+laneGap) - laneGap/2
		d.Marks = append(d.Marks, point{x, laneTop + part*(boxHeight+arrowSpace) + height/2})
	}
	return d
}

// parting returns the step at which the ways of packet n part, 0 also if a bridge
// had died, a large number if what became of it alone differs, and -1 if nothing
// does.
func (p *page) parting(n int) int {
	part := -1
	for _, d := range p.v.Differences {
		if d.Packet != n {
			continue
		}
		step := d.Step
		if step < 0 {
			step = maxSteps
		}
		if part < 0 || step < part {
			part = step
		}
	}
	died := func(o replay.Observation) bool { return n >= len(o.Packets) }
	if part < 0 && slices.ContainsFunc(p.obs, died) {
		return 0
	}
	return part
}

func (p *page) lane(i int, o replay.Observation, n int, tables []string) lane {
	w := way(o, n)
	l := lane{X: i * (laneWidth + laneGap), Name: p.names[i]}
	y := laneTop
	steps := w.Steps[:min(len(w.Steps), maxSteps)]
	arrow := "enters at " + w.Port.String()
	if w.Index < 0 {
		arrow = ""
	}
	for s, step := range steps {
		l.caption(y, arrow)
		b := box{Y: y, H: boxHeight, Head: tables[s], State: p.stateSpans(i, n, s), Foot: where(step), Odd: p.stepDiffers(n, s, false) || p.stepDiffers(n, s, true)}
		if b.Head != "" {
			b.Head += ", "
		}
		b.Head += fmt.Sprintf("recirculation %d", step.Recirc)
		l.Boxes = append(l.Boxes, b)
		y += boxHeight + arrowSpace
		arrow = actionsAt(o, w.Port, step)
	}
	l.caption(y, arrow)
	l.Boxes = append(l.Boxes, box{Y: y, H: endHeight, Head: ending(o, w), Odd: w.Index < 0 || p.fateDiffers(n), End: true})
	return l
}

func (l *lane) caption(y int, text string) {
	c := caption{Y: y - arrowSpace/2 + 4, Text: text, Full: text}
	if r := []rune(text); len(r) > laneText {
		c.Text = string(r[:laneText-1]) + "…"
	}
	l.Captions = append(l.Captions, c)
}

// where says in which datapath a flow took the packet.
func where(s replay.Step) string {
	place := "kernel datapath"
	if s.DP == "tc" {
		place = "TC"
	}
	if s.Upcall {
		return "upcall, then " + place
	}
	return place
}

func ending(o replay.Observation, w replay.PacketWay) string {
	if w.Index < 0 && o.Crash != "" {
		return "the bridge had died"
	}
	return fateCell(w)
}

// actionsAt returns what the flow of a step does, so far as it can be told from
// the flows after the last packet.
func actionsAt(o replay.Observation, port replay.Port, s replay.Step) string {
	for _, f := range o.Flows {
		if f.Recirc == s.Recirc && f.CTState == s.CTState && (f.InPort == "" || f.InPort == port.String()) {
			return f.Actions
		}
	}
	return ""
}

// tell says in words what a lane shows.
func tell(l lane) string {
	var parts []string
	for i, b := range l.Boxes {
		text := b.Head
		if len(b.State) > 0 {
			state := ""
			for _, s := range b.State {
				state += s.Text
			}
			text = fmt.Sprintf("%s: %s, %s", b.Head, state, b.Foot)
		}
		if c := l.Captions[i].Full; c != "" {
			text = c + "; " + text
		}
		parts = append(parts, text)
	}
	return fmt.Sprintf("On %s: %s.", l.Name, strings.Join(parts, "; "))
}

var (
	ruleTable  = regexp.MustCompile(`(?:^|[\s,])table\s*=\s*(\d+)`)
	nextTables = regexp.MustCompile(`\btable\s*[=:]\s*(\d+)`)
	sameSteps  = regexp.MustCompile(`\b(?:goto_table:|resubmit\([^,)]*,)\s*(\d+)`)
)

// tablesOf says for each step of a packet's way in which OpenFlow tables it may
// be: conntrack leads to those that the actions name, and that is where the next
// step begins.
func tablesOf(p replay.Pipeline, steps int) []string {
	next, same := map[string][]string{}, map[string][]string{}
	for _, rule := range p {
		match, actions, _ := strings.Cut(rule, "actions")
		table := "0"
		if m := ruleTable.FindStringSubmatch(match); m != nil {
			table = m[1]
		}
		for _, m := range nextTables.FindAllStringSubmatch(actions, -1) {
			next[table] = append(next[table], m[1])
		}
		for _, m := range sameSteps.FindAllStringSubmatch(actions, -1) {
			same[table] = append(same[table], m[1])
		}
	}
	var out []string
	tables := map[string]bool{"0": true}
	for range steps {
		out = append(out, tablesText(tables))
		for grown := true; grown; {
			before := len(tables)
			follow(tables, tables, same)
			grown = len(tables) > before
		}
		after := map[string]bool{}
		follow(after, tables, next)
		tables = after
	}
	return out
}

// follow adds to the tables where the others lead to.
func follow(tables, from map[string]bool, leads map[string][]string) {
	for t := range maps.Clone(from) {
		for _, n := range leads[t] {
			tables[n] = true
		}
	}
}

func tablesText(tables map[string]bool) string {
	list := slices.Sorted(maps.Keys(tables))
	switch {
	case len(list) == 0 || len(list) > 3:
		return ""
	case len(list) == 1:
		return "table " + list[0]
	}
	return "tables " + strings.Join(list, ", ")
}
