package sweep

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// typeNames is by IANA's ICMPv6 parameters.
var typeNames = map[uint8]string{
	1: "destination unreachable", 2: "packet too big", 3: "time exceeded", 4: "parameter problem",
	128: "echo request", 129: "echo reply",
	130: "multicast listener query", 131: "multicast listener report", 132: "multicast listener done",
	133: "router solicitation", 134: "router advertisement",
	135: "neighbor solicitation", 136: "neighbor advertisement", 137: "redirect",
	138: "router renumbering", 139: "node information query", 140: "node information response",
	141: "inverse neighbor solicitation", 142: "inverse neighbor advertisement",
	143: "multicast listener report v2",
	144: "home agent discovery request", 145: "home agent discovery reply",
	146: "mobile prefix solicitation", 147: "mobile prefix advertisement",
	148: "certification path solicitation", 149: "certification path advertisement",
	150: "experimental mobility", 151: "multicast router advertisement",
	152: "multicast router solicitation", 153: "multicast router termination",
	154: "FMIPv6", 155: "RPL control", 156: "ILNPv6 locator update",
	157: "duplicate address request", 158: "duplicate address confirmation", 159: "MPL control",
	160: "extended echo request", 161: "extended echo reply",
}

// A span is numbers from first to last.
type span struct{ first, last uint8 }

func (s span) String() string {
	if s.first == s.last {
		return fmt.Sprint(s.first)
	}
	return fmt.Sprintf("%d-%d", s.first, s.last)
}

// spans returns the numbers of a list that is in order, as few as can be.
func spans(list []uint8) (out []span) {
	for _, n := range list {
		if len(out) > 0 && out[len(out)-1].last+1 == n && n > 0 {
			out[len(out)-1].last = n
			continue
		}
		out = append(out, span{n, n})
	}
	return out
}

// A block is all pairs of some types with some codes.
type block struct {
	types span
	codes string
}

// String returns what the block has, "128/0-255" being "128/*".
func (b block) String() string { return b.types.String() + "/" + b.codes }

// named is String with a name for the types, if they have one.
func (b block) named() string {
	if name := b.name(); name != "" {
		return b.String() + " " + name
	}
	return b.String()
}

func (b block) name() string {
	first, last := typeNames[b.types.first], typeNames[b.types.last]
	switch {
	case b.types.first == b.types.last:
		return first
	case b.types.last < firstInformational:
		return "errors"
	case first == "" || last == "":
		return ""
	}
	return first + " to " + last
}

// blocks returns the types and codes of cases in order, as few as can be:
// neighboring types with the same codes are together.
func blocks(cases []Case) (list []block) {
	for start := 0; start < len(cases); {
		t := cases[start].Type
		var codes []uint8
		for start < len(cases) && cases[start].Type == t {
			codes = append(codes, cases[start].Code)
			start++
		}
		text := codesText(codes)
		if n := len(list) - 1; n >= 0 && list[n].codes == text && list[n].types.last+1 == t {
			list[n].types.last = t
			continue
		}
		list = append(list, block{span{t, t}, text})
	}
	return list
}

func codesText(codes []uint8) string {
	if len(codes) == Codes {
		return "*"
	}
	var parts []string
	for _, s := range spans(codes) {
		parts = append(parts, s.String())
	}
	return strings.Join(parts, ",")
}

// ParseTypes reads types such as "128,133-137". They are returned in order, each
// once.
func ParseTypes(text string) ([]uint8, error) {
	var in [256]bool
	for part := range strings.SplitSeq(text, ",") {
		first, last, given := strings.Cut(part, "-")
		if !given {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 8)
		to, err2 := strconv.ParseUint(last, 10, 8)
		if err != nil || err2 != nil || from > to {
			return nil, fmt.Errorf("%q: not a type from 0 to 255, or a range such as 133-137", part)
		}
		for t := from; t <= to; t++ {
			in[t] = true
		}
	}
	return slices.DeleteFunc(AllTypes(), func(t uint8) bool { return !in[t] }), nil
}
