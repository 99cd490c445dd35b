package reduce

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// A naming is a kind of name that means the same wherever it is in a trace.
type naming struct {
	what string
	// places returns where such names are in a packet: that of the source,
	// that of the destination, then any others.
	places func(*packet) [][]byte
	// plain returns the k-th plain name, from 1.
	plain func(k int) []byte
	// address says that the name is an address, and may be in rules.
	address bool
}

var namings = []naming{
	{"addresses", places6, plainIPv6, true},
	{"addresses", places4, func(k int) []byte { return []byte{10, 0, 0, byte(k)} }, true},
	{"ports", placesPorts, func(k int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(1000+k)) }, false},
}

func plainIPv6(k int) []byte {
	a := netip.MustParseAddr("2001:db8::").As16()
	a[15] = byte(k)
	return a[:]
}

// places6 finds IPv6 addresses: those of the header, a neighbor's, and those
// in the packet that an error is about.
func places6(f *packet) [][]byte {
	if f.version() != 6 {
		return nil
	}
	list := [][]byte{f.ip[8:24], f.ip[24:40]}
	if !f.isICMPv6() {
		return list
	}
	kind, b := f.body[0], f.body
	switch {
	case kind == redirect && len(b) >= 40:
		list = append(list, b[8:24], b[24:40])
	case (kind == solicitation || kind == advertisement) && len(b) >= 24:
		list = append(list, b[8:24])
	case kind >= 1 && kind <= 4 && len(b) >= 48:
		list = append(list, b[16:32], b[32:48])
	}
	return list
}

// places4 finds IPv4 addresses, ARP's as well.
func places4(f *packet) [][]byte {
	switch {
	case f.version() == 4:
		list := [][]byte{f.ip[12:16], f.ip[16:20]}
		if q := f.quoted(); q != nil {
			list = append(list, q[12:16], q[16:20])
		}
		return list
	case f.kind == oracle.TypeARP && len(f.body) >= 28:
		return [][]byte{f.body[14:18], f.body[24:28]}
	}
	return nil
}

func placesPorts(f *packet) [][]byte {
	if f.whole(oracle.ProtoTCP, 20) || f.isUDP() || f.whole(oracle.ProtoSCTP, 12) {
		return [][]byte{f.body[0:2], f.body[2:4]}
	}
	return nil
}

// mostPlain bounds how many plain names are tried for one.
const mostPlain = 8

// rename makes names plain in the whole trace: one name for all sources and one
// for all destinations, or else one for each in the order in which they come,
// or else as many of them as will do.
func (r *reducer) rename(n naming) error {
	names, roles := r.names(n)
	byRole, byOrder := map[string][]byte{}, map[string][]byte{}
	for i, name := range names {
		byRole[name] = n.plain(roles[i])
		byOrder[name] = n.plain(min(i+1, 255))
	}
	for _, to := range []map[string][]byte{byRole, byOrder} {
		if ok, err := r.replace(n, to); ok || err != nil {
			return err
		}
	}
	for i, name := range names {
		if err := r.renameOne(n, name, roles[i]); err != nil {
			return err
		}
	}
	return nil
}

// renameOne tries the plain name of the role first.
func (r *reducer) renameOne(n naming, name string, role int) error {
	order := []int{role, 3 - role}
	for k := 3; k <= mostPlain; k++ {
		order = append(order, k)
	}
	for _, k := range order {
		plain := n.plain(k)
		if name == string(plain) {
			return nil
		}
		if r.meets(n, name, string(plain)) {
			continue
		}
		if ok, err := r.replace(n, map[string][]byte{name: plain}); ok || err != nil {
			return err
		}
	}
	return nil
}

// names returns the names in the trace in order, and for each whether it is
// first met as that of a source, 1, or not, 2.
func (r *reducer) names(n naming) (names []string, roles []int) {
	for _, p := range r.best.Packets {
		for i, place := range n.places(parse(p)) {
			if !slices.Contains(names, string(place)) {
				names = append(names, string(place))
				roles = append(roles, min(i+1, 2))
			}
		}
	}
	return names, roles
}

// meets reports whether two names are the two ends of a packet: if they became
// one, it would be from and to the same place.
func (r *reducer) meets(n naming, a, b string) bool {
	return slices.ContainsFunc(r.best.Packets, func(p replay.Packet) bool {
		places := n.places(parse(p))
		if len(places) < 2 {
			return false
		}
		x, y := string(places[0]), string(places[1])
		return x == a && y == b || x == b && y == a
	})
}

func (r *reducer) replace(n naming, to map[string][]byte) (bool, error) {
	t := r.best
	t.Packets = slices.Clone(t.Packets)
	for i, p := range t.Packets {
		f := parse(p)
		for _, place := range n.places(f) {
			if name, ok := to[string(place)]; ok {
				copy(place, name)
			}
		}
		t.Packets[i] = f.replay(p)
	}
	if n.address {
		t.Pipeline = replaceInRules(t.Pipeline, to)
	}
	return r.try(t, fmt.Sprintf("%s of all packets", n.what))
}

var addressWord = regexp.MustCompile(`[0-9A-Fa-f:.]*[:.][0-9A-Fa-f:.]*`)

// replaceInRules has rules that match on an address go on to do so.
func replaceInRules(rules replay.Pipeline, to map[string][]byte) replay.Pipeline {
	changed := make(replay.Pipeline, len(rules))
	for i, rule := range rules {
		changed[i] = addressWord.ReplaceAllStringFunc(rule, func(word string) string {
			a, err := netip.ParseAddr(word)
			if err != nil {
				return word
			}
			name, ok := to[string(a.AsSlice())]
			if !ok || bytes.Equal(name, a.AsSlice()) {
				return word
			}
			b, _ := netip.AddrFromSlice(name)
			return b.String()
		})
	}
	return changed
}
