package export

import (
	"cmp"
	_ "embed" // for the text's form
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/template"

	"github.com/ctdiff/ctdiff/corpus/report"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

//go:embed markdown.md.tmpl
var markdownText string

var markdownTemplate = template.Must(template.New("markdown").Parse(markdownText))

// Markdown writes the text of a bug mail about a divergence: what differs, in
// words and side by side, versions, packets, rules, and the script of [Shell].
func Markdown(w io.Writer, c Case) error {
	if err := c.diverges(); err != nil {
		return err
	}
	var table, packets, script strings.Builder
	if err := report.Table(&table, c.Trace, c.Bridges, c.Verdict, report.Options{}); err != nil {
		return err
	}
	if err := tracetext.Format(&packets, replay.Trace{Packets: c.Trace.Packets}); err != nil {
		return err
	}
	if err := Shell(&script, c); err != nil {
		return err
	}
	hex := ""
	for i, p := range c.Trace.Packets {
		hex += fmt.Sprintf("%d %s %x\n", i, p.Port, p.Frame)
	}
	var bridges []replay.Observation
	for i, name := range oracle.Labels(c.Bridges) {
		o := c.Bridges[i]
		bridges = append(bridges, replay.Observation{Bridge: plainText(name), Kernel: plainText(o.Kernel), OVS: plainText(o.OVS)})
	}
	return markdownTemplate.Execute(w, map[string]any{
		"Title": plainText(c.title()), "Name": notName.ReplaceAllString(cmp.Or(c.Name, c.hash()), "_"),
		"Words": plainText(c.words()), "Table": fence("", table.String()),
		"Bridges": bridges, "Profile": plainText(c.Profile), "Expected": plainText(c.expected()),
		"Runs":    fmt.Sprintf("%d of %d replays at level %s diverge like this.", c.Verdict.Diverged, c.Verdict.Runs, plainText(string(c.Level))),
		"Packets": fence("", packets.String()), "Hex": fence("", hex), "Rules": fence("", text(c.Trace.Pipeline)),
		"Commands": fence("", "sh repro.sh system\nsh repro.sh tc\n"), "Script": fence("sh", script.String()),
	})
}

// expected says what would be right: what the reference does.
func (c Case) expected() string {
	names := oracle.Labels(c.Bridges)
	d := c.Verdict.Differences[0]
	where := "there"
	if d.Packet >= 0 {
		where = fmt.Sprintf("for packet %d", d.Packet)
	}
	words := fmt.Sprintf("What %s does, on %s as well: %s, %s.", names[0], strings.Join(names[1:], " and "), where, d.Values[names[0]])
	return words + " Where a flow is must not change what becomes of a packet, or what connection tracking says of it."
}

var (
	notName = regexp.MustCompile(`[^\w.-]`)
	special = regexp.MustCompile("[\\\\`*<|\\[\\]]")
)

// plainText has Markdown show text as it is. The mail is read as plain text too,
// so no more is escaped than has to be.
func plainText(text string) string { return special.ReplaceAllString(oneLine(text), `\$0`) }

// fence returns text as a code block, whatever is in it.
func fence(language, text string) string {
	marks := "```"
	for strings.Contains(text, marks) {
		marks += "`"
	}
	return marks + language + "\n" + text + marks
}
