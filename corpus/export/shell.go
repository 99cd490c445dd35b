package export

import (
	"bytes"
	_ "embed" // for the script
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/ctdiff/ctdiff/corpus/report"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

//go:embed shell.sh.tmpl
var shellText string

var shellTemplate = template.Must(template.New("shell").Parse(shellText))

// A script is what the template is filled with. All text is of one line.
type script struct {
	Title, Hash, Profile string
	Total                string // seconds
	Numbers              string // of the ports
	MTU                  int    // 0 for the usual one
	Rules, Looking       []string
	Packets              []scriptPacket
	Words                []string
	End                  string // ends a here-document
}

type scriptPacket struct {
	Text, Seconds, Hex string
	Port               int
}

// largestFrame is what a veth pair of the usual MTU lets through: 1500 bytes,
// an Ethernet header and one VLAN tag (is_skb_forwardable in net/core/dev.c).
const largestFrame = 1500 + 14 + 4

// Shell writes a POSIX shell script that reproduces the case on a plain host as
// root: with Open vSwitch and ip, and nothing else. If the bridges diverge, it
// says how at the end; if the rules do not show that, it has a rule more for
// each table after conntrack, which looks at all bits of ct_state.
func Shell(w io.Writer, c Case) error {
	if err := checkRules(c.Trace); err != nil {
		return err
	}
	s := script{
		Title: c.title(), Hash: c.hash(), Profile: oneLine(c.Profile),
		Numbers: numbers(c.ports()), Rules: c.Trace.Pipeline, Looking: c.lookingRules(),
	}
	if c.diverges() == nil {
		s.Words = fold(c.words(), 78)
	}
	s.End = delimiter(slices.Concat(s.Rules, s.Words))
	var total time.Duration
	for i, p := range c.Trace.Packets {
		if len(p.Frame) > largestFrame {
			s.MTU = replay.MaxFrame - 14
		}
		total += gap(p)
		s.Packets = append(s.Packets, scriptPacket{
			Text: fmt.Sprintf("packet %d: %s", i, oneLine(report.Describe(p.Frame))),
			Port: int(p.Port), Seconds: seconds(gap(p)), Hex: hex.EncodeToString(p.Frame),
		})
	}
	s.Total = fmt.Sprint(int(total.Seconds()) + 1)
	var b bytes.Buffer
	if err := shellTemplate.Execute(&b, s); err != nil {
		return err
	}
	_, err := w.Write(append(bytes.TrimRight(b.Bytes(), "\n"), '\n'))
	return err
}

// checkRules returns an error for a trace that no bridge takes, or rules that
// could not be lines of their own.
func checkRules(t replay.Trace) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if len(t.Pipeline) == 0 {
		return fmt.Errorf("no rules")
	}
	return tracefile.CheckPipeline(t.Pipeline)
}

func numbers(n int) string {
	list := []string{}
	for i := range n {
		list = append(list, fmt.Sprint(i+1))
	}
	return strings.Join(list, " ")
}

// delimiter returns a line that none of the lines is.
func delimiter(lines []string) string {
	end := "END"
	for slices.Contains(lines, end) {
		end += "_"
	}
	return end
}
