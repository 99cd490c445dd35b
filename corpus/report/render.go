package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"slices"
	"strings"
	text "text/template"
)

//go:embed templates
var templates embed.FS

//go:embed templates/page.css
var styles string

// functions are those of both templates.
var functions = map[string]any{
	"middle": func(x int) int { return x + laneWidth/2 },
	"plus":   func(a, b int) int { return a + b },
	"lane":   func() int { return laneWidth },
	"short":  func(text string) bool { return strings.Count(text, "\n") < openLines },
	"status": func(s string) string {
		if s == "inconclusive" {
			return "not confirmed"
		}
		return s
	},
	"joined": func(spans []span) string {
		var b strings.Builder
		for _, s := range spans {
			b.WriteString(s.Text)
		}
		return b.String()
	},
	"differs": func(groups []group) bool {
		return slices.ContainsFunc(groups, func(g group) bool { return g.Differs })
	},
	"words": escaped, "code": codeSpan, "fence": fence,
}

var (
	htmlPage     = template.Must(template.New("page.html").Funcs(functions).ParseFS(templates, "templates/*.html"))
	markdownPage = text.Must(text.New("page.md").Funcs(functions).ParseFS(templates, "templates/page.md"))
)

// openLines is the number of lines up to which a hint is shown at once.
const openLines = 12

// form is what the templates are given.
type form struct {
	Title     string
	Styles    template.CSS
	Faults    []error
	Campaigns []campaignView
	Glossary  []fact
}

func (p *Page) form() form {
	//nolint:gosec // the styles are ours
	return form{p.Title, template.CSS(styles), p.Faults, p.campaigns, glossary}
}

// HTML writes the report as one page that needs nothing else: no script, no
// network.
func (p *Page) HTML(w io.Writer) error { return write(w, htmlPage, p.form()) }

// Markdown writes the report as Markdown in the form of GitHub: CommonMark and
// tables.
func (p *Page) Markdown(w io.Writer) error { return write(w, markdownPage, p.form()) }

// write writes what the template makes of a form, without what would command a
// terminal.
func write(w io.Writer, t interface {
	Execute(w io.Writer, data any) error
}, f form) error {
	var b strings.Builder
	if err := t.Execute(&b, f); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	lines := strings.SplitAfter(b.String(), "\n")
	for i, line := range lines {
		text, more := strings.CutSuffix(line, "\n")
		if lines[i] = printable(strings.ReplaceAll(text, "\t", "    ")); more {
			lines[i] += "\n"
		}
	}
	if _, err := io.WriteString(w, strings.Join(lines, "")); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

// glossary says what the page's words mean, to those who have not met them.
var glossary = []fact{
	{"bridge", "one Open vSwitch, in a guest of its own. system has its flows in the kernel datapath, tc has them offloaded to TC, the kernel's traffic control; everything else is the same, so packets should fare alike."},
	{"conntrack", "connection tracking: the kernel's memory of which packets belong to which connection. OpenFlow rules send a packet there with the action ct."},
	{"ct_state", "what connection tracking said of a packet. +trk means that the bit trk is set, -trk that it is not."},
	{"packet 1", "the second: packets are counted from 0."},
	{"recirculation, recirc", "a packet that comes back from conntrack is looked up again, with its ct_state known: recirculation 1 is what follows the first time."},
	{"ovs, tc", "at the end of a row: where the flow is that took the packet, in the kernel datapath or in TC."},
	{"upcall", "no flow took the packet, so ovs-vswitchd decided, and made a flow for those that follow. That packet goes through the kernel datapath on tc as well: so it is the second packet on which the two may differ."},
	{"witness", "a copy of the rules that looks at more bits of ct_state than the rules themselves: it shows what they would have met."},
	{"signature", "the name of a difference. It is the same for two counterexamples that are likely to have one cause, on every machine."},
	{"not confirmed", "seen once, but not in each of several replays: it is kept, and says nothing about the bridges."},
}

var special = regexp.MustCompile("[\\\\`*_\\[\\]<>|&~]")

// escaped has Markdown show a text as it is, in a line.
func escaped(text string) string {
	return special.ReplaceAllString(strings.Join(strings.Fields(text), " "), `\$0`)
}

// codeSpan returns text as code within a line, also of a table.
func codeSpan(text string) string {
	text = strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
	marks := backticks(text, "`")
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return marks + text + marks
}

// fence returns text as a block of code.
func fence(text string) string {
	marks := backticks(text, "```")
	return marks + "\n" + strings.TrimSuffix(text, "\n") + "\n" + marks
}

// backticks returns more of them than there are in a row in the text.
func backticks(text, least string) string {
	for strings.Contains(text, least) {
		least += "`"
	}
	return least
}
