package fuzz

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// usualDelay stands for the delay that is usual for a message.
const usualDelay = 10

// delays is milliseconds, or what stands for more of them (RFC 3810, section
// 5.1.3).
var delays = [8]uint16{usualDelay, 0, 1, 1000, 10_000, 0x7fff, 0x8000, 0xffff}

// fromListener returns a multicast listener discovery message to dst.
func (s scene) fromListener(kind uint8, dst addr) message {
	m := s.between(kind)
	m.src, m.dst, m.hops, m.alert = linkLocal(s.near), dst, 1, true
	return m
}

func (s scene) delay(usual uint16) uint16 {
	if d := delays[s.own(1)&7]; d != usualDelay {
		return d
	}
	return usual
}

func delayCode(delay, usual uint16) (byte, bool) {
	if delay == usual {
		return 0, true
	}
	i := slices.Index(delays[1:], delay)
	return byte(i + 1), i >= 0
}

// version2 is in the byte of a query's flags: the query is one of MLDv2, which
// is longer (RFC 3810, section 5.1).
const version2 = 0x80

// usualInterval is the interval of queries in seconds (RFC 3810, section 9.2).
const usualInterval = 125

const queryDelay = 10_000

func query(s scene, kind uint8) message {
	group := s.other(s.own(0), unspecified)
	dst := group
	if group == unspecified {
		dst = allNodes
	}
	m := s.fromListener(kind, dst)
	m.body = binary.BigEndian.AppendUint16(m.body, s.delay(queryDelay))
	m.body = append(append(m.body, 0, 0), group[:]...)
	if s.own(2)&version2 != 0 {
		n := s.own(4) & 3
		m.body = append(m.body, s.own(2)&15, s.own(3)^usualInterval, 0, claimed(n, s.own(4)))
		m.body = s.appendSources(m.body, n)
	}
	return s.finish(m)
}

// claimed returns the number that a message gives for n things, which bits 4
// and 5 of a byte make wrong.
func claimed(n, code byte) byte {
	return [4]byte{n, n + 1, n ^ 1, 0xff}[code>>4&3]
}

// appendSources appends the addresses that a listener wants to hear, or not.
func (s scene) appendSources(b []byte, n byte) []byte {
	for i := range n {
		source := [4]addr{global(s.far), elsewhere, global(s.near), unspecified}[i]
		b = append(b, source[:]...)
	}
	return b
}

func setQuery(s scene, r *row, body []byte) bool {
	if len(body) < 24 {
		return false
	}
	group, known := s.otherCode(addr(body[8:24]), unspecified)
	delay, also := delayCode(binary.BigEndian.Uint16(body[4:]), queryDelay)
	r[atOwn], r[atOwn+1] = group, delay
	if !known || !also {
		return false
	}
	return s.setVersion2(r, body[24:]) || r.setPayload(body[24:])
}

// setVersion2 reports whether rest is what a query of MLDv2 has after the
// group.
func (s scene) setVersion2(r *row, rest []byte) bool {
	if len(rest) < 4 || rest[0] >= 16 || rest[2] != 0 {
		return false
	}
	for code := range byte(64) {
		n := code & 3
		sources := s.appendSources(nil, n)
		if claimed(n, code) != rest[3] || !bytes.HasPrefix(rest[4:], sources) {
			continue
		}
		if r.setPayload(rest[4+len(sources):]) {
			r[atOwn+2], r[atOwn+3], r[atOwn+4] = version2|rest[0], rest[1]^usualInterval, code
			return true
		}
	}
	return false
}

// report is a report of MLDv1, and done its end (RFC 2710, section 3).
func report(s scene, kind uint8) message {
	group := s.other(s.own(0), solicited(global(s.near)))
	return s.listening(kind, group, group)
}

func done(s scene, kind uint8) message {
	return s.listening(kind, s.other(s.own(0), solicited(global(s.near))), allRouters)
}

func (s scene) listening(kind uint8, group, dst addr) message {
	m := s.fromListener(kind, dst)
	m.body = binary.BigEndian.AppendUint16(m.body, s.delay(0))
	m.body = append(append(m.body, 0, 0), group[:]...)
	return s.finish(m)
}

func setReport(s scene, r *row, body []byte) bool {
	if len(body) < 24 {
		return false
	}
	group, known := s.otherCode(addr(body[8:24]), solicited(global(s.near)))
	delay, also := delayCode(binary.BigEndian.Uint16(body[4:]), 0)
	r[atOwn], r[atOwn+1] = group, delay
	return known && also && r.setPayload(body[24:])
}

// recordTypes is RFC 3810, section 5.2.12, and some that do not exist.
var recordTypes = [8]byte{4, 1, 2, 3, 5, 6, 0, 255}

// recordCounts is by the two low bits of the byte that counts records.
var recordCounts = [4]byte{1, 2, 3, 0}

// report2 is a report of MLDv2 (RFC 3810, section 5.2). Its records differ in
// the group only.
func report2(s scene, kind uint8) message {
	m := s.fromListener(kind, allMLDv2)
	records := recordCounts[s.own(2)&3]
	sources, auxiliary := s.own(3)&3, s.own(3)>>2&3
	m.body = append(m.body, 0, 0, 0, claimed(records, s.own(2)))
	for i := range records {
		group := s.other(s.own(0), solicited(global(s.near)))
		if i > 0 {
			group = s.others()[(s.own(4)+i)&15]
		}
		m.body = append(m.body, recordTypes[s.own(1)&7], auxiliary, 0, claimed(sources, s.own(3)))
		m.body = append(m.body, group[:]...)
		m.body = s.appendSources(m.body, sources)
		m.body = append(m.body, make([]byte, 4*int(auxiliary))...)
	}
	return s.finish(m)
}

// setReport2 knows reports whose records are like the first.
func setReport2(s scene, r *row, body []byte) bool {
	if len(body) < 28 {
		return setEmptyReport2(r, body)
	}
	group, known := s.otherCode(addr(body[12:28]), solicited(global(s.near)))
	record := slices.Index(recordTypes[:], body[8])
	if !known || record < 0 {
		return setEmptyReport2(r, body)
	}
	r[atOwn], r[atOwn+1] = group, byte(record)
	first := 28 + 16*int(body[11]&3) + 4*int(body[9])
	if second := first + 4; second+16 <= len(body) {
		code, _ := s.addressCode(addr(body[second : second+16]))
		r[atOwn+4] = code - 1
	}
	for counts := range 64 * 64 {
		r[atOwn+2], r[atOwn+3] = byte(counts/64), byte(counts%64)
		if claimed(recordCounts[r[atOwn+2]&3], r[atOwn+2]) != body[7] ||
			claimed(r[atOwn+3]&3, r[atOwn+3]) != body[11] || r[atOwn+3]>>2&3 != body[9] {
			continue
		}
		r[atPayload], s.row = 0, *r
		built := report2(s, body[0]).body
		if len(built) <= len(body) && bytes.Equal(built[4:], body[4:len(built)]) && r.setPayload(body[len(built):]) {
			return true
		}
	}
	return setEmptyReport2(r, body)
}

// setEmptyReport2 knows reports without a record.
func setEmptyReport2(r *row, body []byte) bool {
	if len(body) < 8 {
		return false
	}
	code := byte(slices.Index(recordCounts[:], 0))
	for claim := range byte(4) {
		if claimed(0, claim<<4) == body[7] {
			r[atOwn+2] = code | claim<<4
			return r.setPayload(body[8:])
		}
	}
	return false
}
