package sweep

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/oracle"
)

// Text writes the table for people: a line for each class, and below it what is
// to be said of those in which bridges differ.
func (t *Table) Text(w io.Writer) error {
	out := bufio.NewWriter(w)
	for i, name := range t.labels() {
		b := t.Bridges[i]
		fmt.Fprintf(out, "%s: Linux %s, OVS %s\n", name, b.Kernel, b.OVS)
	}
	t.section(out, false)
	t.section(out, true)
	t.remarks(out)
	fmt.Fprintf(out, "\n%s\n", t.summary())
	for _, n := range t.Notes {
		fmt.Fprintf(out, "note: %s\n", strings.ReplaceAll(n, "\n", "\n  "))
	}
	return out.Flush()
}

// typesWidth is the width of the column of types and codes.
const typesWidth = 48

// section writes the classes with a connection or without.
func (t *Table) section(out io.Writer, connected bool) {
	usual := t.usual(connected)
	rows := [][]string{append([]string{"class", "pairs", "", "type/code"}, t.labels()...)}
	for i, c := range t.Classes {
		if c.Connected() == connected {
			rows = append(rows, t.row(i, usual)...)
		}
	}
	switch {
	case len(rows) == 1:
		return
	case !connected:
		fmt.Fprintf(out, "\nWithout a connection: the packet, twice.\n")
	default:
		fmt.Fprintf(out, "\nWith a connection: %s; then the packet, twice.\n", usual.words())
		if usual.connection != "" {
			fmt.Fprintf(out, "Unless said otherwise there is the %s.\n", usual.connection)
		}
	}
	align(out, rows)
}

// row returns the lines of a class.
func (t *Table) row(i int, usual setup) [][]string {
	c := t.Classes[i]
	types := wrap(c.blocks(), typesWidth)
	first := []string{fmt.Sprint(i + 1), fmt.Sprint(len(c.Cases)), verdictWords(c.Verdict()), types[0]}
	for n := range t.Bridges {
		switch {
		case len(c.Ways) == 0:
			first = append(first, "?")
		case n > 0 && c.said(n, usual) == c.said(0, usual):
			first = append(first, "the same")
		default:
			first = append(first, c.said(n, usual))
		}
	}
	rows := [][]string{first}
	for _, more := range types[1:] {
		rows = append(rows, []string{"", "", "", more})
	}
	return rows
}

func verdictWords(verdict string) string {
	if verdict == VerdictKnown {
		return "diverge (known)"
	}
	return verdict
}

// blocks tells the types and codes of the class.
func (c Class) blocks() (list []string) {
	for _, b := range blocks(c.Cases) {
		list = append(list, b.named())
	}
	return list
}

// A setup is what the packets that make a connection lead to.
type setup struct {
	before     []string
	connection string
}

// usual returns what the reference does in the largest class.
func (t *Table) usual(connected bool) (s setup) {
	most := 0
	for _, c := range t.Classes {
		if c.Connected() == connected && len(c.Ways) > 0 && len(c.Cases) > most {
			most = len(c.Cases)
			s = setupOf(c.Ways[0])
		}
	}
	return s
}

func setupOf(w Way) setup {
	s := setup{before: w.Before}
	if i := slices.IndexFunc(w.Connections, isEchos); i >= 0 {
		s.connection = w.Connections[i]
	}
	return s
}

func isEchos(connection string) bool { return strings.HasPrefix(connection, echos) }

func (s setup) words() string {
	if len(s.before) < connections {
		return "an echo request and its reply"
	}
	return fmt.Sprintf("an echo request (%s) and its reply (%s)", s.before[0], s.before[1])
}

// said tells what a bridge makes of a class, without what is usual.
func (c Class) said(bridge int, usual setup) string {
	w := c.Ways[bridge]
	s := setupOf(w)
	w.Connections = slices.DeleteFunc(slices.Clone(w.Connections), isEchos)
	text := w.String()
	if w.Crash != "" {
		return text
	}
	if !slices.Equal(s.before, usual.before) {
		text = s.words() + ", then " + text
	}
	switch s.connection {
	case usual.connection:
		return text
	case "":
		return text + ", no " + echos
	}
	return text + ", " + s.connection
}

// remarks writes what is to be said of classes in which bridges differ, once for
// those of which it is the same.
func (t *Table) remarks(out io.Writer) {
	var order []string
	classes, alone := map[string][]string{}, map[string][]string{}
	for i, c := range t.Classes {
		text := c.remark()
		if text == "" {
			continue
		}
		if classes[text] == nil {
			order = append(order, text)
		}
		classes[text] = append(classes[text], fmt.Sprint(i+1))
		alone[text] = append(alone[text], c.Alone...)
	}
	for _, text := range order {
		word := "class"
		if len(classes[text]) > 1 {
			word = "classes"
		}
		fmt.Fprintf(out, "\n%s %s: %s\n", word, strings.Join(classes[text], ", "), text)
		if len(alone[text]) > 0 {
			fmt.Fprintf(out, "  replayed alone: %s\n", strings.Join(alone[text], ", "))
		}
	}
}

func (c Class) remark() string {
	if c.Outcome == oracle.Agree {
		return ""
	}
	lines := []string{c.Signature, c.Reason}
	if c.Note != "" {
		lines = append(lines, c.Note, c.Link)
	}
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return l == "" }), "\n  ")
}

// summary says in a line what came of it, and how fast.
func (t *Table) summary() string {
	count := map[string]int{}
	for _, c := range t.Classes {
		count[c.Verdict()] += len(c.Cases)
	}
	var parts []string
	for _, verdict := range corpus.SweepVerdicts {
		if n := count[verdict]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, verdictWords(verdict)))
		}
	}
	text := fmt.Sprintf("%d cases in %d classes: %s.\n%d packets in %.1f s, %.0f a second, each twice through each bridge",
		len(t.cases), len(t.Classes), strings.Join(parts, ", "), t.Packets, t.Seconds, t.rate())
	if t.Cold > 0 {
		text += fmt.Sprintf("; %d replays were not warm", t.Cold)
	}
	return text + "."
}
