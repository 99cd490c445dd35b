package oracle

import (
	"encoding/binary"
	"net/netip"
)

// Numbers of the protocols that have a class of their own (IANA's Assigned
// Internet Protocol Numbers), and of IPv6's extension headers.
const (
	ProtoHopByHop = 0
	ProtoICMP     = 1
	ProtoTCP      = 6
	ProtoUDP      = 17
	ProtoRouting  = 43
	ProtoFragment = 44
	ProtoGRE      = 47
	ProtoAH       = 51
	ProtoICMPv6   = 58
	ProtoNoNext   = 59
	ProtoDestOpts = 60
	ProtoSCTP     = 132
	protoMobility = 135
)

// Ethernet types.
const (
	TypeIPv4 = 0x0800
	TypeARP  = 0x0806
	TypeVLAN = 0x8100
	TypeQinQ = 0x88a8
	TypeIPv6 = 0x86dd
)

// maxExtensions bounds the walk along a chain of headers. A frame of the
// largest size has room for more, but none that conntrack would follow.
const maxExtensions = 32

// Headers says where a frame's headers are, and what a reader needs of them.
type Headers struct {
	// VLANs is the number of VLAN tags.
	VLANs int
	// EtherType is the type after them.
	EtherType uint16
	// L3 is the offset of what follows the Ethernet header.
	L3 int
	// Version is 4 or 6, or 0 if the frame has no readable IP header.
	Version int
	// Src and Dst are the IP addresses.
	Src, Dst netip.Addr
	// Proto is the last protocol number that could be read.
	Proto uint8
	// Extensions has the IPv6 extension headers' numbers, in order.
	Extensions []uint8
	// Frag says that the packet is a fragment, FragOffset which part of the
	// packet it is, in bytes, FragMore that it is not the last, FragID what
	// it belongs to.
	Frag       bool
	FragOffset int
	FragMore   bool
	FragID     uint32
	// L4 is the offset of the transport header; -1 if there is none, or
	// only the later part of one.
	L4 int

	fragAt, data, end int // IPv6's fragment header, what follows IP's headers, where the packet ends
	fragNext          int // the byte that announces the fragment header
}

// ParseHeaders reads the headers of an Ethernet frame. It takes any bytes, and
// stops where they stop making sense.
func ParseHeaders(frame []byte) Headers {
	h := Headers{L4: -1, data: len(frame), end: len(frame), L3: len(frame)}
	at := 12
	for at+2 <= len(frame) {
		h.EtherType = binary.BigEndian.Uint16(frame[at:])
		if h.EtherType != TypeVLAN && h.EtherType != TypeQinQ {
			break
		}
		h.VLANs++
		at += 4
	}
	if at+2 > len(frame) {
		return h
	}
	h.L3 = at + 2
	switch h.EtherType {
	case TypeIPv4:
		h.parseIPv4(frame)
	case TypeIPv6:
		h.parseIPv6(frame)
	}
	return h
}

func (h *Headers) parseIPv4(frame []byte) {
	ip := frame[h.L3:]
	if len(ip) < 20 || ip[0]>>4 != 4 {
		return
	}
	size := int(ip[0]&0x0f) * 4
	if size < 20 || size > len(ip) {
		return
	}
	h.Version = 4
	h.Src, _ = netip.AddrFromSlice(ip[12:16])
	h.Dst, _ = netip.AddrFromSlice(ip[16:20])
	h.Proto = ip[9]
	h.setEnd(frame, int(binary.BigEndian.Uint16(ip[2:])))
	part := binary.BigEndian.Uint16(ip[6:])
	h.FragOffset, h.FragMore = int(part&0x1fff)*8, part&0x2000 != 0
	h.Frag = h.FragMore || h.FragOffset > 0
	h.FragID = uint32(binary.BigEndian.Uint16(ip[4:]))
	h.data = h.L3 + size
	h.setL4(frame)
}

func (h *Headers) parseIPv6(frame []byte) {
	ip := frame[h.L3:]
	if len(ip) < 40 || ip[0]>>4 != 6 {
		return
	}
	h.Version = 6
	h.Src, _ = netip.AddrFromSlice(ip[8:24])
	h.Dst, _ = netip.AddrFromSlice(ip[24:40])
	h.Proto = ip[6]
	h.setEnd(frame, 40+int(binary.BigEndian.Uint16(ip[4:])))
	h.data = h.L3 + 40
	next := h.L3 + 6
	for range maxExtensions {
		size, known := h.extension(frame)
		if !known {
			h.setL4(frame)
			return
		}
		if size == 0 || h.data+size > len(frame) {
			return
		}
		if h.Proto == ProtoFragment {
			h.fragNext = next
		}
		h.Extensions = append(h.Extensions, h.Proto)
		h.Proto, next = frame[h.data], h.data
		h.data += size
		if h.Frag && h.FragOffset > 0 {
			return
		}
	}
}

// extension returns the size of the extension header at h.data, 0 if it is cut
// off; known is false if what is there is no extension header.
func (h *Headers) extension(frame []byte) (size int, known bool) {
	rest := frame[h.data:]
	switch h.Proto {
	case ProtoHopByHop, ProtoRouting, ProtoDestOpts, protoMobility:
		if len(rest) < 8 {
			return 0, true
		}
		return 8 + int(rest[1])*8, true
	case ProtoAH:
		if len(rest) < 8 {
			return 0, true
		}
		return 8 + int(rest[1])*4, true // RFC 4302: in units of four bytes
	case ProtoFragment:
		if len(rest) < 8 {
			return 0, true
		}
		part := binary.BigEndian.Uint16(rest[2:])
		h.FragOffset, h.FragMore = int(part&^7), part&1 != 0
		h.Frag = true
		h.FragID = binary.BigEndian.Uint32(rest[4:])
		h.fragAt = h.data
		return 8, true
	}
	return 0, false
}

func (h *Headers) setEnd(frame []byte, length int) {
	if end := h.L3 + length; end < len(frame) {
		h.end = end
	}
}

func (h *Headers) setL4(frame []byte) {
	if h.data < len(frame) && h.FragOffset == 0 && h.Proto != ProtoNoNext {
		h.L4 = h.data
	}
}

// Class is the protocol class of the frame, as it stands in a signature: the
// protocol, and what changes the way a packet takes through conntrack whatever
// its protocol is: "+frag" for a fragment, "+qinq" for more than one VLAN tag.
//
// ICMPv6 is one class: the bits of ct_state tell echoes, errors and what is
// not tracked apart already, and a fault in the handling of what is not
// tracked would otherwise be found once for each of a dozen message types.
// The same goes for extension headers, which conntrack steps over.
func (h Headers) Class() string {
	class := h.protocol()
	if h.Frag {
		class += "+frag"
	}
	if h.VLANs > 1 {
		class += "+qinq"
	}
	return class
}

func (h Headers) protocol() string {
	if h.Version == 0 {
		switch h.EtherType {
		case TypeARP:
			return "arp"
		case TypeIPv4, TypeIPv6:
			return "ip-malformed"
		}
		return "other"
	}
	if name, ok := protoNames[h.Proto]; ok {
		return name
	}
	return "ip-other"
}

var protoNames = map[uint8]string{
	ProtoICMP: "icmp", ProtoTCP: "tcp", ProtoUDP: "udp", ProtoGRE: "gre",
	ProtoICMPv6: "icmpv6", ProtoSCTP: "sctp",
}

// field names the header field at an offset of the frame.
func (h Headers) field(at int) string {
	switch {
	case at < 12:
		return "eth_addr"
	case at < h.L3:
		return "eth_type"
	case h.Version == 0 || at >= h.end:
		return "payload"
	case at < h.data:
		return h.ipField(at - h.L3)
	case h.L4 >= 0:
		return h.transportField(at - h.L4)
	}
	return "payload"
}

// A span is a field from one offset to before another.
type span struct {
	from, to int
	name     string
}

var (
	ipv4Spans = []span{{1, 2, "ip_tos"}, {2, 4, "ip_len"}, {4, 8, "ip_frag"}, {8, 9, "ip_ttl"}, {10, 12, "ip_csum"}, {12, 16, "ip_src"}, {16, 20, "ip_dst"}}
	ipv6Spans = []span{{0, 2, "ip_tos"}, {4, 6, "ip_len"}, {7, 8, "ip_ttl"}, {8, 24, "ip_src"}, {24, 40, "ip_dst"}, {40, 1 << 16, "ip_ext"}}
	// A port or ICMP id that NAT changes is "port" in either direction: which
	// of the two it is follows from the direction of the packet.
	transportSpans = map[uint8][]span{
		ProtoTCP:    {{0, 4, "port"}, {4, 16, "tcp"}, {16, 18, "l4_csum"}, {18, 20, "tcp"}},
		ProtoUDP:    {{0, 4, "port"}, {4, 6, "udp_len"}, {6, 8, "l4_csum"}},
		ProtoSCTP:   {{0, 4, "port"}, {4, 8, "sctp"}, {8, 12, "l4_csum"}},
		ProtoICMP:   {{0, 2, "icmp_type"}, {2, 4, "l4_csum"}, {4, 6, "port"}},
		ProtoICMPv6: {{0, 2, "icmp_type"}, {2, 4, "l4_csum"}, {4, 6, "port"}},
	}
)

func (h Headers) ipField(at int) string {
	if h.Version == 6 {
		return spanAt(ipv6Spans, at, "ip")
	}
	return spanAt(ipv4Spans, at, "ip")
}

func (h Headers) transportField(at int) string {
	return spanAt(transportSpans[h.Proto], at, "payload")
}

func spanAt(spans []span, at int, otherwise string) string {
	for _, s := range spans {
		if at >= s.from && at < s.to {
			return s.name
		}
	}
	return otherwise
}
