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

// A page is a table being printed.
type page struct {
	trace replay.Trace
	obs   []replay.Observation
	names []string
	v     oracle.Verdict
	opts  Options

	packetDiffers map[int]bool
	out           strings.Builder
}

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
	p := &page{trace: t, obs: obs, names: oracle.Labels(obs), v: v, opts: opts, packetDiffers: map[int]bool{}}
	for _, d := range v.Differences {
		p.packetDiffers[d.Packet] = true
	}
	return p
}

// stepDiffers reports whether the verdict has a difference at a step of a
// packet.
func (p *page) stepDiffers(packet, step int, witness bool) bool {
	return slices.ContainsFunc(p.v.Differences, func(d oracle.Difference) bool {
		return d.Packet == packet && d.Step == step && d.Witness == witness
	})
}

// fateDiffers reports whether the verdict has a difference in what became of a
// packet.
func (p *page) fateDiffers(packet int) bool {
	return slices.ContainsFunc(p.v.Differences, func(d oracle.Difference) bool {
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

// row prints a cell for each bridge side by side. What does not fit goes on in
// the next line.
func (p *page) row(s style, marked bool, cells []string) {
	width := p.columnWidth()
	columns := make([][]string, len(cells))
	height := 1
	for i, c := range cells {
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
		mark := ""
		if marked {
			mark = differs
			s = red
		}
		p.line(mark, s, strings.Join(parts, separator))
	}
}

func (p *page) columnWidth() int {
	n := max(len(p.obs), 1)
	return max((p.opts.Width-len(margin)-(n-1)*measure.StringWidth(separator))/n, 12)
}

// line prints a line behind its mark.
func (p *page) line(mark string, s style, text string) {
	text = strings.TrimRight(measure.FillRight(mark, len(margin))+printable(text), " ")
	if p.opts.Color && s != plain && text != "" {
		text = fmt.Sprintf("\x1b[%sm%s\x1b[0m", s, text)
	}
	p.out.WriteString(text + "\n")
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

func (p *page) rule() { p.line("", faint, strings.Repeat("─", p.opts.Width-len(margin))) }

// wrap prints words as a paragraph.
func (p *page) wrap(text string) {
	for _, line := range fold(text, p.opts.Width-len(margin)) {
		p.line("", plain, line)
	}
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
