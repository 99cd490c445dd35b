package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// A sweepView is the table of a sweep's classes.
type sweepView struct {
	ID, Words string
	Bridges   []string
	Classes   []classView
	// NotShown is the number of classes that are not in the table.
	NotShown int
	Notes    []string
}

// A classView is a row of it.
type classView struct {
	Types, Connection, Pairs string
	Ways                     []string
	Differs                  bool
	Verdict, Signature       string
	// Why says why it is inconclusive, or what is known; Link where to read of
	// that.
	Why, Link string
}

// mostClasses is the number of classes that are shown: a sweep has tens.
const mostClasses = 500

func newSweepView(id string, s *corpus.Sweep) *sweepView {
	if s == nil {
		return nil
	}
	v := &sweepView{ID: id + "-sweep", Words: sweepWords(s), Notes: s.Notes}
	obs := make([]replay.Observation, len(s.Bridges))
	for i, b := range s.Bridges {
		obs[i] = replay.Observation{Bridge: b.Name, Kernel: b.Kernel}
	}
	v.Bridges = oracle.Labels(obs)
	shown := s.Classes[:min(len(s.Classes), mostClasses)]
	v.NotShown = len(s.Classes) - len(shown)
	for _, c := range shown {
		row := classView{
			Types: typesText(c.Types), Connection: "without", Pairs: thousands(uint64(c.Pairs)), Ways: sweepWays(c, len(s.Bridges)),
			Differs: c.Verdict == string(oracle.Diverge) || c.Verdict == string(corpus.Known),
			Verdict: c.Verdict, Signature: c.Signature, Why: cmp.Or(c.Reason, c.Note), Link: c.Link,
		}
		if c.Connection {
			row.Connection = "with"
		}
		v.Classes = append(v.Classes, row)
	}
	return v
}

// sweepWords says what was swept, and what came of it.
func sweepWords(s *corpus.Sweep) string {
	n := map[string]int{}
	for _, c := range s.Classes {
		n[c.Verdict] += c.Pairs
	}
	var parts []string
	for _, verdict := range corpus.SweepVerdicts {
		if n[verdict] > 0 {
			parts = append(parts, thousands(uint64(n[verdict]))+" "+sweepVerdict[verdict])
		}
	}
	return fmt.Sprintf("ICMPv6 types with codes, without a connection and with one: %s. They are in one class if every bridge makes the same of them.",
		cmp.Or(and(parts), "nothing"))
}

// sweepVerdict has the verdicts in words.
var sweepVerdict = map[string]string{
	string(oracle.Agree): "agree", string(oracle.Diverge): "diverge", string(corpus.Known): "diverge as is known", string(oracle.Inconclusive): "not confirmed",
}

// typesText tells types, with the name of one that stands alone: "128/1-255 echo
// request".
func typesText(types []string) string {
	list := slices.Clone(types)
	for i, text := range list {
		number, _, _ := strings.Cut(text, "/")
		if n, err := strconv.ParseUint(number, 10, 8); err == nil && icmpv6Names[uint8(n)] != "" {
			list[i] += " " + icmpv6Names[uint8(n)]
		}
	}
	return strings.Join(list, ", ")
}

// sweepWays tells what each bridge makes of a class: of one that does what the
// first does, that alone. What the packets before came to is told where bridges
// differ about it.
func sweepWays(c corpus.SweepClass, bridges int) []string {
	if len(c.Bridges) == 0 {
		return slices.Repeat([]string{"something else each time"}, bridges)
	}
	before := slices.ContainsFunc(c.Bridges, func(w corpus.SweepWay) bool { return !slices.Equal(w.Before, c.Bridges[0].Before) })
	ways := make([]string, bridges)
	for i, w := range c.Bridges {
		if ways[i] = w.String(); before {
			ways[i] = fmt.Sprintf("before it %s; then %s", cmp.Or(strings.Join(w.Before, "; "), "nothing"), ways[i])
		}
	}
	for i := 1; i < bridges; i++ {
		if ways[i] == ways[0] {
			ways[i] = "the same"
		}
	}
	return ways
}
