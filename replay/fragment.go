package replay

import "encoding/binary"

// Fragment is a fragment of an IPv4 or IPv6 packet.
type Fragment struct {
	// Offset is where in the packet Data stands, in bytes.
	Offset int
	// ID is where in the frame the identification stands, which has four bytes;
	// 0 of IPv4, which has two.
	ID int
	// More says that it is not the last one.
	More bool
	// Protocol is the number of what Data of the first fragment begins with.
	Protocol uint8
	Data     []byte
}

// ParseFragment returns the fragment that an Ethernet frame carries, if it does.
// An IPv6 fragment header is looked for behind hop-by-hop, routing and
// destination options (RFC 8200, section 4.1); an atomic one, which has all of
// the packet, is one too.
func ParseFragment(frame []byte) (f Fragment, ok bool) {
	const ipv4, ipv6, vlan, serviceVLAN = 0x0800, 0x86dd, 0x8100, 0x88a8
	for at := 12; at+2 <= len(frame); at += 4 {
		packet := frame[at+2:]
		switch binary.BigEndian.Uint16(frame[at:]) {
		case vlan, serviceVLAN:
			continue
		case ipv4:
			return fragment4(packet)
		case ipv6:
			if len(packet) < 40 {
				return f, false
			}
			if f, ok = fragment6(packet[6], packet[40:]); ok {
				f.ID = len(frame) - len(f.Data) - 4
			}
			return f, ok
		default:
			return f, false
		}
	}
	return f, false
}

func fragment4(packet []byte) (f Fragment, ok bool) {
	if len(packet) < 20 {
		return f, false
	}
	field := binary.BigEndian.Uint16(packet[6:])
	header := min(int(packet[0]&15)*4, len(packet))
	f = Fragment{Offset: int(field&0x1fff) * 8, More: field&0x2000 != 0, Protocol: packet[9], Data: packet[header:]}
	return f, f.More || f.Offset > 0
}

func fragment6(next uint8, rest []byte) (f Fragment, ok bool) {
	const hopByHop, routing, fragment, options = 0, 43, 44, 60
	for len(rest) >= 8 {
		switch next {
		case fragment:
			field := binary.BigEndian.Uint16(rest[2:])
			return Fragment{Offset: int(field &^ 7), More: field&1 != 0, Protocol: rest[0], Data: rest[8:]}, true
		case hopByHop, routing, options:
			length := 8 + 8*int(rest[1])
			if length > len(rest) {
				return f, false
			}
			next, rest = rest[0], rest[length:]
		default:
			return f, false
		}
	}
	return f, false
}
