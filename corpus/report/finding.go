package report

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

// A findingView is what is told of a finding.
type findingView struct {
	ID, Title, Signature, Status string
	// Reason and Link are those of the finding.
	Reason, Link string
	Words        string
	Meanings     []meaning
	// Bridges has the names, Versions those of each.
	Bridges, Versions []string
	Packets           []group // side by side
	// Text is the same as [Table] prints it, and Tables the connections, flows
	// and logs.
	Text, Tables string
	Way          drawing
	Packet       string // what the packet is that is drawn and dissected
	Layers       []layer
	Sent         bool // some bridge changes the packet
	Conntrack    []group
	Flows        []group
	Kernel       []group
	Notes        []string
	Hints        []corpus.Hint
	Commands     []string
	Trace        string // as text; empty if it is too long
	Facts        []fact
}

// A group is a part of a table: a title, and rows of a cell for each bridge, or
// of a text.
type group struct {
	Title string
	Rows  []rowView
	// Differs says that a row does.
	Differs bool
	// Columns is the number of the table's: the mark's, and one a bridge.
	Columns int
}

type rowView struct {
	Differs bool
	Cells   [][]span
	Text    string
}

// A layer is a header of a packet.
type layer struct {
	Name    string
	Fields  []field
	Columns int
}

// mostRows is the number of rows of a table: a trace that could not be reduced has
// thousands.
const mostRows = 1000

func newFindingView(id string, f corpus.Finding) findingView {
	n := splitting(f)
	brief := newPage(f.Trace, f.Observations, f.Verdict, Options{})
	v := findingView{
		ID: id, Title: titleOf(f), Signature: f.Signature, Status: string(f.Status), Reason: f.Reason, Link: f.Link,
		Words:    Explain(f.Trace, f.Observations, f.Verdict),
		Meanings: brief.meanings(), Bridges: brief.names,
		Packets: groupsOf(f, Options{}, (*page).packets), Way: brief.draw(n),
		Packet:    fmt.Sprintf("Packet %d, %s", n, Describe(f.Trace.Packets[n].Frame)),
		Conntrack: groupsOf(f, Options{Verbose: true}, (*page).conntrack),
		Flows:     groupsOf(f, Options{Verbose: true}, (*page).flows),
		Kernel:    groupsOf(f, Options{}, (*page).log),
		Hints:     f.Hints, Commands: commands(f), Trace: traceText(f.Trace), Facts: findingFacts(f),
	}
	for _, o := range f.Observations {
		v.Versions = append(v.Versions, fmt.Sprintf("Linux %s, Open vSwitch %s", o.Kernel, o.OVS))
	}
	v.Layers, v.Sent = layersOf(f, n)
	brief.packets()
	brief.bound(mostRows)
	v.Text = strings.TrimPrefix(brief.print(), "\n")
	full := newPage(f.Trace, f.Observations, f.Verdict, Options{Verbose: true})
	full.conntrack()
	full.flows()
	full.log()
	full.bound(mostRows)
	v.Tables = strings.TrimPrefix(full.print(), "\n")
	for _, d := range f.Verdict.Notes[:min(len(f.Verdict.Notes), shortTrace)] {
		v.Notes = append(v.Notes, fmt.Sprintf("%s [%s]", capital(d.Text, brief.names...), d.Rule))
	}
	return v
}

// splitting returns the packet that the finding is about: the first that
// differs or that a bridge did not survive, or, where tables or logs differ, the
// last.
func splitting(f corpus.Finding) int {
	last := len(f.Trace.Packets) - 1
	for _, o := range f.Observations {
		if len(o.Packets) <= last {
			return len(o.Packets)
		}
	}
	for _, d := range f.Verdict.Differences {
		if d.Packet >= 0 && d.Packet <= last {
			return d.Packet
		}
	}
	return last
}

var atRecirculation = regexp.MustCompile(` at recirculation \d+( \(witness\))?$`)

// titleOf says in a line what is the matter.
func titleOf(f corpus.Finding) string {
	if len(f.Verdict.Differences) == 0 {
		return capital(cmp.Or(f.Reason, f.Verdict.Reason, "nothing differs"))
	}
	first := f.Verdict.Differences[0]
	text := atRecirculation.ReplaceAllString(first.Text, "")
	if first.Kind == oracle.CTState && slices.ContainsFunc(f.Verdict.Differences, func(d oracle.Difference) bool {
		return d.Packet == first.Packet && d.Subject == "looped"
	}) {
		text += ", and goes round"
	}
	if f.Status == corpus.Inconclusive {
		return "Not confirmed: " + text
	}
	return capital(text, oracle.Labels(f.Observations)...)
}

// groupsOf returns the rows of a part of a table, under their titles.
func groupsOf(f corpus.Finding, opts Options, part func(*page)) []group {
	p := newPage(f.Trace, f.Observations, f.Verdict, opts)
	part(p)
	p.bound(mostRows)
	var groups []group
	for _, r := range p.rows {
		if r.kind == titleRow || len(groups) == 0 {
			groups = append(groups, group{Columns: 1 + len(p.names)})
		}
		g := &groups[len(groups)-1]
		switch r.kind {
		case titleRow:
			g.Title = capital(r.text)
			if parts := strings.Split(r.text, "  "); len(parts) == 4 { // a packet's: see page.packet
				g.Title = fmt.Sprintf("%s, into %s after %s: %s", capital(parts[0]), parts[1], strings.TrimPrefix(parts[2], "+"), parts[3])
				g.Title = strings.Replace(g.Title, " after 0s:", ":", 1)
			}
		case cellsRow:
			g.Rows = append(g.Rows, rowView{Differs: r.differs, Cells: spansOf(r)})
			g.Differs = g.Differs || r.differs
		default:
			if r.text != "" {
				g.Rows = append(g.Rows, rowView{Text: capital(r.text, p.names...)})
			}
		}
	}
	return groups
}

var ctWord = regexp.MustCompile(`[+-](?:new|est|rel|rpl|inv|trk|snat|dnat)`)

// spansOf takes a row's cells apart where a bit of ct_state differs.
func spansOf(r row) [][]span {
	cells := make([][]span, len(r.cells))
	for i, text := range r.cells {
		last := 0
		for _, m := range ctWord.FindAllStringIndex(text, -1) {
			if !r.differs || !contradicted(r.cells, text[m[0]:m[1]]) {
				continue
			}
			cells[i] = append(cells[i], span{Text: text[last:m[0]]}, span{text[m[0]:m[1]], true})
			last = m[1]
		}
		cells[i] = append(cells[i], span{Text: text[last:]})
	}
	return cells
}

// contradicted reports whether a cell has the bit with the other sign.
func contradicted(cells []string, bit string) bool {
	other := "+" + bit[1:]
	if bit[0] == '+' {
		other = "-" + bit[1:]
	}
	return slices.ContainsFunc(cells, func(c string) bool { return slices.Contains(ctWord.FindAllString(c, -1), other) })
}

// layersOf dissects packet n, and says for each field what the bridges made of
// it; changed is false if none made anything else of any.
func layersOf(f corpus.Finding, n int) (list []layer, changed bool) {
	fields := dissect(f.Trace.Packets[n].Frame)
	raw := make([][]string, len(fields)) // of those that sent it
	for _, o := range f.Observations {
		var sent []field
		w := way(o, n)
		if len(w.Outputs) > 0 {
			sent = dissect(w.Outputs[0].Frame)
		}
		for i := range fields {
			x := &fields[i]
			if len(w.Outputs) == 0 {
				x.Sent = append(x.Sent, "—")
				continue
			}
			s := fieldOf(sent, x.key)
			x.Sent, raw[i] = append(x.Sent, s.Value), append(raw[i], s.raw)
			changed = changed || s.raw != x.raw
		}
	}
	for i, x := range fields {
		x.Differs = len(slices.Compact(raw[i])) > 1
		if !changed {
			x.Sent = nil
		}
		if len(list) == 0 || list[len(list)-1].Name != x.Layer {
			list = append(list, layer{Name: x.Layer, Columns: 3 + len(x.Sent)})
		}
		list[len(list)-1].Fields = append(list[len(list)-1].Fields, x)
	}
	return list, changed
}

// fieldOf returns the field of a frame that left which was another's.
func fieldOf(sent []field, key string) field {
	if i := slices.IndexFunc(sent, func(x field) bool { return x.key == key }); i >= 0 {
		return sent[i]
	}
	return field{Value: "gone", raw: "gone"}
}

// longestTrace is the number of bytes of a trace's text that a page repeats.
const longestTrace = 64 << 10

func traceText(t replay.Trace) string {
	var b strings.Builder
	if err := tracetext.Format(&b, t); err != nil || b.Len() > longestTrace {
		return ""
	}
	return b.String()
}
