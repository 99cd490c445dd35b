package fuzz

import (
	"encoding/binary"
)

// A message is what an operation puts into a packet. The row says what of it is
// other than usual.
type message struct {
	// src, dst and hops are what is usual, and alert says that the router
	// alert option is.
	src, dst addr
	hops     uint8
	alert    bool
	// body is the ICMPv6 message, at least its first four bytes; the
	// checksum is left out.
	body []byte
	// frame, if there is one, is sent as it is, whatever else the row says.
	frame []byte
}

// A base is the packet of a row, before it is cut into fragments and copied.
type base struct {
	from  side
	frame []byte
}

// A scene is a row and what its meaning depends on.
type scene struct {
	side
	row row
	// past has the packets of the rows before, the last of them last.
	past []base
}

func (s scene) own(i int) byte { return s.row[atOwn+i] }

// earlier returns the packet that a byte refers to: 0 is that of the row
// before, 1 that of the row before that. If there are not so many, it is the
// first.
func (s scene) earlier(code byte) base {
	back := int(code & 3)
	if code >= rawNumber {
		back = int(code & 63)
	}
	if len(s.past) == 0 {
		return notSent()
	}
	return s.past[max(0, len(s.past)-1-back)]
}

// earlierCode is the inverse of earlier.
func earlierCode(back int) byte {
	if back > 3 {
		return rawNumber | byte(back)
	}
	return byte(back)
}

// farthest is the number of packets back that a row can refer to.
const farthest = 63

// notSent returns what a row refers to if it is the first: an echo request that
// is not in the trace.
func notSent() base {
	s := scene{side: sideOf(1)}
	return base{s.side, s.assemble(echo(s, typeEchoRequest)).frame}
}

// between returns a message from the near host to the far one, with room for
// more.
func (s scene) between(kind uint8) message {
	body := make([]byte, 4, 96)
	body[0], body[1] = kind, s.row.code()
	return message{src: global(s.near), dst: global(s.far), hops: 64, body: body}
}

// code returns the code of a message: 0 for the lower half of bytes, 0 to 15
// for the others. The rest can be had by "any".
func (r row) code() uint8 {
	if r[atCode] < 0x80 {
		return 0
	}
	return r[atCode] & 15
}

func (r *row) setCode(code uint8) bool {
	r[atCode] = 0
	if code > 0 {
		r[atCode] = 0x80 | code
	}
	return code < 16
}

// finish appends the payload to a message.
func (s scene) finish(m message) message {
	m.body = appendPayload(m.body, s.row[atPayload])
	return m
}

// echo is RFC 4443, section 4: id, sequence number, data.
func echo(s scene, kind uint8) message {
	m := s.between(kind)
	m.body = binary.BigEndian.AppendUint16(m.body, number(s.row[atOwn:]))
	m.body = binary.BigEndian.AppendUint16(m.body, number(s.row[atOwn+3:]))
	return s.finish(m)
}

func setEcho(_ scene, r *row, body []byte) bool {
	if len(body) < 8 {
		return false
	}
	putNumber(r[atOwn:], binary.BigEndian.Uint16(body[4:]))
	putNumber(r[atOwn+3:], binary.BigEndian.Uint16(body[6:]))
	return r.setPayload(body[8:])
}

func (r *row) setPayload(payload []byte) (ok bool) {
	r[atPayload], ok = payloadCode(payload)
	return ok
}

// information is RFC 4620, section 4: type of question, flags, nonce, and here
// an address. Conntrack takes the type for an id.
func information(s scene, kind uint8) message {
	m := s.between(kind)
	m.body = binary.BigEndian.AppendUint16(m.body, number(s.row[atOwn:]))
	m.body = append(m.body, 0, s.own(3))
	for i := range byte(8) {
		m.body = append(m.body, s.own(4)+i)
	}
	if s.own(5) >= 0x80 {
		subject := s.other(s.own(5), unspecified)
		m.body = append(m.body, subject[:]...)
	}
	return s.finish(m)
}

func setInformation(s scene, r *row, body []byte) bool {
	if len(body) < 16 {
		return false
	}
	putNumber(r[atOwn:], binary.BigEndian.Uint16(body[4:]))
	r[atOwn+3], r[atOwn+4] = body[7], body[8]
	rest := body[16:]
	if len(rest) >= 16 {
		if code, ok := s.addressCode(addr(rest[:16])); ok {
			r[atOwn+5] = code
			return r.setPayload(rest[16:])
		}
	}
	return r.setPayload(rest)
}

// anything is a message of any type and code: four bytes, and a payload.
func anything(s scene, _ uint8) message {
	m := s.between(s.own(0))
	m.body[1] = s.row[atCode]
	m.body = append(m.body, s.own(1), s.own(2), s.own(3), s.own(4))
	return s.finish(m)
}

func setAnything(_ scene, r *row, body []byte) bool {
	if len(body) < 8 {
		return false
	}
	r[atOwn], r[atCode] = body[0], body[1]
	copy(r[atOwn+1:], body[4:8])
	return r.setPayload(body[8:])
}

// assignedTypes has those of IANA's ICMPv6 parameters that have no operation of
// their own, and some at the edge of a range.
var assignedTypes = [32]uint8{
	0, 5, 99, 100, 101, 127, // 100, 101, 127: experiments, reserved
	138,      // router renumbering (RFC 2894)
	141, 142, // inverse neighbor discovery (RFC 3122)
	144, 145, 146, 147, // home agent discovery, mobile prefixes (RFC 6275)
	148, 149, // certification path (RFC 3971)
	150,           // Seamoby (RFC 4065)
	151, 152, 153, // multicast router discovery (RFC 4286)
	154,                // FMIPv6 (RFC 5568)
	155, 156, 157, 158, // RPL, ILNPv6, duplicate addresses (RFC 6550, 6743, 6775)
	159, 160, 161, 162, // MPL (RFC 7731), extended echo (RFC 8335)
	200, 201, 254, 255, // experiments, reserved
}

func assigned(s scene, _ uint8) message {
	m := s.between(assignedTypes[s.own(0)&31])
	m.body = append(m.body, s.own(1), s.own(2), s.own(3), s.own(4))
	return s.finish(m)
}
