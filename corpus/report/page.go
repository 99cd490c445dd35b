package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// A style is an ANSI "select graphic rendition" parameter.
type style string

const (
	plain  style = ""
	bold   style = "1"
	faint  style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// A page is a table being made, of rows that are the same whatever they are
// printed as.
type page struct {
	trace replay.Trace
	obs   []replay.Observation
	names []string
	v     oracle.Verdict
	opts  Options

	packetDiffers map[int]bool
	stepsDiffer   map[stepKey]bool
	rows          []row
}

// A stepKey is a step of a packet, or its witness's.
type stepKey struct {
	packet, step int
	witness      bool
}

// A row is a line of a table.
type row struct {
	kind  kind
	style style
	// differs says that bridges differ in it.
	differs bool
	text    string   // of all kinds but cellsRow and ruleRow
	cells   []string // one for each bridge
}

// A kind is what a row is.
type kind string

const (
	cellsRow kind = "cells"
	titleRow kind = "title" // what begins a part
	wordsRow kind = "words" // a paragraph
	lineRow  kind = "line"
	ruleRow  kind = "rule"
)

// Widths of the mark before a line and of what stands between two bridges.
const (
	margin    = "  "
	separator = " │ "
)

// measure counts every ambiguous character as one column whatever the locale:
// a table must not depend on where it was printed.
var measure = &runewidth.Condition{EastAsianWidth: false}

func newPage(t replay.Trace, obs []replay.Observation, v oracle.Verdict, opts Options) *page {
	if opts.Width <= 0 {
		opts.Width = defaultWidth
	}
	opts.Width = max(opts.Width, minWidth)
	p := &page{trace: t, obs: obs, names: oracle.Labels(obs), v: v, opts: opts, packetDiffers: map[int]bool{}, stepsDiffer: map[stepKey]bool{}}
	for _, d := range v.Differences {
		p.packetDiffers[d.Packet] = true
		p.stepsDiffer[stepKey{d.Packet, d.Step, d.Witness}] = true
	}
	return p
}

// stepDiffers reports whether the verdict has a difference at a step of a
// packet.
func (p *page) stepDiffers(packet, step int, witness bool) bool {
	return p.stepsDiffer[stepKey{packet, step, witness}]
}

// fateDiffers reports whether the verdict has a difference in what became of a
// packet.
func (p *page) fateDiffers(packet int) bool {
	return p.packetDiffers[packet] && slices.ContainsFunc(p.v.Differences, func(d oracle.Difference) bool {
		return d.Packet == packet && d.Kind == oracle.VerdictKind && d.Subject != "recirculations"
	})
}

func (p *page) cells(text func(replay.Observation) string) []string {
	var cells []string
	for _, o := range p.obs {
		cells = append(cells, text(o))
	}
	return cells
}

// row adds a cell for each bridge.
func (p *page) row(s style, differs bool, list []string) {
	p.rows = append(p.rows, row{kind: cellsRow, style: s, differs: differs, cells: list})
}

func (p *page) add(k kind, s style, text string) {
	p.rows = append(p.rows, row{kind: k, style: s, text: text})
}

// bound leaves no more than a number of rows, and says so.
func (p *page) bound(most int) {
	if more := len(p.rows) - most; more > 0 {
		p.rows = p.rows[:most]
		p.add(lineRow, faint, fmt.Sprintf("and %s", count(more, "more line")))
	}
}

// print prints the rows side by side, as wide as the options say.
func (p *page) print() string {
	out := printer{opts: p.opts, bridges: max(len(p.obs), 1)}
	for _, r := range p.rows {
		switch r.kind {
		case cellsRow:
			out.cells(r)
		case titleRow:
			out.line("", plain, "")
			out.line("", bold, r.text)
		case wordsRow:
			for _, text := range fold(r.text, p.opts.Width-len(margin)) {
				out.line("", r.style, text)
			}
		case lineRow:
			out.line("", r.style, r.text)
		case ruleRow:
			out.line("", faint, strings.Repeat("─", p.opts.Width-len(margin)))
		}
	}
	return out.text.String()
}

// A printer prints rows on a terminal.
type printer struct {
	opts    Options
	bridges int
	text    strings.Builder
}

// cells prints a cell for each bridge side by side. What does not fit goes on in
// the next line.
func (p *printer) cells(r row) {
	width := max((p.opts.Width-len(margin)-(p.bridges-1)*measure.StringWidth(separator))/p.bridges, 12)
	columns := make([][]string, len(r.cells))
	height := 1
	for i, c := range r.cells {
		columns[i] = fold(c, width)
		height = max(height, len(columns[i]))
	}
	for y := range height {
		var parts []string
		for _, lines := range columns {
			text := ""
			if y < len(lines) {
				text = lines[y]
			}
			parts = append(parts, measure.FillRight(text, width))
		}
		mark, s := "", r.style
		if r.differs {
			mark, s = differs, red
		}
		p.line(mark, s, strings.Join(parts, separator))
	}
}

// line prints a line behind its mark.
func (p *printer) line(mark string, s style, text string) {
	text = strings.TrimRight(measure.FillRight(mark, len(margin))+printable(text), " ")
	if p.opts.Color && s != plain && text != "" {
		text = fmt.Sprintf("\x1b[%sm%s\x1b[0m", s, text)
	}
	p.text.WriteString(text + "\n")
}

// printable leaves out what would command a terminal: a kernel's last words may
// hold anything.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}

// continued stands before what goes on from the line above.
const continued = "    "

// fold cuts text into lines of a width, between words if they fit, but keeps
// the spaces that are there. A paragraph, which has no indent, goes on without.
func fold(text string, width int) []string {
	if measure.StringWidth(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.SplitAfter(text, " ") {
		for measure.StringWidth(strings.TrimRight(line+word, " ")) > width {
			if strings.TrimSpace(line) == "" {
				head := measure.Truncate(word, width-measure.StringWidth(line), "")
				if head == "" {
					break
				}
				line, word = line+head, word[len(head):]
			}
			lines = append(lines, strings.TrimRight(line, " "))
			line = indent(width)
		}
		line += word
	}
	return append(lines, strings.TrimRight(line, " "))
}

// indent returns what a further line begins with: a cell is narrower than the
// page and its lines must be told from the next cell's, a paragraph's need not.
func indent(width int) string {
	if width > minWidth {
		return ""
	}
	return continued
}
