package replay

import (
	"fmt"
	"strings"
)

// CTBits is a set of ct_state bits, with the values of the kernel's
// OVS_CS_F_* (include/uapi/linux/openvswitch.h).
type CTBits uint8

// The ct_state bits.
const (
	CTNew CTBits = 1 << iota
	CTEst
	CTRel
	CTRpl
	CTInv
	CTTrk
	CTSNAT
	CTDNAT
)

// CTWitnessed is the set of bits that the witness copy of a pipeline looks
// at: all but snat and dnat, which OVS offloads to TC in no version.
const CTWitnessed = CTNew | CTEst | CTRel | CTRpl | CTInv | CTTrk

var ctNames = [8]string{"new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"}

// CTState is a ct_state of which only the bits in Mask are known. Value has
// no bit that Mask lacks.
type CTState struct {
	Value, Mask CTBits
}

// String returns s as OVS writes it in a match, such as "-new-est+trk"; the
// empty string if no bit is known.
func (s CTState) String() string {
	var b strings.Builder
	for i, name := range ctNames {
		bit := CTBits(1) << i
		if s.Mask&bit == 0 {
			continue
		}
		if s.Value&bit != 0 {
			b.WriteByte('+')
		} else {
			b.WriteByte('-')
		}
		b.WriteString(name)
	}
	return b.String()
}

// Words returns the names of the bits that are set, such as "inv,trk".
func (s CTState) Words() string {
	var names []string
	for i, name := range ctNames {
		if s.Value&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// ParseCTState reads the form that [CTState.String] writes.
func ParseCTState(text string) (CTState, error) {
	var s CTState
	for rest := text; rest != ""; {
		sign := rest[0]
		rest = rest[1:]
		end := strings.IndexAny(rest, "+-")
		if end < 0 {
			end = len(rest)
		}
		bit, ok := ctBit(rest[:end])
		if !ok || sign != '+' && sign != '-' || s.Mask&bit != 0 {
			return CTState{}, fmt.Errorf("ct_state %q: want each of new, est, rel, rpl, inv, trk, snat, dnat at most once, with + or -", text)
		}
		s.Mask |= bit
		if sign == '+' {
			s.Value |= bit
		}
		rest = rest[end:]
	}
	return s, nil
}

func ctBit(name string) (CTBits, bool) {
	for i, n := range ctNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}

// MarshalText implements [encoding.TextMarshaler].
func (s CTState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *CTState) UnmarshalText(text []byte) error {
	v, err := ParseCTState(string(text))
	*s = v
	return err
}
