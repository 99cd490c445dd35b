package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// conntrack prints the connections that differ, or all.
func (p *page) conntrack() {
	printed := false
	for _, d := range p.v.Differences {
		if d.Kind == oracle.Conntrack {
			printed = p.begun(printed, "connections that differ")
			p.difference(d)
		}
	}
	if !p.opts.Verbose {
		return
	}
	p.add(titleRow, bold, "all connections")
	p.columns(func(o replay.Observation) []string {
		var cells []string
		for _, e := range o.Conntrack {
			cells = append(cells, entryCell(e))
		}
		return cells
	})
}

func entryCell(e replay.ConntrackEntry) string {
	cell := fmt.Sprintf("%s %s, reply %s, zone %d", e.Proto, e.Orig, e.Reply, e.Zone)
	for _, part := range []struct{ name, value string }{
		{"labels", e.Labels}, {"state", e.State}, {"status", strings.Join(e.Status, ",")}, {"helper", e.Helper},
	} {
		if part.value != "" {
			cell += ", " + part.name + " " + part.value
		}
	}
	if e.Mark != 0 {
		cell += fmt.Sprintf(", mark %#x", e.Mark)
	}
	return cell + fmt.Sprintf(", %d s", e.Timeout)
}

// flows prints the flows if there is something to see in them: a packet whose
// bits differ, or flows that differ themselves.
func (p *page) flows() {
	printed := false
	bits := false
	for _, d := range p.v.Differences {
		bits = bits || d.Kind == oracle.CTState
		if d.Kind == oracle.Flows && d.Packet < 0 {
			printed = p.begun(printed, "flows that differ")
			p.difference(d)
		}
	}
	if !printed && !bits && !p.opts.Verbose {
		return
	}
	p.add(titleRow, bold, "datapath flows")
	p.columns(func(o replay.Observation) []string {
		flows := slices.Clone(o.Flows)
		slices.SortStableFunc(flows, func(x, y replay.Flow) int { return cmp.Compare(x.Recirc, y.Recirc) })
		var cells []string
		for _, f := range flows {
			cells = append(cells, flowCell(f))
		}
		return cells
	})
}

func flowCell(f replay.Flow) string {
	parts := []string{fmt.Sprintf("recirc %d", f.Recirc), f.InPort, f.CTState.String()}
	for _, part := range []struct{ name, value string }{{"ct_zone", f.Zone}, {"ct_mark", f.Mark}, {"ct_label", f.Label}} {
		if part.value != "" {
			parts = append(parts, part.name+"="+part.value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Match)) {
		parts = append(parts, name+"("+f.Match[name]+")")
	}
	parts = append(parts, f.DP, count(int(f.Packets), "packet"), "actions="+f.Actions)
	return strings.Join(nonEmpty(parts), " ")
}

// log prints what is said of the kernels' logs and of a bridge's death.
func (p *page) log() {
	printed := false
	for _, d := range p.v.Differences {
		if d.Kind == oracle.KernelLog || d.Kind == oracle.Crash {
			printed = p.begun(printed, "kernel")
			p.difference(d)
		}
	}
}

func (p *page) begun(printed bool, text string) bool {
	if !printed {
		p.add(titleRow, bold, text)
	}
	return true
}

// difference prints what each bridge says of a difference.
func (p *page) difference(d oracle.Difference) {
	p.add(wordsRow, plain, d.Text)
	p.values(d)
}

func (p *page) values(d oracle.Difference) {
	cells := make([]string, len(p.names))
	for i, name := range p.names {
		cells[i] = "  " + d.Values[name]
	}
	p.row(plain, true, cells)
}

// columns prints a list of cells for each bridge, each list from the top.
func (p *page) columns(list func(replay.Observation) []string) {
	lists := make([][]string, len(p.obs))
	height := 0
	for i, o := range p.obs {
		lists[i] = list(o)
		height = max(height, len(lists[i]))
	}
	if height == 0 {
		p.add(lineRow, faint, "none")
	}
	for y := range height {
		cells := make([]string, len(lists))
		for i, l := range lists {
			if y < len(l) {
				cells[i] = l[y]
			}
		}
		p.row(plain, false, cells)
	}
}

// notes prints what differs and is allowed to, with the rule that allows it.
func (p *page) notes() {
	if len(p.v.Notes) == 0 {
		return
	}
	p.add(titleRow, bold, "allowed to differ")
	for i, d := range p.v.Notes {
		if i == shortTrace && !p.opts.Verbose {
			p.add(lineRow, faint, fmt.Sprintf("and %d more", len(p.v.Notes)-i))
			return
		}
		p.add(wordsRow, plain, fmt.Sprintf("%s [%s]", d.Text, d.Rule))
	}
}
