package lab

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
)

// witnessMatch looks at all bits in [replay.CTWitnessed]: no packet has all of
// them, so that it takes none, but the bits get into the flow of each packet
// that the rule is compared with.
const witnessMatch = "ct_state=+new+est+rel+rpl+inv+trk"

// tables is the number of OpenFlow tables of a bridge that a rule can be in:
// table 254 is Open vSwitch's own (ofproto/ofproto-dpif.h, TBL_INTERNAL).
const tables = 254

var (
	portName  = regexp.MustCompile(`(^|[^\w.:-])"?p([1-4])"?($|[^\w.-])`)
	portAfter = regexp.MustCompile(`\b(in_port[=:]|output[=:])"?p([1-4])"?\b`)
	tableWord = regexp.MustCompile(`^[, \t]*table\s*[=:]\s*(\d+)`)
	anyTable  = regexp.MustCompile(`(?:table\s*[=:]\s*|goto_table\s*:\s*|resubmit\([^,)]*,\s*|resubmit:)(\d+)`)
)

// witness returns the witness copy of a pipeline: the same rules, in which a
// packet that comes from conntrack passes a table of ours first, where its
// ct_state is looked at. Ports are given by number, since names are those of
// one bridge only.
func witness(p replay.Pipeline) (replay.Pipeline, error) {
	return copyWith(p, func(ours, next int) []string {
		return []string{
			fmt.Sprintf("table=%d,priority=65535,%s,actions=drop", ours, witnessMatch),
			fmt.Sprintf("table=%d,priority=0,actions=resubmit(,%d)", ours, next),
		}
	})
}

// copyWith returns a copy of a pipeline with tables of ours, which have the
// rules that are returned for their number and that of the table they lead to.
func copyWith(p replay.Pipeline, rules func(ours, next int) []string) (replay.Pipeline, error) {
	w := witnessTables{used: map[int]bool{0: true}, of: map[int]int{}, make: rules}
	for _, rule := range p {
		for _, m := range anyTable.FindAllStringSubmatch(rule, -1) {
			if n, err := strconv.Atoi(m[1]); err == nil {
				w.used[n] = true
			}
		}
	}
	var copied replay.Pipeline
	for _, rule := range p {
		rule, err := w.redirect(numberPorts(rule))
		if err != nil {
			return nil, err
		}
		copied = append(copied, rule)
	}
	return append(copied, w.rules...), nil
}

// numberPorts writes ports as numbers: "in_port=p1" becomes "in_port=1". It
// goes over the rule twice, since matches that share a delimiter overlap.
func numberPorts(rule string) string {
	rule = portAfter.ReplaceAllString(rule, "${1}${2}")
	for range 2 {
		rule = portName.ReplaceAllString(rule, "${1}${2}${3}")
	}
	return rule
}

// witnessTables are the tables that packets pass when they come from conntrack.
type witnessTables struct {
	used  map[int]bool
	of    map[int]int // the user's table → ours
	rules replay.Pipeline
	make  func(ours, next int) []string
}

// redirect has each ct action of a rule recirculate to the table of ours
// before the one that it names.
func (w *witnessTables) redirect(rule string) (string, error) {
	var b strings.Builder
	for {
		start := ctAction(rule)
		if start < 0 {
			b.WriteString(rule)
			return b.String(), nil
		}
		end, depth := start, 1
		for ; end < len(rule) && depth > 0; end++ {
			switch rule[end] {
			case '(':
				depth++
			case ')':
				depth--
			}
		}
		arguments, err := w.arguments(rule[start:end])
		if err != nil {
			return "", err
		}
		b.WriteString(rule[:start] + arguments)
		rule = rule[end:]
	}
}

// ctAction returns where the arguments of the first ct action begin, or -1.
func ctAction(rule string) int {
	for from := 0; ; {
		i := strings.Index(rule[from:], "ct(")
		if i < 0 {
			return -1
		}
		at := from + i
		if at == 0 || strings.ContainsRune("=,( \t:", rune(rule[at-1])) {
			return at + len("ct(")
		}
		from = at + 1
	}
}

// arguments replaces the table in the arguments of a ct action, but not in
// those of an action inside it.
func (w *witnessTables) arguments(text string) (string, error) {
	depth, part := 0, 0
	for i := range len(text) {
		switch {
		case text[i] == '(':
			depth++
		case text[i] == ')' && depth > 0:
			depth--
		}
		if depth > 0 || text[i] != ',' && i != len(text)-1 {
			continue
		}
		if m := tableWord.FindStringSubmatchIndex(text[part:]); m != nil {
			number := text[part+m[2] : part+m[3]]
			n, err := strconv.Atoi(number)
			if err != nil {
				return "", fmt.Errorf("table %s: %w", number, err)
			}
			ours, err := w.before(n)
			if err != nil {
				return "", err
			}
			return text[:part+m[2]] + strconv.Itoa(ours) + text[part+m[3]:], nil
		}
		part = i
	}
	return text, nil
}

// before returns the table of ours that leads to table n.
func (w *witnessTables) before(n int) (int, error) {
	if ours, ok := w.of[n]; ok {
		return ours, nil
	}
	for ours := tables - 1; ours > 0; ours-- {
		if w.used[ours] {
			continue
		}
		w.used[ours], w.of[n] = true, ours
		w.rules = append(w.rules, w.make(ours, n)...)
		return ours, nil
	}
	return 0, errors.New("the pipeline leaves no OpenFlow table free for its witness copy")
}
