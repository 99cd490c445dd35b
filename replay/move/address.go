package move

import (
	"encoding/binary"
	"math"
)

// wrap is what sums of 16-bit words in ones' complement are modulo. Since 1<<16
// is 1 modulo wrap, so is each number of more bits the sum of its words, and
// adding a multiple of wrap to it keeps that sum.
const wrap = 1<<16 - 1

// within moves v among the numbers from low to high that have its sum: to the
// s-th after it, and from the last on to the first. That has an inverse, and
// also for words of all ones, which sum up like zero.
func (s shift) within(v, low, high uint64) uint64 {
	place, rest := (v-low)/wrap, (v-low)%wrap
	count := int64((high-low-rest)/wrap) + 1
	step := int64(s) % count
	if step < 0 {
		step += count
	}
	return low + rest + (place+uint64(step))%uint64(count)*wrap
}

// ipv6 moves an address of 16 bytes. Where it is, and which of the cases
// applies, depends on bits that stay. That the field begins in the middle of a
// word does not matter: a factor of 256 has an inverse modulo wrap.
func (s shift) ipv6(a []byte) {
	field := a[5:13]
	v := binary.BigEndian.Uint64(field)
	switch {
	case a[0] == 0xff || binary.BigEndian.Uint32(a) == 0 && a[4] == 0:
	case a[0] == 0xfe && a[1]&0xc0 == 0x80: // link-local, as ipv6_addr_type of Linux has it
		const host = 1<<40 - 1
		v = v&^host | s.within(v&host, 0, host)
	default:
		v = s.within(v, 0, math.MaxUint64)
	}
	binary.BigEndian.PutUint64(field, v)
}

// ipv4 moves an address of 4 bytes. The loopback network is taken out of the
// middle; with a length that is a multiple of wrap, which is that of the network
// and 65,279 addresses, the sums on the two sides stay the same.
func (s shift) ipv4(a []byte) {
	const (
		low     = 1 << 24
		hole    = 127 << 24
		holeEnd = hole + 257*wrap
		high    = 224<<24 - 1
	)
	v := uint64(binary.BigEndian.Uint32(a))
	if v < low || v >= hole && v < holeEnd || v > high {
		return
	}
	if v >= holeEnd {
		v -= holeEnd - hole
	}
	v = s.within(v, low, high-(holeEnd-hole))
	if v >= hole {
		v += holeEnd - hole
	}
	binary.BigEndian.PutUint32(a, uint32(v))
}

// id moves an identification of 4 bytes. The factor is odd, so that no two
// shifts are alike, and keeps those of small ids apart in a row of moves.
func (s shift) id(b []byte) {
	binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)+uint32(s)*0x9e3779b1)
}
