package fuzz

import (
	"encoding/binary"

	"github.com/ctdiff/ctdiff/oracle"
)

const (
	mtu      = 1500
	ipv6Size = 40
)

// Tables of the header byte.
var (
	// usualHops stands for the hop limit that is usual for a message.
	hopLimits      = [8]int{usualHops, usualHops, usualHops, 255, 64, 1, 0, 2}
	trafficClasses = [4]uint32{0, 0xb8, 0x03, 0xff} // expedited forwarding (RFC 3246), congestion (RFC 3168)
	flowLabels     = [4]uint32{0, 1, 0x12345, 0xfffff}
)

const usualHops = -1

// irregular is in the spoil byte of a packet that has VLAN tags or a fault.
const irregular = 0x80

// vlanTags is by the next three bits of the spoil byte, from firstTag on.
// Smaller numbers stand for no tag.
var vlanTags = [5][]byte{
	{0x81, 0x00, 0x00, 0x01},
	{0x81, 0x00, 0xe0, 0x00}, // priority only
	{0x81, 0x00, 0x0f, 0xff}, // reserved (IEEE 802.1Q, table 9-2)
	{0x88, 0xa8, 0x00, 0x01, 0x81, 0x00, 0x00, 0x02},
	{0x81, 0x00, 0x00, 0x01, 0x81, 0x00, 0x00, 0x02},
}

const firstTag = 8 - len(vlanTags)

func (r row) tags() []byte {
	if i := int(r[atSpoil]>>4&7) - firstTag; r[atSpoil] >= irregular && i >= 0 {
		return vlanTags[i]
	}
	return nil
}

// What can be wrong with a packet, by the four low bits of the spoil byte.
// Smaller numbers stand for nothing.
const (
	spoilChecksum   = 10 // one bit of it is wrong
	spoilNoChecksum = 11 // it is 0
	spoilLengthLess = 12 // the payload length is less than it should be
	spoilLengthMore = 13 // it is more
	spoilCut        = 14 // the frame ends in the message
	spoilTrailer    = 15 // the frame goes on after the packet, as with Ethernet's padding
)

// How much is wrong, in bytes.
const (
	trailerSize       = 6
	lengthError       = 8
	bytesLeftAfterCut = 4
)

var faults = []byte{
	0, spoilChecksum, spoilNoChecksum, spoilLengthLess, spoilLengthMore, spoilCut, spoilTrailer,
}

func (r row) fault() byte {
	if r[atSpoil] < irregular {
		return 0
	}
	return r[atSpoil] & 15
}

func (r *row) setFault(fault byte) {
	r[atSpoil] &^= 15
	if fault > 0 {
		r[atSpoil] |= irregular | fault
	}
}

// A whole is a packet before it is cut into fragments.
type whole struct {
	frame []byte
	// l3 and l4 are the offsets of the IPv6 header and of the message, next
	// is that of the number that announces the message.
	l3, next, l4 int
}

// sourceOf and destinationOf return the packet's addresses, if usual is the
// usual one.
func (s scene) sourceOf(usual addr) addr {
	if code := s.row[atAddresses] >> 4; code >= 8 {
		return s.sources()[code-8]
	}
	return usual
}

func (s scene) destinationOf(usual addr) addr {
	if code := s.row[atAddresses] & 15; code >= 8 {
		return s.destinations()[code-8]
	}
	return usual
}

// assemble returns the frame that carries m.
func (s scene) assemble(m message) whole {
	src, dst := s.sourceOf(m.src), s.destinationOf(m.dst)
	b := make([]byte, 0, 160+len(m.body))
	b = s.appendEthernet(b, dst)
	w := whole{l3: len(b)}
	header := s.row[atHeader]
	first := 6<<28 | trafficClasses[header>>3&3]<<20 | flowLabels[header>>5&3]
	b = binary.BigEndian.AppendUint32(b, first)
	b = append(b, 0, 0, oracle.ProtoICMPv6, m.hops)
	if hops := hopLimits[header&7]; hops != usualHops {
		b[len(b)-1] = byte(hops)
	}
	b = append(append(b, src[:]...), dst[:]...)
	w.next = w.l3 + 6
	b, w.next = s.appendExtensions(b, w.next, m.alert)
	w.l4 = len(b)
	b = append(b, m.body[:min(len(m.body), w.l3+mtu-w.l4)]...)
	if sum := b[w.l4:]; len(sum) >= 4 {
		binary.BigEndian.PutUint16(sum[2:], checksum(src, dst, sum))
	}
	binary.BigEndian.PutUint16(b[w.l3+4:], uint16(len(b)-w.l3-ipv6Size))
	w.frame = b
	w.spoil(s.row.fault())
	return w
}

func (s scene) appendEthernet(b []byte, dst addr) []byte {
	from, to := mac(s.near), mac(s.far)
	if dst.isMulticast() { // RFC 2464, section 7
		to = [6]byte{0x33, 0x33, dst[12], dst[13], dst[14], dst[15]}
	}
	switch s.row[atFlow] >> 6 {
	case 2:
		to = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	case 3:
		from = [6]byte{}
	}
	b = append(append(b, to[:]...), from[:]...)
	b = append(b, s.row.tags()...)
	return append(b, 0x86, 0xdd)
}

// checksum returns the checksum of an ICMPv6 message (RFC 4443, section 2.3),
// taking the bytes where it stands as zero.
func checksum(src, dst addr, message []byte) uint16 {
	sum := uint32(len(message)) + oracle.ProtoICMPv6
	sum += words(src[:]) + words(dst[:]) + words(message[:2]) + words(message[4:])
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func words(b []byte) uint32 {
	var sum uint32
	for len(b) >= 2 {
		sum += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func (w *whole) spoil(how byte) {
	length := w.frame[w.l3+4:]
	switch message := w.frame[w.l4:]; how {
	case spoilChecksum:
		message[3] ^= 1
	case spoilNoChecksum:
		message[2], message[3] = 0, 0
	case spoilLengthLess, spoilLengthMore:
		n := binary.BigEndian.Uint16(length) + lengthError
		if how == spoilLengthLess {
			n -= 2 * lengthError
		}
		binary.BigEndian.PutUint16(length, n)
	case spoilCut:
		w.frame = w.frame[:w.l4+bytesLeftAfterCut]
	case spoilTrailer:
		if len(w.frame)-w.l3+trailerSize <= mtu {
			w.frame = append(w.frame, make([]byte, trailerSize)...)
		}
	}
}
