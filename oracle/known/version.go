package known

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// released is the rc of a version that is no release candidate.
const released = math.MaxInt

// A version is that of a kernel or of Open vSwitch.
type version struct {
	numbers []int
	rc      int
}

var (
	versionText = regexp.MustCompile(`^(\d{1,9}(?:\.\d{1,9}){0,4})(?:[-~]rc(\d{1,9}))?([^\d.].*)?$`)
	boundText   = regexp.MustCompile(`^(>=|<=|=|<|>) *(\S+)$`)
)

// parseVersion reads a version, and returns what follows it in the text.
func parseVersion(text string) (v version, rest string, err error) {
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return v, "", fmt.Errorf("version %q: not numbers with points between", text)
	}
	for number := range strings.SplitSeq(m[1], ".") {
		n, err := strconv.Atoi(number)
		if err != nil {
			return v, "", fmt.Errorf("version %q: %w", text, err)
		}
		v.numbers = append(v.numbers, n)
	}
	v.rc = released
	if m[2] != "" {
		if v.rc, err = strconv.Atoi(m[2]); err != nil {
			return v, "", fmt.Errorf("version %q: %w", text, err)
		}
	}
	return v, m[3], nil
}

func (v version) compare(w version) int {
	for i := range max(len(v.numbers), len(w.numbers)) {
		if c := cmp.Compare(v.number(i), w.number(i)); c != 0 {
			return c
		}
	}
	return cmp.Compare(v.rc, w.rc)
}

func (v version) number(i int) int {
	if i < len(v.numbers) {
		return v.numbers[i]
	}
	return 0
}

// A bound is one comparison with a version.
type bound struct {
	sign string
	version
}

func (b bound) holds(v version) bool {
	c := v.compare(b.version)
	switch b.sign {
	case ">=":
		return c >= 0
	case ">":
		return c > 0
	case "<=":
		return c <= 0
	case "<":
		return c < 0
	}
	return c == 0
}

// A Range is a range of versions.
type Range struct {
	text   string
	bounds []bound
}

// String returns the range as it was written.
func (r Range) String() string { return r.text }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *Range) UnmarshalText(text []byte) error {
	*r = Range{text: string(text)}
	for part := range strings.SplitSeq(r.text, ",") {
		m := boundText.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return fmt.Errorf("range %q: %q is no bound such as >=5.4", r.text, part)
		}
		v, rest, err := parseVersion(m[2])
		if err != nil {
			return fmt.Errorf("range %q: %w", r.text, err)
		}
		if rest != "" {
			return fmt.Errorf("range %q: %q after the version", r.text, rest)
		}
		r.bounds = append(r.bounds, bound{m[1], v})
	}
	return nil
}

// Holds reports whether a version is in the range. One that cannot be read is
// in none.
func (r Range) Holds(text string) bool {
	v, _, err := parseVersion(text)
	if err != nil {
		return false
	}
	for _, b := range r.bounds {
		if !b.holds(v) {
			return false
		}
	}
	return true
}

// after reports whether a version comes before the range.
func (r Range) after(text string) bool {
	v, _, err := parseVersion(text)
	if err != nil {
		return true
	}
	for _, b := range r.bounds {
		if v.compare(b.version) < 0 && !b.holds(v) {
			return true
		}
	}
	return false
}
