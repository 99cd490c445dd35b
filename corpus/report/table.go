package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// Options say how [Table] prints.
type Options struct {
	// Color allows colours, by ANSI escapes.
	Color bool
	// Width is the number of columns; 0 is 100.
	Width int
	// Verbose shows every packet, and flows and connections that agree.
	Verbose bool
}

const (
	defaultWidth = 100
	minWidth     = 60
	// shortTrace is the number of packets up to which all are shown.
	shortTrace = 12
	// differs stands before a line in which the bridges differ.
	differs = "≠"
)

// Table prints what the bridges made of t side by side, packet by packet, then
// the verdict, and what it means in words. A line in which bridges differ
// begins with "≠".
func Table(w io.Writer, t replay.Trace, obs []replay.Observation, v oracle.Verdict, opts Options) error {
	p := newPage(t, obs, v, opts)
	p.head()
	p.packets()
	p.conntrack()
	p.flows()
	p.log()
	p.notes()
	p.verdict()
	_, err := io.WriteString(w, p.print())
	return err
}

// head prints the bridges' names and versions.
func (p *page) head() {
	var names, versions []string
	for i, o := range p.obs {
		names = append(names, p.names[i])
		versions = append(versions, fmt.Sprintf("Linux %s, OVS %s", o.Kernel, o.OVS))
	}
	p.row(bold, false, names)
	p.row(faint, false, versions)
	p.add(ruleRow, faint, "")
}

func (p *page) packets() {
	hidden := 0
	for n := range p.trace.Packets {
		if !p.shown(n) {
			hidden++
			continue
		}
		p.elided(n, hidden)
		hidden = 0
		p.packet(n)
	}
	p.elided(len(p.trace.Packets), hidden)
}

// shown reports whether a packet is printed: in a long trace, those that
// differ, and the one before each.
func (p *page) shown(n int) bool {
	return p.opts.Verbose || len(p.trace.Packets) <= shortTrace || p.packetDiffers[n] || p.packetDiffers[n+1]
}

func (p *page) elided(next, hidden int) {
	if hidden == 0 {
		return
	}
	p.add(lineRow, plain, "")
	text := fmt.Sprintf("packets %d to %d: no difference", next-hidden, next-1)
	if hidden == 1 {
		text = fmt.Sprintf("packet %d: no difference", next-1)
	}
	p.add(lineRow, faint, text)
}

func (p *page) packet(n int) {
	packet := p.trace.Packets[n]
	p.add(titleRow, bold, fmt.Sprintf("packet %d  %s  %s  %s", n, packet.Port, gapText(packet.Gap), Describe(packet.Frame)))
	steps := 0
	for _, o := range p.obs {
		steps = max(steps, len(way(o, n).Steps), len(way(o, n).Witness))
	}
	for s := range steps {
		p.row(plain, p.stepDiffers(n, s, false), p.cells(func(o replay.Observation) string { return stepCell(way(o, n).Steps, s) }))
		if s > 0 && p.witnessAdds(n, s) {
			p.row(plain, p.stepDiffers(n, s, true), p.cells(func(o replay.Observation) string { return witnessCell(way(o, n).Witness, s) }))
		}
	}
	p.row(plain, p.fateDiffers(n), p.cells(func(o replay.Observation) string { return fateCell(way(o, n)) }))
	for _, d := range p.v.Differences {
		if d.Packet == n && (d.Subject == "bytes" || d.Subject == "recirculations") {
			p.values(d)
		}
	}
}

func gapText(gap time.Duration) string { return "+" + gap.String() }

func way(o replay.Observation, n int) replay.PacketWay {
	if n < len(o.Packets) {
		return o.Packets[n]
	}
	return replay.PacketWay{Index: -1}
}

func stepCell(steps []replay.Step, s int) string {
	if s >= len(steps) {
		return ""
	}
	step := steps[s]
	cell := fmt.Sprintf("recirc %d  %s  %s", step.Recirc, step.CTState, step.DP)
	if step.CTState.Mask == 0 {
		cell = fmt.Sprintf("recirc %d  any ct_state  %s", step.Recirc, step.DP)
	}
	if step.Upcall {
		cell += " upcall"
	}
	return cell
}

func witnessCell(steps []replay.Step, s int) string {
	if s >= len(steps) {
		return ""
	}
	return "  witness " + steps[s].CTState.String()
}

// witnessAdds reports whether the witness knows bits at a step that the rules
// as given do not look at, on some bridge.
func (p *page) witnessAdds(n, s int) bool {
	for _, o := range p.obs {
		w := way(o, n)
		if s < len(w.Witness) && (s >= len(w.Steps) || w.Witness[s].CTState.Mask&^w.Steps[s].CTState.Mask != 0) {
			return true
		}
	}
	return false
}

func fateCell(w replay.PacketWay) string {
	switch {
	case w.Index < 0:
		return "not replayed"
	case w.Looped:
		return "loops until the limit"
	case len(w.Outputs) == 0:
		return "dropped"
	}
	var outputs []string
	for _, o := range w.Outputs {
		text := "→ " + o.Port.String()
		if o.Changed {
			text += " changed"
		}
		outputs = append(outputs, text)
	}
	return strings.Join(outputs, ", ")
}

// verdict prints the verdict and what it means.
func (p *page) verdict() {
	p.add(ruleRow, faint, "")
	style := red
	switch p.v.Outcome {
	case oracle.Agree:
		style = green
	case oracle.Inconclusive:
		style = yellow
	}
	text := string(p.v.Outcome)
	if p.v.Signature != "" {
		text += "  " + p.v.Signature
	}
	if p.v.Runs > 1 {
		text += fmt.Sprintf("  (%d of %d runs diverge)", p.v.Diverged, p.v.Runs)
	}
	p.add(lineRow, style, text)
	p.add(wordsRow, plain, "In words: "+Explain(p.trace, p.obs, p.v))
}
