package export

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/report"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

// A Case is a trace, and what is known of it.
type Case struct {
	// Name tells the case from others, such as "founding".
	Name  string
	Trace replay.Trace
	// Profile is the name of the kernel and Open vSwitch, empty for the
	// user's own. Level and Verdict.Runs say how the trace was replayed.
	Profile string
	Level   replay.Level
	// Bridges has what each bridge made of the trace, the reference first;
	// empty if it was not replayed.
	Bridges []replay.Observation
	// Verdict is the zero value if it was not replayed.
	Verdict oracle.Verdict
}

// FromFinding returns the case of a finding.
func FromFinding(f corpus.Finding) Case {
	return Case{
		Name: filepath.Base(filepath.Clean(f.Dir)), Trace: f.Trace, Profile: f.Profile, Level: f.Level,
		Bridges: f.Observations, Verdict: f.Verdict,
	}
}

// diverges returns an error unless the case is a divergence.
func (c Case) diverges() error {
	switch {
	case len(c.Bridges) < 2 || c.Verdict.Outcome == "":
		return fmt.Errorf("the trace was not replayed")
	case c.Verdict.Outcome == oracle.Agree:
		return fmt.Errorf("the bridges agree: there is nothing to show")
	case c.Verdict.Outcome == oracle.Inconclusive || len(c.Verdict.Differences) == 0:
		return fmt.Errorf("inconclusive: %s", cmp.Or(c.Verdict.Reason, "nothing differs"))
	}
	return nil
}

// title names the case in a line.
func (c Case) title() string {
	return oneLine(cmp.Or(c.Verdict.Signature, c.Name, "trace "+c.hash()))
}

// words says what the divergence is; what only a witness shows, as the rules of
// lookingRules do.
func (c Case) words() string {
	words := report.Explain(c.Trace, c.Bridges, c.Verdict)
	return oneLine(strings.ReplaceAll(words, " (witness)", ", which rules that look at all bits show"))
}

// hash returns the first digits of the trace's name by content.
func (c Case) hash() string { return tracefile.Hash(c.Trace)[:12] }

// oneLine makes text safe for a comment that ends with the line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

// seconds returns a time as sleep(1) takes it.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// shortestGap is what passes at least between two packets that are sent by
// programs of their own: the lab sends a packet when the one before is done
// with, its upcall too.
const shortestGap = 100 * time.Millisecond

func gap(p replay.Packet) time.Duration { return max(p.Gap, shortestGap) }

var (
	portWord = regexp.MustCompile(`(?:\bp|\bin_port[=:]\s*|\boutput[=:(]\s*|\benqueue[:(]\s*)([1-4])\b`)
	allPorts = regexp.MustCompile(`(?i)\b(?:normal|flood|all)\b`)
)

// ports returns how many ports the trace needs, 2 at least: p1 is the first.
func (c Case) ports() int {
	highest := 2
	for _, p := range c.Trace.Packets {
		highest = max(highest, int(p.Port))
	}
	for _, rule := range c.Trace.Pipeline {
		if allPorts.MatchString(rule) {
			return replay.Ports
		}
		for _, m := range portWord.FindAllStringSubmatch(rule, -1) {
			highest = max(highest, int(m[1][0]-'0'))
		}
	}
	return highest
}

// witnessOnly reports whether the rules as given do not show the divergence, but
// their witness copy does: see [replay.PacketWay].
func (c Case) witnessOnly() bool {
	list := c.Verdict.Differences
	return len(list) > 0 && list[0].Kind == oracle.CTState &&
		!slices.ContainsFunc(list, func(d oracle.Difference) bool { return d.Kind == oracle.CTState && !d.Witness })
}

// ctTable finds the tables that conntrack leads to, and maybe others, in the
// actions of a rule.
var ctTable = regexp.MustCompile(`\btable\s*[=:]\s*(\d+)`)

// lookingRules returns, for a divergence that the rules do not show, a rule more
// for each table that conntrack leads to. It takes no packet, since none has all
// these bits, but has each flow there match on them.
func (c Case) lookingRules() []string {
	if !c.witnessOnly() {
		return nil
	}
	var rules []string
	for _, rule := range c.Trace.Pipeline {
		_, actions, _ := strings.Cut(rule, "actions")
		for _, m := range ctTable.FindAllStringSubmatch(actions, -1) {
			look := "table=" + m[1] + ",priority=65535,ct_state=+new+est+rel+rpl+inv+trk,actions=drop"
			if !slices.Contains(rules, look) {
				rules = append(rules, look)
			}
		}
	}
	return rules
}
