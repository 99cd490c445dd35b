package ovs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of a dump: far beyond what a guest with a few ports can have, and
// small enough to be read by several bridges at once.
const (
	maxDump = 16 << 20
	// maxLine leaves room for the longest list of actions that a datapath
	// takes, 32 KiB of netlink attributes (MAX_ACTIONS_BUFSIZE in the
	// kernel's net/openvswitch/flow_netlink.c).
	maxLine = 512 << 10
	// maxDepth bounds parentheses in parentheses. OVS prints an encap for
	// each VLAN tag, and actions of actions, which the kernel limits to 16.
	maxDepth = 32
)

// eachLine calls do for each line of a dump that is not empty, and returns its
// first error with the number of the line.
func eachLine(dump string, do func(line string) error) error {
	if len(dump) > maxDump {
		return fmt.Errorf("%d bytes, more than %d", len(dump), maxDump)
	}
	number := 0
	for line := range strings.Lines(dump) {
		number++
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			continue
		}
		if err := printable(line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if err := do(line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return nil
}

// printable keeps control characters away from whoever shows the text.
func printable(line string) error {
	if len(line) > maxLine {
		return fmt.Errorf("%d bytes, more than %d", len(line), maxLine)
	}
	for i := range len(line) {
		if line[i] < ' ' || line[i] > '~' {
			return fmt.Errorf("byte %#02x at column %d is no printable ASCII", line[i], i+1)
		}
	}
	return nil
}

// quote shows an excerpt of a dump in an error.
func quote(text string) string {
	const most = 60
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}

// split cuts text at the commas that are outside of all parentheses.
func split(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var parts []string
	depth, start := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			if depth++; depth > maxDepth {
				return nil, fmt.Errorf("%s: parentheses nested deeper than %d", quote(text), maxDepth)
			}
		case ')':
			if depth--; depth < 0 {
				return nil, fmt.Errorf("%s: a closing parenthesis too many", quote(text))
			}
		case ',':
			if depth == 0 {
				parts = append(parts, text[start:i])
				start = i + 1
			}
		}
	}
	if depth != 0 {
		return nil, fmt.Errorf("%s: a closing parenthesis is missing", quote(text))
	}
	return append(parts, text[start:]), nil
}

// call takes "name(body)" apart. The parentheses must be balanced.
func call(text string) (name, body string, ok bool) {
	name, body, ok = strings.Cut(text, "(")
	if !ok || name == "" || !strings.HasSuffix(body, ")") {
		return "", "", false
	}
	return name, strings.TrimSuffix(body, ")"), true
}

// settings reads a list of "name=value".
func settings(parts []string) (map[string]string, error) {
	m := make(map[string]string, len(parts))
	for _, part := range parts {
		name, value, ok := strings.Cut(part, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%s: want name=value", quote(part))
		}
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("%s twice", quote(name))
		}
		m[name] = value
	}
	return m, nil
}

// number reads an unsigned number, decimal or hexadecimal with 0x.
func number(text string, bits int) (uint64, error) {
	digits, base := text, 10
	if hex, ok := strings.CutPrefix(text, "0x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, bits)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s has more than %d bits", quote(text), bits)
	}
	if err != nil {
		return 0, fmt.Errorf("%s is no number", quote(text))
	}
	return n, nil
}
