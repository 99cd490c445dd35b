package fuzz

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// setLower puts into r what gives p's message and headers; false if nothing
// does.
func (e *encoder) setLower(r *row, p replay.Packet, h oracle.Headers, body []byte) bool {
	op := r.operation()
	r.setPort(p.Port, op.port(*r, e.past))
	if !r.setTag(p.Frame, h.L3) || !r.setChainOf(h.Extensions) {
		return false
	}
	// "any" takes its code from the row as it is.
	if op.of != open && !r.setCode(body[1]) {
		return false
	}
	s := scene{sideOf(p.Port), *r, e.past}
	// What is usual in a message depends on the addresses, and they on the
	// message: a solicitation from :: has no option, and goes to the group of
	// its target.
	for range 2 {
		s.row = *r
		if !op.set(s, r, body) {
			return false
		}
		s.row = *r
		m := op.build(s, op.kind)
		if !s.setAddresses(r, h, m) || !r.setHeader(p.Frame[h.L3:], m) {
			return false
		}
	}
	return r.setEthernet(scene{s.side, *r, e.past}, p.Frame, addr(h.Dst.As16()))
}

// setTag reports whether a row can have the VLAN tags of a frame.
func (r *row) setTag(frame []byte, l3 int) bool {
	tags := frame[12 : l3-2]
	if len(tags) == 0 {
		return true
	}
	for i, known := range vlanTags {
		if bytes.Equal(known, tags) {
			r[atSpoil] = irregular | byte(i+firstTag)<<4
			return true
		}
	}
	return false
}

// setChainOf reports whether a row can have extension headers of these
// protocols.
func (r *row) setChainOf(protos []uint8) bool {
	if len(protos) == 0 {
		return true
	}
	var kinds []byte
	for _, proto := range protos {
		kind := slices.Index(extensionProtos[:], proto)
		if kind < 0 {
			return false
		}
		kinds = append(kinds, byte(kind))
	}
	return r.setChain(kinds)
}

func (s scene) setAddresses(r *row, h oracle.Headers, m message) bool {
	sources, destinations := s.sources(), s.destinations()
	src, known := addressNibble(h.Src.As16(), m.src, sources[:])
	dst, also := addressNibble(h.Dst.As16(), m.dst, destinations[:])
	r[atAddresses] = src<<4 | dst
	return known && also
}

func addressNibble(a, usual addr, known []addr) (byte, bool) {
	if a == usual {
		return 0, true
	}
	i := slices.Index(known, a)
	return byte(8 + i), i >= 0
}

func (r *row) setHeader(ip []byte, m message) bool {
	first := binary.BigEndian.Uint32(ip)
	class := slices.Index(trafficClasses[:], first>>20&0xff)
	label := slices.Index(flowLabels[:], first&0xfffff)
	hops := 0
	if ip[7] != m.hops {
		hops = slices.Index(hopLimits[:], int(ip[7]))
	}
	if class < 0 || label < 0 || hops < 0 {
		return false
	}
	r[atHeader] = byte(hops | class<<3 | label<<5)
	return true
}

func (r *row) setEthernet(s scene, frame []byte, dst addr) bool {
	for _, code := range []byte{0, 2, 3} {
		r[atFlow] = r[atFlow]&0x3f | code<<6
		s.row = *r
		if bytes.HasPrefix(frame, s.appendEthernet(nil, dst)) {
			return true
		}
	}
	return false
}
