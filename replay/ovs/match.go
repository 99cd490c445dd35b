package ovs

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
)

// parseKey reads the match of a flow: "recirc_id(0x1),in_port(p1),…".
func (f *Flow) parseKey(key string) error {
	fields, err := split(key)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, field := range fields {
		name, body, ok := call(field)
		if !ok {
			return fmt.Errorf("match %s: want name(…)", quote(field))
		}
		if seen[name] {
			return fmt.Errorf("match %s twice", quote(name))
		}
		seen[name] = true
		if err := f.parseField(name, body); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	// OVS never wildcards it: a packet belongs to one pass.
	if !seen["recirc_id"] {
		return errors.New("no recirc_id")
	}
	return nil
}

func (f *Flow) parseField(name, body string) (err error) {
	switch name {
	case "recirc_id":
		var id uint64
		id, err = number(body, 32)
		f.RecircID = uint32(id)
	case "in_port":
		f.InPort, err = parsePort(body)
	case "ct_state":
		f.CTState, err = parseCTState(body)
	case "ct_zone":
		f.Zone, err = parseMasked(body, 16)
	case "ct_mark":
		f.Mark, err = parseMasked(body, 32)
	case "ct_label":
		f.Label, err = parseMasked(body, 128)
	case "packet_type":
		if body != "ns=0,id=0" {
			err = f.addMatch(name, body)
		}
	default:
		err = f.addMatch(name, body)
	}
	return err
}

func (f *Flow) addMatch(name, body string) error {
	body, err := matched(body)
	if err != nil || body == "" {
		return err
	}
	if f.Match == nil {
		f.Match = map[string]string{}
	}
	f.Match[name] = body
	return nil
}

// parsePort reads the body of an in_port. OVS prints a masked one as a number.
func parsePort(body string) (string, error) {
	_, mask, masked := strings.Cut(body, "/")
	switch {
	case masked && isZero(mask):
		return "", nil
	case masked:
		return "", fmt.Errorf("%s: a port with a mask", quote(body))
	case strings.ContainsAny(body, "()"):
		return "", fmt.Errorf("%s is no port name", quote(body))
	}
	return body, nil
}

// parseCTState reads the body of a ct_state: "0x20/0x23", "0x21" for all bits,
// "-new-est+trk", or "new|trk" for all bits.
func parseCTState(body string) (replay.CTState, error) {
	if body == "" || body[0] == '+' || body[0] == '-' {
		return replay.ParseCTState(body)
	}
	if body > "9" {
		return parseCTNames(body)
	}
	valueText, maskText, masked := strings.Cut(body, "/")
	value, err := number(valueText, 32)
	if err != nil {
		return replay.CTState{}, err
	}
	mask := uint64(math.MaxUint32)
	if masked {
		if mask, err = number(maskText, 32); err != nil {
			return replay.CTState{}, err
		}
	}
	// The userspace datapath prints bits that the flow does not look at.
	if value &= mask; value&^allCTBits != 0 {
		return replay.CTState{}, fmt.Errorf("%s has a bit that is none of ct_state's", quote(body))
	}
	return replay.CTState{Value: replay.CTBits(value), Mask: replay.CTBits(mask & allCTBits)}, nil
}

const allCTBits = 0xff

// parseCTNames reads the names of the bits that are set, where all are known.
func parseCTNames(names string) (replay.CTState, error) {
	s := replay.CTState{Mask: allCTBits}
	for name := range strings.SplitSeq(names, "|") {
		bit, err := replay.ParseCTState("+" + name)
		if err != nil {
			return replay.CTState{}, err
		}
		s.Value |= bit.Value
	}
	return s, nil
}

// parseMasked reads "value" or "value/mask" of a number of bits; the result is
// empty if the mask is zero.
func parseMasked(body string, bits int) (string, error) {
	if body == "" {
		return "", nil
	}
	text, maskText, masked := strings.Cut(body, "/")
	value, err := bigNumber(text, bits)
	if err != nil {
		return "", err
	}
	if !masked {
		return hexText(value), nil
	}
	mask, err := bigNumber(maskText, bits)
	if err != nil || mask.Sign() == 0 {
		return "", err
	}
	return hexText(value.And(value, mask)) + "/" + hexText(mask), nil
}

func bigNumber(text string, bits int) (*big.Int, error) {
	if bits <= 64 {
		n, err := number(text, bits)
		return new(big.Int).SetUint64(n), err
	}
	// big.Int takes signs, OVS prints none.
	digits, hexadecimal := strings.CutPrefix(text, "0x")
	if !hexadecimal && text != "0" || strings.ContainsAny(digits, "+-") || len(digits) > bits/4 {
		return nil, fmt.Errorf("%s is no hexadecimal number of %d bits", quote(text), bits)
	}
	n, ok := new(big.Int).SetString(digits, 16)
	if !ok {
		return nil, fmt.Errorf("%s is no hexadecimal number of %d bits", quote(text), bits)
	}
	return n, nil
}

// hexText writes a number as C's "%#x" does.
func hexText(n *big.Int) string {
	if n.Sign() == 0 {
		return "0"
	}
	return fmt.Sprintf("%#x", n)
}

// shownAnyway reports whether OVS prints a member whatever its mask is.
func shownAnyway(member string) bool {
	return member == "cfi=0" || strings.HasPrefix(member, "nd_reserved=")
}

// matched returns the members of a match's body that narrow it.
func matched(body string) (string, error) {
	members, err := split(body)
	if err != nil {
		return "", err
	}
	var keep []string
	narrows := false
	for _, m := range members {
		if name, inner, ok := call(m); ok {
			if inner, err = matched(inner); err != nil {
				return "", err
			}
			m = ""
			if inner != "" {
				m = name + "(" + inner + ")"
			}
		} else if _, mask, masked := strings.Cut(m, "/"); masked && isZero(mask) {
			m = ""
		}
		if m == "" {
			continue
		}
		keep = append(keep, m)
		narrows = narrows || !shownAnyway(m)
	}
	if !narrows {
		return "", nil
	}
	return strings.Join(keep, ","), nil
}

// isZero reports whether a number, an address, or the bytes of an attribute
// that OVS has no name for, are zero in whichever form.
func isZero(text string) bool { return text != "" && strings.Trim(text, "0x.: ") == "" }
