package move

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/ctdiff/ctdiff/replay"
)

// sum is the ones' complement sum of b's words, with one zero.
func sum(b []byte) (n uint64) {
	for ; len(b) >= 2; b = b[2:] {
		n += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		n += uint64(b[0]) << 8
	}
	return n % wrap
}

// Back undoes Frame, Frame undoes Back, and the sum of a frame stays the same.
func FuzzFrame(f *testing.F) {
	for _, template := range frames {
		from, _ := expand(f, template)
		f.Add(uint32(1), from)
		f.Add(uint32(1<<32-1), from)
	}
	f.Fuzz(func(t *testing.T, n uint32, frame []byte) {
		m, given := Move(n), bytes.Clone(frame)
		there, back := m.Frame(nil, frame), m.Back(nil, frame)
		if got := m.Back(nil, there); !bytes.Equal(got, frame) {
			t.Errorf("%x moved %d is\n%x, and back\n%x", frame, n, there, got)
		}
		if got := m.Frame(nil, back); !bytes.Equal(got, frame) {
			t.Errorf("%x moved back %d is\n%x, and there\n%x", frame, n, back, got)
		}
		if !bytes.Equal(frame, given) {
			t.Errorf("%x was changed to %x", given, frame)
		}
		// Only the identification of fragments is in no sum.
		whole := bytes.ReplaceAll(frame, []byte{protoFragment}, []byte{protoDestOpts})
		if there := m.Frame(nil, whole); sum(there) != sum(whole) {
			t.Errorf("%x moved %d is\n%x: sum %#x is now %#x", whole, n, there, sum(whole), sum(there))
		}
	})
}

// FuzzAddress tests what package move promises of addresses.
func FuzzAddress(f *testing.F) {
	for _, text := range []string{"2001:db8::1", "fe80::1", "fe80:1:ffff::1", "ff02::1", "::1", "::ffff:10.0.0.1", "10.0.0.1", "126.255.255.255", "128.0.255.0", "223.255.255.255", "255.255.255.255"} {
		f.Add(netip.MustParseAddr(text).AsSlice(), uint32(1), uint32(1<<16))
	}
	f.Fuzz(func(t *testing.T, b []byte, n1, n2 uint32) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		limit := uint32(1<<32 - 1)
		if a.Is4() {
			limit = 56_831
		} else if a.IsLinkLocalUnicast() {
			limit = 16_777_472
		}
		n1, n2 = n1%limit, n2%limit
		one, two := moved(a, Move(n1)), moved(a, Move(n2))
		switch stays := one == a && two == a; {
		case (a.IsMulticast() || a.IsUnspecified() || a.IsLoopback() || a.Is4In6()) && !stays:
			t.Errorf("%v moved to %v", a, one)
		case one == two && n1 != n2 && !fixedAddress(a):
			t.Errorf("%v moved %d and %d is %v", a, n1, n2, one)
		}
		if sum(one.AsSlice()) != sum(b) {
			t.Errorf("%v moved to %v, which has another sum", a, one)
		}
		if one.Is4() != a.Is4() || a.Is6() && (one.IsLinkLocalUnicast() != a.IsLinkLocalUnicast() ||
			one.IsPrivate() != a.IsPrivate() || !bytes.Equal(one.AsSlice()[13:], b[13:])) {
			t.Errorf("%v moved to %v, which is of another kind", a, one)
		}
		checkPlaces(t, a, one, Move(n1))
	})
}

// fixedAddress is what package move says of those that stay.
func fixedAddress(a netip.Addr) bool {
	for _, p := range []string{"ff00::/8", "::/40", "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"} {
		if netip.MustParsePrefix(p).Contains(a) || a.Is4In6() {
			return true
		}
	}
	return a.Is4() && a.Compare(netip.MustParseAddr("128.0.0.0")) >= 0 && a.Compare(netip.MustParseAddr("128.0.254.254")) <= 0
}

// checkPlaces checks that an address moves to the same one in all places, and
// back in connections.
func checkPlaces(t *testing.T, from, to netip.Addr, m Move) {
	t.Helper()
	frame := func(a netip.Addr) []byte {
		b := a.AsSlice()
		if a.Is4() {
			head := []byte{12: 8, 14: 0x45, 17: 48, 23: protoICMP, 25: 0}
			quoted := []byte{0: 3, 8: 0x45, 19: 0}
			return bytes.Join([][]byte{head, b, b, quoted, b, b}, nil)
		}
		head := []byte{12: 0x86, 13: 0xdd, 14: 0x60, 19: 72, 20: protoRouting, 21: 64}
		quoted := []byte{0: 1, 8: 0x60, 15: 0}
		return bytes.Join([][]byte{head, b, b, {protoICMPv6, 2, 2, 0, 0, 0, 0, 0}, b, quoted, b, b}, nil)
	}
	if got := m.Frame(nil, frame(from)); !bytes.Equal(got, frame(to)) {
		t.Errorf("%v moved %d is %v, but in a frame\n%x", from, m, to, got)
	}
	entry := func(a netip.Addr) replay.ConntrackEntry {
		return replay.ConntrackEntry{Orig: a.String() + " > " + a.String() + " id=1", Reply: a.String() + " > " + a.String()}
	}
	if got := m.Entry(entry(to)); got.Orig != entry(from).Orig || got.Reply != entry(from).Reply {
		t.Errorf("%v moved %d is %v, but back in a connection %+v", from, m, to, got)
	}
}

// Entry takes any text.
func FuzzEntry(f *testing.F) {
	f.Add("2001:db8::1 > 2001:db8::2 id=7 type=128 code=0", uint32(1))
	f.Add("10.0.0.1 > ::", uint32(2))
	f.Add(" > ", uint32(3))
	f.Fuzz(func(t *testing.T, text string, n uint32) {
		there := shift(n).tuple(text)
		// Of addresses that are not written as usual the way back is not either.
		usual := (-shift(n)).tuple(there)
		if got := Move(n).Entry(replay.ConntrackEntry{Reply: shift(n).tuple(usual)}).Reply; got != usual {
			t.Errorf("%q moved %d is %q, and back %q", usual, n, shift(n).tuple(usual), got)
		}
	})
}
