package reduce

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// A packet is a frame taken apart, so that one part can be changed and the
// lengths and checksums that were right still are.
type packet struct {
	port replay.Port
	macs []byte // destination, source
	tags []byte // VLAN tags
	kind uint16 // Ethernet type after them
	ip   []byte // IPv4's header with options, or IPv6's without extensions
	exts []extension
	// proto is the protocol of body, what follows IP's headers.
	proto   uint8
	body    []byte
	trailer []byte // what follows the IP packet
	frag    bool   // part of a packet only

	// What is right is made right again.
	lengthRight, udpLengthRight, ipSumRight, quotedSumRight, sumRight bool
}

// An extension is one of IPv6's extension headers.
type extension struct {
	kind uint8
	data []byte
}

// parse takes a packet apart. It shares no memory with p.
func parse(p replay.Packet) *packet {
	h := oracle.ParseHeaders(p.Frame)
	if h.L3 < replay.MinFrame {
		return opaque(p)
	}
	frame := slices.Clone(p.Frame)
	f := &packet{port: p.Port, macs: frame[:12:12], frag: h.Frag}
	f.tags, f.kind = frame[12:h.L3-2:h.L3-2], h.EtherType
	switch f.body = frame[h.L3:]; h.Version {
	case 4:
		f.parseIPv4(h)
	case 6:
		f.parseIPv6(h)
	}
	f.udpLengthRight = f.isUDP() && int(binary.BigEndian.Uint16(f.body[4:])) == len(f.body)
	if q := f.quoted(); q != nil {
		f.quotedSumRight = checksum(q) == 0
	}
	if at := f.sumAt(); at >= 0 {
		f.sumRight = bytes.Equal(f.body[at:at+f.sumSize()], f.sum())
	}
	if !bytes.Equal(f.bytes(), p.Frame) {
		// Headers that contradict each other are left alone.
		return opaque(p)
	}
	return f
}

// opaque returns a packet of which only the MAC addresses are known.
func opaque(p replay.Packet) *packet {
	frame := slices.Clone(p.Frame)
	return &packet{port: p.Port, macs: frame[:12:12], body: frame[12:]}
}

func (f *packet) parseIPv4(h oracle.Headers) {
	size := int(f.body[0]&0x0f) * 4
	f.cut(size, int(binary.BigEndian.Uint16(f.body[2:]))-size)
	f.proto = h.Proto
	f.ipSumRight = checksum(f.ip) == 0
}

func (f *packet) parseIPv6(h oracle.Headers) {
	f.cut(40, int(binary.BigEndian.Uint16(f.body[4:])))
	for _, kind := range h.Extensions {
		size := extensionSize(kind, f.body)
		if size > len(f.body) {
			break
		}
		f.exts = append(f.exts, extension{kind, f.body[:size:size]})
		f.body = f.body[size:]
	}
	f.proto = h.Proto
}

// cut takes IP's header, and what the length in it leaves out.
func (f *packet) cut(header, length int) {
	f.ip, f.body = f.body[:header:header], f.body[header:]
	if f.lengthRight = length >= 0 && length <= len(f.body); f.lengthRight {
		f.body, f.trailer = f.body[:length:length], f.body[length:]
	}
}

// extensionSize is the size of an extension header that is known to be whole.
func extensionSize(kind uint8, data []byte) int {
	switch {
	case len(data) < 8, kind == oracle.ProtoFragment:
		return 8
	case kind == oracle.ProtoAH:
		return 8 + int(data[1])*4
	}
	return 8 + int(data[1])*8
}

// bytes returns the frame, with what was right made right.
func (f *packet) bytes() []byte {
	f.repair()
	frame := slices.Concat(f.macs, f.tags)
	if f.kind != 0 {
		frame = binary.BigEndian.AppendUint16(frame, f.kind)
	}
	frame = append(frame, f.ip...)
	for _, e := range f.exts {
		frame = append(frame, e.data...)
	}
	return slices.Concat(frame, f.body, f.trailer)
}

func (f *packet) repair() {
	be := binary.BigEndian
	switch f.version() {
	case 4:
		f.ip[0] = 0x40 | byte(len(f.ip)/4)
		if f.lengthRight {
			be.PutUint16(f.ip[2:], uint16(len(f.ip)+len(f.body)))
		}
		f.ip[9] = f.proto
		if f.ipSumRight {
			sumIPv4(f.ip)
		}
		if q := f.quoted(); q != nil && f.quotedSumRight {
			sumIPv4(q)
		}
	case 6:
		next := &f.ip[6]
		length := len(f.body)
		for i, e := range f.exts {
			*next, next = e.kind, &f.exts[i].data[0]
			length += len(e.data)
		}
		*next = f.proto
		if f.lengthRight {
			be.PutUint16(f.ip[4:], uint16(length))
		}
	}
	if f.udpLengthRight && f.isUDP() {
		be.PutUint16(f.body[4:], uint16(len(f.body)))
	}
	if at := f.sumAt(); f.sumRight && at >= 0 {
		copy(f.body[at:], f.sum())
	}
}

func sumIPv4(header []byte) {
	binary.BigEndian.PutUint16(header[10:], 0)
	binary.BigEndian.PutUint16(header[10:], checksum(header))
}

// quoted returns the IPv4 header of the packet that an ICMP error is about;
// nil if there is none.
func (f *packet) quoted() []byte {
	const fixed, header = 8, 20
	if f.version() != 4 || !f.whole(oracle.ProtoICMP, fixed+header) || !slices.Contains(icmpErrors, f.body[0]) {
		return nil
	}
	q := f.body[fixed:]
	if size := int(q[0]&0x0f) * 4; q[0]>>4 == 4 && size >= header && size <= len(q) {
		return q[:size]
	}
	return nil
}

// icmpErrors are the types of ICMP messages about a packet (RFC 1122, section
// 3.2.2).
var icmpErrors = []uint8{3, 4, 5, 11, 12}

// version is that of IP; 0 if the frame has no readable IP header.
func (f *packet) version() int {
	if len(f.ip) == 0 {
		return 0
	}
	return int(f.ip[0] >> 4)
}

// whole reports whether body is all of a message of a protocol, and has at
// least so many bytes.
func (f *packet) whole(proto uint8, size int) bool {
	return f.version() != 0 && !f.frag && f.proto == proto && len(f.body) >= size
}

func (f *packet) isUDP() bool { return f.whole(oracle.ProtoUDP, 8) }

// replay returns f as a packet of a trace, like old in all else.
func (f *packet) replay(old replay.Packet) replay.Packet {
	return replay.Packet{Port: f.port, Gap: old.Gap, Frame: f.bytes()}
}
