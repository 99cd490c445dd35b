package move

import "encoding/binary"

// Ethernet types, and numbers of protocols and extension headers.
const (
	typeIPv4 = 0x0800
	typeVLAN = 0x8100
	typeIPv6 = 0x86dd
	typeQinQ = 0x88a8
	minType  = 0x0600 // what is less is a length (IEEE 802.3, section 3.2.6)

	protoHopByHop = 0
	protoICMP     = 1
	protoRouting  = 43
	protoFragment = 44
	protoAH       = 51
	protoICMPv6   = 58
	protoDestOpts = 60
)

// Sizes in bytes: of headers without options, and of an IPv6 address.
const (
	ipv4Size   = 20
	ipv6Size   = 40
	icmpSize   = 8
	optionSize = 8 // the smallest extension header
	addrSize   = 16
)

// No function here decides by a byte that it changes: the way through a frame is
// the same there and back. None looks at a version: nor does the kernel, and what
// conntrack takes for an address has to move.

func (s shift) frame(b []byte) {
	switch kind, packet := network(b); kind {
	case typeIPv4:
		s.packet4(packet, false)
	case typeIPv6:
		s.packet6(packet, false)
	}
}

// network returns the type of what a frame carries, and that; 0 if it has none.
func network(b []byte) (kind uint16, packet []byte) {
	for at := 12; at+2 <= len(b); {
		kind = binary.BigEndian.Uint16(b[at:])
		at += 2
		switch {
		case kind == typeVLAN || kind == typeQinQ:
			at += 2
		case kind >= minType:
			return kind, b[at:]
		default:
			return snap(b[at:])
		}
	}
	return 0, nil
}

// snap reads the header that Open vSwitch looks behind (parse_ethertype).
func snap(b []byte) (kind uint16, packet []byte) {
	if len(b) < 8 || b[0] != 0xaa || b[1] != 0xaa || b[3]|b[4]|b[5] != 0 {
		return 0, nil
	}
	return binary.BigEndian.Uint16(b[6:]), b[8:]
}

func (s shift) packet4(b []byte, quoted bool) {
	if len(b) < ipv4Size {
		return
	}
	if !quoted {
		// conntrack trims the packet to its length (nf_ct_skb_network_trim):
		// what is behind may be gone on the way back.
		if b = b[:min(len(b), int(binary.BigEndian.Uint16(b[2:])))]; len(b) < ipv4Size {
			return
		}
	}
	s.ipv4(b[12:16])
	s.ipv4(b[16:20])
	size, offset := int(b[0]&15)*4, binary.BigEndian.Uint16(b[6:])&0x1fff
	if quoted || b[9] != protoICMP || offset != 0 || size < ipv4Size || size+icmpSize > len(b) {
		return
	}
	switch b[size] {
	case 3, 4, 5, 11, 12: // RFC 792's errors, as icmp_is_err of Linux has them
		s.packet4(b[size+icmpSize:], true)
	}
}

func (s shift) packet6(b []byte, quoted bool) {
	if len(b) < ipv6Size {
		return
	}
	if !quoted {
		b = b[:min(len(b), ipv6Size+int(binary.BigEndian.Uint16(b[4:])))]
	}
	s.ipv6(b[8:24])
	s.ipv6(b[24:40])
	next, b := b[6], b[ipv6Size:]
	for len(b) >= optionSize {
		size := optionSize
		switch next {
		case protoHopByHop, protoDestOpts:
			size += int(b[1]) * 8
		case protoAH:
			size += int(b[1]) * 4 // RFC 4302, section 2.2
		case protoRouting:
			size += int(b[1]) * 8
			s.routing(b[:min(len(b), size)])
		case protoFragment:
			if !quoted {
				s.id(b[4:8])
			}
			if binary.BigEndian.Uint16(b[2:])&^7 != 0 {
				return
			}
		case protoICMPv6:
			if !quoted {
				s.message6(b)
			}
			return
		default:
			return
		}
		next, b = b[0], b[min(len(b), size):]
	}
}

// routing moves the addresses of a routing header: of type 0 (RFC 2460), 2 (RFC
// 6275) and 4 (RFC 8754), of which the last has options behind its addresses.
func (s shift) routing(b []byte) {
	list := b[optionSize:]
	switch b[2] {
	case 0, 2:
	case 4:
		list = list[:min(len(list), (int(b[4])+1)*addrSize)]
	default:
		return
	}
	for len(list) >= addrSize {
		s.ipv6(list[:addrSize])
		list = list[addrSize:]
	}
}

// message6 moves what an ICMPv6 message quotes: all below 128 are errors to
// conntrack (nf_conntrack_icmpv6_error). Of a redirect it takes the first option
// only (nf_conntrack_icmpv6_redirect).
func (s shift) message6(b []byte) {
	const (
		redirect       = 137
		redirectSize   = icmpSize + 2*addrSize
		redirectedType = 4 // RFC 4861, section 4.6.3
	)
	switch {
	case b[0] < 128:
		s.packet6(b[icmpSize:], true)
	case b[0] == redirect && len(b) >= redirectSize+optionSize && b[redirectSize] == redirectedType:
		s.packet6(b[redirectSize+optionSize:], true)
	}
}
