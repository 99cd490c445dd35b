package tracefile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ctdiff/ctdiff/replay"
)

// Limits of a pipeline in a file, besides [replay.MaxRules].
const (
	// MaxRule is the largest number of bytes in a rule.
	MaxRule = 4096
	// MaxPipeline is the largest number of bytes in all rules, and one more
	// for each. libpcap, and so tcpdump, reads no section header of more
	// than 1 MiB (BT_SHB_INSANE_MAX in its sf-pcapng.c).
	MaxPipeline = 1_000_000
)

// maxPipelineLine leaves room for a long comment after a rule.
const maxPipelineLine = 16 << 10

// CheckRule returns an error if rule cannot be a rule of a trace: if it is
// empty or longer than [MaxRule], is not UTF-8, does not fit on a line, has
// blanks around it, or has a "#", after which ovs-ofctl takes the rest as a
// comment.
func CheckRule(rule string) error {
	switch {
	case rule == "":
		return errors.New("rule is empty")
	case len(rule) > MaxRule:
		return fmt.Errorf("rule of %d bytes: longer than %d", len(rule), MaxRule)
	case !utf8.ValidString(rule):
		return fmt.Errorf("rule %q: not UTF-8", rule)
	case strings.ContainsFunc(rule, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }):
		return fmt.Errorf("rule %q: has a control character", rule)
	case strings.TrimSpace(rule) != rule:
		return fmt.Errorf("rule %q: has blanks around it", rule)
	case strings.Contains(rule, "#"):
		return fmt.Errorf("rule %q: has a #, which begins a comment", rule)
	}
	return nil
}

// CheckPipeline returns an error if p has too many rules, is longer than
// [MaxPipeline], or has a rule that [CheckRule] refuses.
func CheckPipeline(p replay.Pipeline) error {
	if len(p) > replay.MaxRules {
		return fmt.Errorf("pipeline has %d rules, more than %d", len(p), replay.MaxRules)
	}
	total := 0
	for i, rule := range p {
		if err := CheckRule(rule); err != nil {
			return fmt.Errorf("rule %d: %w", i, err)
		}
		if total += len(rule) + 1; total > MaxPipeline {
			return fmt.Errorf("rule %d: pipeline is longer than %d bytes", i, MaxPipeline)
		}
	}
	return nil
}

// ParsePipeline reads rules as ovs-ofctl(8) add-flows does: one on each line,
// blank lines skipped, and all that follows a "#" taken as a comment.
func ParsePipeline(r io.Reader) (replay.Pipeline, error) {
	var p replay.Pipeline
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxPipelineLine)
	n, total := 0, 0
	for scanner.Scan() {
		n++
		rule, _, _ := strings.Cut(scanner.Text(), "#")
		rule = strings.TrimSpace(rule)
		if rule == "" {
			continue
		}
		place := fmt.Sprintf("line %d", n)
		if err := CheckRule(rule); err != nil {
			return nil, &InputError{Place: place, Err: err}
		}
		if len(p) == replay.MaxRules {
			return nil, badInput(place, "more than %d rules", replay.MaxRules)
		}
		if total += len(rule) + 1; total > MaxPipeline {
			return nil, badInput(place, "rules are longer than %d bytes", MaxPipeline)
		}
		p = append(p, rule)
	}
	if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, badInput(fmt.Sprintf("line %d", n+1), "longer than %d bytes", maxPipelineLine)
	} else if err != nil {
		return nil, fmt.Errorf("reading rules: %w", err)
	}
	return p, nil
}
