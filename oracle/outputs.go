package oracle

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
)

// outputs compares what left the bridges because of the packet at n.
func (p *pair) outputs(n int, h Headers) {
	a, b := sortOutputs(p.a.Packets[n].Outputs), sortOutputs(p.b.Packets[n].Outputs)
	if slices.EqualFunc(a, b, sameOutput) {
		return
	}
	f := found{
		Difference: Difference{Kind: VerdictKind, Packet: n, Recirc: -1, Step: -1, Subject: "ports"},
		class:      h.Class(),
		show:       func(o replay.Observation) string { return outputsText(o, n) },
	}
	if slices.EqualFunc(sortOutputs(withoutIDs(a)), sortOutputs(withoutIDs(b)), sameOutput) {
		f.Subject, f.token = "fragment_id", "fragment-id"
		f.Text = fmt.Sprintf("packet %d leaves in fragments with other ids in %s than in %s", n, p.nameA, p.nameB)
		p.add(f, RuleFragmentID)
		return
	}
	wholeA, wholeB := joinFragments(a), joinFragments(b)
	if slices.EqualFunc(wholeA, wholeB, sameOutput) {
		f.Subject, f.token = "fragments", "fragments"
		f.Text = fmt.Sprintf("packet %d leaves in other fragments: %d in %s, %d in %s", n, len(a), p.nameA, len(b), p.nameB)
		p.add(f, RuleFragmentSizes)
		return
	}
	if slices.EqualFunc(wholeA, wholeB, samePort) {
		p.changed(n, f, wholeA, wholeB)
		return
	}
	if slices.EqualFunc(a, b, samePort) {
		p.changed(n, f, a, b)
		return
	}
	f.token = portsToken(a, b)
	f.Text = fmt.Sprintf("packet %d: %s in %s but %s in %s", n, portsText(a), p.nameA, portsText(b), p.nameB)
	p.add(f, "")
}

// changed records that the same ports sent other bytes.
func (p *pair) changed(n int, f found, a, b []replay.Output) {
	in := p.trace.Packets[n].Frame
	rule := RuleNATPort
	for i := range a {
		if sameOutput(a[i], b[i]) {
			continue
		}
		if !natChose(in, a[i].Frame, b[i].Frame) {
			rule = ""
		}
		if f.token == "" || rule == "" {
			f.token = "bytes:" + firstField(a[i].Frame, b[i].Frame)
			f.Text = fmt.Sprintf("packet %d leaves %s with other bytes in %s than in %s: %s", n, a[i].Port, p.nameA, p.nameB, fieldsText(a[i].Frame, b[i].Frame))
			f.Values = map[string]string{p.nameA: frameText(a[i], b[i]), p.nameB: frameText(b[i], a[i])}
		}
		if rule == "" {
			break
		}
	}
	f.Subject = "bytes"
	p.add(f, rule)
}

func samePort(x, y replay.Output) bool { return x.Port == y.Port }

func sameOutput(x, y replay.Output) bool { return x.Port == y.Port && bytes.Equal(x.Frame, y.Frame) }

func sortOutputs(list []replay.Output) []replay.Output {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(x, y replay.Output) int {
		return cmp.Or(cmp.Compare(x.Port, y.Port), bytes.Compare(x.Frame, y.Frame))
	})
	return list
}

func portsToken(a, b []replay.Output) string {
	switch {
	case len(b) == 0:
		return "dropped"
	case len(a) == 0:
		return "not-dropped"
	case len(a) != len(b) && slices.Equal(portSet(a), portSet(b)):
		return "copies"
	}
	return "ports"
}

func portSet(list []replay.Output) []replay.Port {
	var ports []replay.Port
	for _, o := range list {
		ports = append(ports, o.Port)
	}
	return slices.Compact(ports)
}

func portsText(list []replay.Output) string {
	if len(list) == 0 {
		return "dropped"
	}
	counts := map[replay.Port]int{}
	for _, o := range list {
		counts[o.Port]++
	}
	var parts []string
	for _, port := range portSet(list) {
		text := port.String()
		if counts[port] > 1 {
			text += fmt.Sprintf(" ×%d", counts[port])
		}
		parts = append(parts, text)
	}
	return "out of " + strings.Join(parts, ", ")
}

func outputsText(o replay.Observation, n int) string {
	if n >= len(o.Packets) {
		return "not replayed"
	}
	return portsText(sortOutputs(o.Packets[n].Outputs))
}

// differing returns the offsets at which two frames differ, in the order of
// the frame; the first that one of them lacks stands for all of these.
func differing(a, b []byte) []int {
	var at []int
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			at = append(at, i)
		}
	}
	if len(a) != len(b) {
		at = append(at, min(len(a), len(b)))
	}
	return at
}

// fields names the header fields in which two frames differ, in order.
func fields(a, b []byte) []string {
	h := ParseHeaders(a)
	var names []string
	for _, at := range differing(a, b) {
		name := h.field(at)
		if at >= len(a) || at >= len(b) {
			name = "length"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// firstField names the first field in which two frames differ, but a checksum
// only if nothing else does: it follows from the rest.
func firstField(a, b []byte) string {
	names := fields(a, b)
	for _, name := range names {
		if !strings.HasSuffix(name, "csum") {
			return name
		}
	}
	return strings.Join(names, ",")
}

func fieldsText(a, b []byte) string { return strings.Join(fields(a, b), ", ") }

// maxShown bounds the bytes of a frame that a value shows.
const maxShown = 16

// frameText says where a frame differs from another, and what is there.
func frameText(o, other replay.Output) string {
	at := differing(o.Frame, other.Frame)
	if len(at) == 0 {
		return fmt.Sprintf("%s: %d bytes", o.Port, len(o.Frame))
	}
	from, to := at[0], min(at[len(at)-1]+1, len(o.Frame))
	more := ""
	if to > from+maxShown {
		to, more = from+maxShown, " …"
	}
	return fmt.Sprintf("%s: %d bytes, at %d: % x%s", o.Port, len(o.Frame), from, o.Frame[min(from, to):to], more)
}

// natChose reports whether two frames differ only in a port or ICMP id, and
// the checksum with it, that both bridges changed from what came in.
func natChose(in, a, b []byte) bool {
	h := ParseHeaders(a)
	if len(a) != len(b) || len(in) != len(a) || h.L4 < 0 {
		return false
	}
	ports := false
	for _, at := range differing(a, b) {
		switch h.field(at) {
		case "port":
			ports = true
		case "l4_csum":
		default:
			return false
		}
	}
	return ports && portChanged(h, in, a) && portChanged(h, in, b)
}

func portChanged(h Headers, in, out []byte) bool {
	return slices.ContainsFunc(differing(in, out), func(at int) bool { return h.field(at) == "port" })
}
