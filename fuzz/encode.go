package fuzz

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// Encode returns bytes of which [Decode] makes t, its pipeline apart, which
// they do not have. It fails only if t is not valid.
//
// A packet that is an earlier one again, its reply, an error about it, or a
// message that the grammar knows, becomes that; all others become raw frames.
func Encode(t replay.Trace) ([]byte, error) {
	if err := t.Validate(); err != nil {
		return nil, fmt.Errorf("encoding trace: %w", err)
	}
	e := encoder{}
	if len(t.Packets) > defaultPackets {
		e.append(limitRow(len(t.Packets)))
	}
	for left := t.Packets; len(left) > 0; {
		n := run(left)
		e.packet(left[0], n)
		left = left[n:]
	}
	return e.data, nil
}

// run returns the number of packets that one row can have: copies of the first.
func run(packets []replay.Packet) int {
	first := packets[0]
	n := 1
	for n < min(len(packets), slices.Max(copies[:])) {
		p := packets[n]
		if p.Port != first.Port || p.Gap != 0 || !bytes.Equal(p.Frame, first.Frame) {
			break
		}
		n++
	}
	return n
}

// An encoder is bytes in the making, and what they mean so far.
type encoder struct {
	data []byte
	decoder
}

func (e *encoder) append(r row) { e.data = append(e.data, r[:]...) }

// packet appends a packet that is sent n times.
func (e *encoder) packet(p replay.Packet, n int) {
	r, ok := e.find(p)
	if !ok {
		r = rawRow(len(p.Frame))
		r.setPort(p.Port, 1)
	}
	r.setCopies(n)
	if !r.setGap(p.Gap) {
		e.append(waitRow(p.Gap))
	}
	e.append(r)
	if !ok {
		rows := (len(p.Frame) + rowSize - 1) / rowSize
		e.data = append(e.data, p.Frame...)
		e.data = append(e.data, make([]byte, rows*rowSize-len(p.Frame))...)
	}
	e.past = append(e.past, base{sideOf(p.Port), p.Frame})
}

// closest is the number of packets back up to which a packet is tried as made
// from an earlier one, if that costs more than a look: a long trace has many.
const closest = 3

// find returns a row of the grammar that makes p, its gap and copies apart.
func (e *encoder) find(p replay.Packet) (row, bool) {
	for back := range min(len(e.past), farthest+1) {
		r := row{atOp: opRepeat, atOwn: earlierCode(back)}
		if e.try(&r, p) {
			return r, true
		}
	}
	for back := range min(len(e.past), closest+1) {
		r := row{atOp: opReply, atOwn: earlierCode(back)}
		if e.try(&r, p) {
			return r, true
		}
	}
	h := oracle.ParseHeaders(p.Frame)
	if body := icmpv6(p.Frame, h); len(body) >= 4 {
		for code, op := range operations {
			if op.set == nil || op.of != open && op.kind != body[0] {
				continue
			}
			if r, ok := e.findMessage(byte(code), p, h, body); ok {
				return r, true
			}
		}
	}
	for back := range min(len(e.past), closest+1) {
		r := row{atOp: opVary, atOwn: earlierCode(back)}
		r, ok := varied(r, e.past[len(e.past)-1-back].frame, p.Frame)
		if ok && e.try(&r, p) {
			return r, true
		}
	}
	return row{}, false
}

// findMessage returns a row with an opcode that makes p, whose message is body.
func (e *encoder) findMessage(code byte, p replay.Packet, h oracle.Headers, body []byte) (row, bool) {
	backs := 1
	if operations[code].of == answer {
		backs = max(1, min(len(e.past), farthest+1))
	}
	for back := range backs {
		r := row{atOp: code, atOwn: earlierCode(back)}
		if e.setLower(&r, p, h, body) && e.trySpoilt(&r, p) {
			return r, true
		}
	}
	return row{}, false
}

// try reports whether r makes p; it gives r the port for it.
func (e *encoder) try(r *row, p replay.Packet) bool {
	r.setPort(p.Port, r.operation().port(row{atOwn: r[atOwn]}, e.past))
	b, frames := e.build(*r)
	return len(frames) == 1 && bytes.Equal(b.frame, p.Frame)
}

// trySpoilt reports whether r makes p, if with the right fault in it and the
// right variant of extension headers; it puts both into r.
func (e *encoder) trySpoilt(r *row, p replay.Packet) bool {
	chains := []byte{r[atChain]}
	if chains[0] == oneExtension+hopByHop {
		chains = []byte{0, chains[0]} // it may be the usual one
	}
	for _, fault := range faults {
		r.setFault(fault)
		for _, r[atChain] = range chains {
			for r[atDelivery] = range byte(8) {
				if e.try(r, p) {
					return true
				}
				if r[atChain] == 0 {
					break
				}
			}
		}
	}
	return false
}
