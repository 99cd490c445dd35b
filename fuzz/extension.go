package fuzz

import (
	"encoding/binary"
	"slices"

	"github.com/ctdiff/ctdiff/oracle"
)

// Kinds of extension headers in the chain byte. The first four fit into a chain
// of more than one.
const (
	hopByHop = iota
	routing
	destOpts
	fragmentHeader
	authentication
	mobility
	noNext       // announces that nothing follows, although the message does
	experimental // announces the message as a protocol that nobody knows (RFC 3692)
	extensionKinds
)

const protoMobility, protoExperimental = 135, 253

var extensionProtos = [extensionKinds]uint8{
	oracle.ProtoHopByHop, oracle.ProtoRouting, oracle.ProtoDestOpts, oracle.ProtoFragment,
	oracle.ProtoAH, protoMobility, oracle.ProtoNoNext, protoExperimental,
}

// extensions has the eight variants of each kind of header, but for its first
// byte, which announces the next.
var extensions = [extensionKinds][8][]byte{
	hopByHop: {
		{0, 0, 1, 4, 0, 0, 0, 0},    // padding
		{0, 0, 5, 2, 0, 0, 1, 0},    // router alert for MLD (RFC 2711)
		{0, 0, 5, 2, 0, 1, 1, 0},    // router alert for RSVP
		{0, 0, 0xc2, 4, 0, 1, 0, 0}, // jumbo payload of 65,536 bytes (RFC 2675)
		{0, 0, 0x1e, 4, 1, 2, 3, 4}, // unknown, to be skipped (RFC 4727)
		{0, 0, 0x9e, 4, 1, 2, 3, 4}, // unknown, to be answered with an error
		{0, 1, 1, 12, 15: 0},        // 16 bytes of padding
		{0, 255, 1, 4, 0, 0, 0, 0},  // longer than the packet
	},
	routing: {
		{0, 0, 0, 0, 0, 0, 0, 0},                 // type 0, nothing left (RFC 5095)
		routingHeader(0, 1),                      // type 0, one address left
		routingHeader(2, 1),                      // Mobile IPv6 (RFC 6275)
		routingHeader(3, 1),                      // RPL (RFC 6554)
		routingHeader(4, 0), routingHeader(4, 1), // segment routing (RFC 8754)
		routingHeader(253, 0),      // experimental (RFC 4727)
		{0, 255, 0, 0, 0, 0, 0, 0}, // longer than the packet
	},
	destOpts: {
		{0, 0, 1, 4, 0, 0, 0, 0},    // padding
		{0, 0, 4, 1, 4, 1, 1, 0},    // tunnel encapsulation limit (RFC 2473)
		homeAddress(),               // RFC 6275
		{0, 0, 0x1e, 4, 1, 2, 3, 4}, // unknown, to be skipped
		{0, 0, 0x5e, 4, 1, 2, 3, 4}, // unknown, to be dropped
		{0, 0, 0x9e, 4, 1, 2, 3, 4}, // unknown, to be answered with an error
		{0, 1, 1, 12, 15: 0},        // 16 bytes of padding
		{0, 255, 1, 4, 0, 0, 0, 0},  // longer than the packet
	},
	fragmentHeader: {
		{0, 0, 0, 0, 0, 0, 0, 1},       // atomic (RFC 6946)
		{0, 0, 0, 1, 0, 0, 0, 1},       // the first
		{0, 0, 0, 8, 0, 0, 0, 1},       // the last, from byte 8 on
		{0, 0, 0, 9, 0, 0, 0, 1},       // one in the middle
		{0, 0xff, 0, 6, 0, 0, 0, 1},    // atomic, reserved bits set
		{0, 0, 0xff, 0xf8, 0, 0, 0, 1}, // the last, beyond the longest packet
		{0, 0, 0, 0, 0, 0, 0, 2},       // atomic, another id
		{0, 0, 5, 0xa9, 0, 0, 0, 2},    // one in the middle, from byte 1448 on
	},
	authentication: variants([]byte{0, 4, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 1, 23: 0}), // RFC 4302
	mobility:       variants([]byte{0, 0, 0, 0, 0, 0, 0, 0}),                       // RFC 6275
}

func variants(header []byte) (all [8][]byte) {
	for i := range all {
		all[i] = header
	}
	return all
}

func routingHeader(kind, left byte) []byte {
	to := global(2)
	return append([]byte{0, 2, kind, left, 0, 0, 0, 0}, to[:]...)
}

func homeAddress() []byte {
	home := elsewhere
	return append([]byte{0, 2, 1, 2, 0, 0, 0xc9, 16}, home[:]...)
}

// Classes of the chain byte.
const (
	oneExtension   = 0xa0 // and 3 bits of kind
	moreExtensions = 0xc0 // and 2 bits for each of three kinds
)

// chain returns the kinds of extension headers, in order. alert says that there
// is usually a router alert option, as MLD has (RFC 3810, section 5).
func (r row) chain(alert bool) (kinds []byte, variant byte) {
	code := r[atChain]
	variant = r[atDelivery] & 7
	switch {
	case code < oneExtension && alert:
		return []byte{hopByHop}, 1
	case code < oneExtension:
		return nil, 0
	case code < moreExtensions:
		return []byte{code & 7}, variant
	}
	first, second, third := code&3, code>>2&3, code>>4&3
	if second == third {
		return []byte{first, second}, variant
	}
	return []byte{first, second, third}, variant
}

// setChain reports whether a row can have these extension headers.
func (r *row) setChain(kinds []byte) bool {
	for _, code := range chainCodes {
		r[atChain] = code
		if got, _ := r.chain(false); slices.Equal(got, kinds) {
			return true
		}
	}
	return false
}

// chainCodes is the chain bytes that differ in what they mean.
var chainCodes = func() (codes []byte) {
	codes = []byte{0}
	for code := oneExtension; code < 256; code++ {
		codes = append(codes, byte(code))
	}
	return codes
}()

// appendExtensions appends the extension headers to the packet in b. next is
// the offset of the number that announces what follows; that of the message is
// returned.
func (s scene) appendExtensions(b []byte, next int, alert bool) ([]byte, int) {
	kinds, variant := s.row.chain(alert)
	for _, kind := range kinds {
		b[next] = extensionProtos[kind]
		if header := extensions[kind][variant]; header != nil {
			next = len(b)
			b = append(b, header...)
			b[next] = oracle.ProtoICMPv6
		}
	}
	return b, next
}

// Ways of delivery, from the five high bits of the delivery byte. Smaller
// numbers stand for a packet in one piece.
const (
	inFragments  = 28 // two, in order
	inReverse    = 29 // three, the last first
	overlapping  = 30 // two, the second of which has 8 bytes of the first
	withoutALast = 31 // the first of two
)

// fragments returns the frames in which w is delivered.
func (s scene) fragments(w whole) [][]byte {
	how := s.row[atDelivery] >> 3
	size := len(w.frame) - w.l4
	if how < inFragments || size <= 8 {
		return [][]byte{w.frame}
	}
	half := max(8, size/2&^7)
	switch how {
	case inReverse:
		third := max(8, size/3&^7)
		if 2*third >= size {
			return [][]byte{w.fragment(third, size), w.fragment(0, third)}
		}
		return [][]byte{w.fragment(2*third, size), w.fragment(third, 2*third), w.fragment(0, third)}
	case overlapping:
		return [][]byte{w.fragment(0, half), w.fragment(half-8, size)}
	case withoutALast:
		return [][]byte{w.fragment(0, half)}
	}
	return [][]byte{w.fragment(0, half), w.fragment(half, size)}
}

// fragment returns the part of w's message from one byte to before another, in
// a frame of its own (RFC 8200, section 4.5). All extension headers come before
// the fragment header.
func (w whole) fragment(from, to int) []byte {
	const id = 0x10001
	size := len(w.frame) - w.l4
	part := uint16(from)
	if to < size {
		part |= 1
	}
	header := []byte{w.frame[w.next], 0, byte(part >> 8), byte(part), id >> 24, id >> 16 & 0xff, id >> 8 & 0xff, id & 0xff}
	f := slices.Concat(w.frame[:w.l4], header, w.frame[w.l4+from:w.l4+to])
	f[w.next] = oracle.ProtoFragment
	length := binary.BigEndian.Uint16(f[w.l3+4:])
	binary.BigEndian.PutUint16(f[w.l3+4:], length+uint16(len(header))-uint16(size-(to-from)))
	return f
}
