package oracle

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
)

var (
	logTime   = regexp.MustCompile(`^(<\d+>)?\s*(\[\s*[\d.]+\]\s*)?(\[[TC]\d+\]\s*)?`)
	logNumber = regexp.MustCompile(`\b(0x[0-9a-fA-F]+|[0-9a-f]{8,16}|\d+)\b`)
	// logFault matches the lines by which the kernel tells of a fault of its
	// own, rather than of what it did with a packet.
	logFault = regexp.MustCompile(`WARNING:|BUG:|\bOops\b|KASAN|KFENCE|UBSAN|KMSAN|general protection|refcount_t:|suspicious RCU|[Kk]ernel panic|\bstall|blocked for more than|waiting for .* to become free|lock held|circular locking|list_(add|del) corruption|segfault|Unable to handle`)
	slugGap  = regexp.MustCompile(`[^a-z0-9_.+]+`)
)

// normalLog returns a line of the kernel's log without what changes from boot
// to boot.
func normalLog(line string) string {
	line = strings.TrimSpace(logTime.ReplaceAllString(line, ""))
	return logNumber.ReplaceAllString(line, "#")
}

func (p *pair) normalLines(o replay.Observation) []string {
	var lines []string
	for _, line := range o.KernelLog {
		if p.applies(RuleKernelLogFormat) {
			line = normalLog(line)
		}
		lines = append(lines, line)
	}
	if p.applies(RuleKernelLogFormat) {
		slices.Sort(lines)
		lines = slices.Compact(lines)
	}
	return lines
}

func (p *pair) kernelLog() {
	a, b := p.normalLines(p.a), p.normalLines(p.b)
	for _, line := range without(a, b) {
		p.logLine(line, p.nameA, p.a.Bridge)
	}
	for _, line := range without(b, a) {
		p.logLine(line, p.nameB, p.b.Bridge)
	}
}

func (p *pair) logLine(line, name, bridge string) {
	rule := RuleKernelLogPlain
	if logFault.MatchString(line) {
		rule = ""
	}
	p.add(found{
		Difference: Difference{
			Kind: KernelLog, Packet: -1, Recirc: -1, Step: -1, Subject: "line",
			Text: fmt.Sprintf("only the kernel of %s says: %s", name, line),
		},
		token: bridge + "/" + slug(normalLog(line)),
		entry: line,
		show: func(o replay.Observation) string {
			if slices.Contains(p.normalLines(o), line) {
				return line
			}
			return "none"
		},
	}, rule)
}

// crash records which bridges died. What the packets show after that is left
// out: it is a consequence.
func (p *pair) crash() {
	var dead, died []string
	for _, one := range []struct {
		name string
		o    replay.Observation
	}{{p.nameA, p.a}, {p.nameB, p.b}} {
		if one.o.Crash != "" {
			dead = append(dead, one.name)
			died = append(died, one.o.Bridge)
		}
	}
	text := p.a.Crash
	if text == "" {
		text = p.b.Crash
	}
	p.add(found{
		Difference: Difference{
			Kind: Crash, Packet: -1, Recirc: -1, Step: -1, Subject: "crash",
			Text: fmt.Sprintf("%s died: %s", strings.Join(dead, " and "), crashLine(text)),
		},
		token: strings.Join(died, "+") + "/" + slug(normalLog(crashLine(text))),
		show: func(o replay.Observation) string {
			if o.Crash == "" {
				return "alive"
			}
			return "died: " + crashLine(o.Crash)
		},
	}, "")
}

// crashLine returns the line of a dying guest's last words that says why: the
// first that tells of a fault, or else the last.
func crashLine(text string) string {
	last := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if logFault.MatchString(line) {
			return logTime.ReplaceAllString(line, "")
		}
		if line != "" {
			last = line
		}
	}
	return logTime.ReplaceAllString(last, "")
}

// slugLen is the length of the readable part of a slug.
const slugLen = 48

// slug returns a short name for a message: its first words, and enough of a
// hash of all of it to tell it from others.
func slug(line string) string {
	sum := sha256.Sum256([]byte(line))
	words := strings.Trim(slugGap.ReplaceAllString(strings.ToLower(line), "-"), "-+.")
	if len(words) > slugLen {
		words = strings.TrimRight(words[:slugLen], "-+.")
	}
	return fmt.Sprintf("%s-%x", words, sum[:3])
}
