package export

import (
	"bytes"
	_ "embed" // for the test's form
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/ctdiff/ctdiff/corpus/report"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

//go:embed autotest.at.tmpl
var autotestText string

var autotestTemplate = template.Must(template.New("autotest").Parse(autotestText))

// An autotest is what the template is filled with. No text can be taken for m4.
type autotest struct {
	Title          string
	Words          []string // lines
	Ports          []autotestPort
	MTU            int // 0 for the usual one
	Rules, Looking []string
	Captures       []autotestPort // where to look at what leaves
	Frames         []autotestFrame
	Sends          []autotestSend
	Checks         []string
}

type autotestPort struct{ Name, Namespace, Address string }

// An autotestFrame is a frame under the name of a shell variable.
type autotestFrame struct{ Name, Text, Hex string }

type autotestSend struct {
	Port    autotestPort
	Seconds string // empty for none
	Frame   string
}

// Autotest writes a test for tests/system-offloads-traffic.at of Open vSwitch,
// with the macros that this has from 2.15 on. It passes if flows that are
// offloaded to TC treat the packets as the case's reference does, as far as the
// two differ. Errors say what of a case no such test can show.
func Autotest(w io.Writer, c Case) error {
	if err := c.diverges(); err != nil {
		return err
	}
	if err := checkRules(c.Trace); err != nil {
		return err
	}
	a := autotest{
		Title: autotestTitle(c.Verdict.Signature),
		Words: fold(c.words(), 75),
		Ports: autotestPorts(c.ports()), Looking: c.lookingRules(),
	}
	for _, rule := range c.Trace.Pipeline {
		if !balanced(rule) || rule == autotestEnd || macro.MatchString(rule) {
			return fmt.Errorf("rule %q cannot be quoted for m4", rule)
		}
		a.Rules = append(a.Rules, numberPorts(rule))
	}
	a.packets(c.Trace)
	if err := a.check(c); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := autotestTemplate.Execute(&b, a); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// autotestEnd is the line that ends what AT_DATA and AT_CHECK are given, in the
// shell script that Autotest makes of them (autotest/general.m4 of Autoconf).
const autotestEnd = "_ATEOF"

// macro finds what autom4te takes for a macro that was not expanded
// (m4_pattern_forbid in m4sugar/m4sh.m4 and autotest/autotest.m4).
var macro = regexp.MustCompile(`\b(?:_?m4_|_?A[ST]_|dnl\b)`)

// packets adds the frames, each once, and the order in which they are sent.
func (a *autotest) packets(t replay.Trace) {
	names := map[string]string{}
	for i, p := range t.Packets {
		if len(p.Frame) > largestFrame {
			a.MTU = replay.MaxFrame - 14
		}
		name, ok := names[string(p.Frame)]
		if !ok {
			name = fmt.Sprintf("packet%d", len(names)+1)
			names[string(p.Frame)] = name
			a.Frames = append(a.Frames, autotestFrame{name, oneLine(report.Describe(p.Frame)), fmt.Sprintf("% x", p.Frame)})
		}
		s := autotestSend{Port: a.Ports[p.Port-1], Frame: name}
		if i > 0 || p.Gap > 0 {
			s.Seconds = seconds(gap(p))
		}
		a.Sends = append(a.Sends, s)
	}
}

// autotestPorts returns the ports p1 to pN. The addresses, which ADD_VETH asks
// for, are of a network for documentation (RFC 5737), and nobody's.
func autotestPorts(n int) (ports []autotestPort) {
	for i := range n {
		ports = append(ports, autotestPort{fmt.Sprintf("p%d", i+1), fmt.Sprintf("at_ns%d", i), fmt.Sprintf("203.0.113.%d/24", i+1)})
	}
	return ports
}

// autotestTitle leaves the bridges out, which the test's name says already, and
// what m4 could take for more than text.
func autotestTitle(signature string) string {
	if _, what, ok := strings.Cut(signature, "/"); ok {
		signature = what
	}
	return notTitle.ReplaceAllString(signature, "_")
}

var notTitle = regexp.MustCompile(`[^\w/+:.-]`)

// portName finds a port's name in a rule. ADD_VETH has other names, and the
// OpenFlow numbers are those of the order in which it adds ports.
var portName = regexp.MustCompile(`(^|[=:,( \t"])p([1-4])($|[,) \t"\[])`)

// numberPorts writes ports as numbers. Two names may share what is between them.
func numberPorts(rule string) string {
	for range 2 {
		rule = portName.ReplaceAllString(rule, "${1}${2}${3}")
	}
	return quotedNumber.ReplaceAllString(rule, "$1")
}

// quotedNumber is what is left of a name in quotes.
var quotedNumber = regexp.MustCompile(`"([1-4])"`)

// balanced reports whether m4's quotes, which are brackets, are so.
func balanced(text string) bool {
	depth := 0
	for _, r := range text {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		}
		if depth < 0 {
			return false
		}
	}
	return depth == 0
}

// fold cuts text into lines of at most width bytes, between words.
func fold(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// check adds what the test looks at, for each kind of difference that there is.
func (a *autotest) check(c Case) error {
	var other []string
	for _, kind := range []struct {
		kind oracle.Kind
		add  func(Case) bool
	}{
		{oracle.CTState, a.checkBits}, {oracle.VerdictKind, a.checkOutputs},
		{oracle.Conntrack, a.checkConnections}, {oracle.Crash, a.checkAlive},
	} {
		has := func(d oracle.Difference) bool { return d.Kind == kind.kind }
		if slices.ContainsFunc(c.Verdict.Differences, has) && !kind.add(c) {
			other = append(other, string(kind.kind))
		}
	}
	if len(a.Checks) > 0 {
		return nil
	}
	if len(other) == 0 {
		other = []string{string(c.Verdict.Differences[0].Kind)}
	}
	return fmt.Errorf("a difference in %s that a test of Open vSwitch's suite does not show: reduce the trace first, see ctdiff minimize", strings.Join(other, " and "))
}
