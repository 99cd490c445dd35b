package fuzz

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/ctdiff/ctdiff/oracle"
)

// Ways to quote a packet, by the three low bits of an error's second byte.
// Smaller numbers stand for the truth.
const (
	quoteShort    = 2 // ends after as many bytes as the next byte says
	quoteSpoilt   = 3 // one byte, where the next byte says, is another
	quoteSwapped  = 4 // source and destination have changed places
	quoteNothing  = 5
	quoteOtherID  = 6 // of the echo, say
	quoteProtocol = 7 // the next header is another
)

// errorNumbers is what follows an error's checksum: the MTU, the pointer, or
// nothing (RFC 4443, section 3). usualNumber stands for what is usual.
var errorNumbers = [8]uint32{usualNumber, 0, 1, 40, 1279, 1500, 0xffff, 1<<32 - 1}

const (
	usualNumber = 7
	minimumMTU  = 1280
)

// quoted returns the IP packet in a frame.
func quoted(frame []byte) []byte { return frame[oracle.ParseHeaders(frame).L3:] }

// icmpv6 returns the ICMPv6 message in a frame, or nothing if it has none.
func icmpv6(frame []byte, h oracle.Headers) []byte {
	if h.Version != 6 || h.Proto != oracle.ProtoICMPv6 || h.L4 < 0 {
		return nil
	}
	end := h.L3 + ipv6Size + int(binary.BigEndian.Uint16(frame[h.L3+4:]))
	return frame[h.L4:max(h.L4, min(end, len(frame)))]
}

// problem is an error about an earlier packet, sent by the host that the packet
// was for.
func problem(s scene, kind uint8) message {
	about := s.earlier(s.own(0)).frame
	h := oracle.ParseHeaders(about)
	m := s.between(kind)
	if h.Version == 6 {
		m.dst = h.Src.As16()
	}
	n := errorNumbers[s.own(3)&7]
	if n == usualNumber {
		n = usualErrorNumber(kind)
	}
	m.body = binary.BigEndian.AppendUint32(m.body, n)
	// RFC 4443, section 2.4 (c): as much as fits into the minimum MTU.
	whole := about[h.L3:]
	whole = whole[:min(len(whole), minimumMTU-ipv6Size-8)]
	start := len(m.body)
	m.body = append(m.body, whole...)
	m.body = m.body[:start+s.misquote(m.body[start:], h.L4-h.L3)]
	return m
}

func usualErrorNumber(kind uint8) uint32 {
	if kind == typePacketTooBig {
		return minimumMTU
	}
	return 0
}

// misquote changes a quote in which the transport header is at an offset, and
// returns the length that remains.
func (s scene) misquote(quote []byte, l4 int) int {
	at := int(s.own(2))
	change := s.own(4)
	if change == 0 {
		change = 0xff
	}
	switch s.own(1) & 7 {
	case quoteShort:
		return min(len(quote), at)
	case quoteSpoilt:
		if at < len(quote) {
			quote[at] ^= change
		}
	case quoteSwapped:
		swapAddresses(quote)
	case quoteNothing:
		return 0
	case quoteOtherID:
		if l4 > 0 && l4+6 <= len(quote) {
			quote[l4+5] ^= change
		}
	case quoteProtocol:
		if len(quote) > 6 {
			quote[6] = s.own(2)
		}
	}
	return len(quote)
}

// setProblem knows quotes that are true, too short, turned round, or have one
// byte changed.
func setProblem(s scene, r *row, body []byte) bool {
	if len(body) < 8 {
		return false
	}
	code := 0
	if n := binary.BigEndian.Uint32(body[4:]); n != usualErrorNumber(body[0]) {
		if code = slices.Index(errorNumbers[1:], n) + 1; code == 0 {
			return false
		}
	}
	r[atOwn+3] = byte(code)
	r[atOwn+1], r[atOwn+2], r[atOwn+4] = 0, 0, 0
	s.row = *r
	truth := problem(s, body[0]).body[8:]
	quote := body[8:]
	at, n := difference(truth, quote)
	switch {
	case len(quote) < len(truth) && n == 0:
		r[atOwn+1], r[atOwn+2] = quoteShort, byte(len(quote))
	case len(quote) == len(truth) && n == 1:
		r[atOwn+1], r[atOwn+2], r[atOwn+4] = quoteSpoilt, byte(at), truth[at]^quote[at]
	case len(quote) == len(truth) && n > 1:
		r[atOwn+1] = quoteSwapped
		swapAddresses(truth)
		return bytes.Equal(truth, quote)
	}
	return len(quote) <= len(truth)
}

// difference returns where a and b differ first, and in how many bytes from
// there to where they differ last; what one has more does not count.
func difference(a, b []byte) (at, n int) {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		if n == 0 {
			at = i
		}
		n = i - at + 1
	}
	return at, n
}

// swapAddresses makes source and destination of an IP packet change places, and
// its ports. Checksums stay right.
func swapAddresses(ip []byte) {
	h := oracle.ParseHeaders(slices.Concat(make([]byte, 12), etherType(ip), ip))
	const ethernet = 14
	switch h.Version {
	case 6:
		swap(ip[8:24], ip[24:40])
	case 4:
		swap(ip[12:16], ip[16:20])
	}
	if l4 := h.L4 - ethernet; l4 > 0 && l4+4 <= len(ip) {
		switch h.Proto {
		case oracle.ProtoTCP, oracle.ProtoUDP, oracle.ProtoSCTP:
			swap(ip[l4:l4+2], ip[l4+2:l4+4])
		}
	}
}

func etherType(ip []byte) []byte {
	if len(ip) > 0 && ip[0]>>4 == 4 {
		return []byte{0x08, 0x00}
	}
	return []byte{0x86, 0xdd}
}

func swap(a, b []byte) {
	for i := range a {
		a[i], b[i] = b[i], a[i]
	}
}

// answers is the type of message that answers one, where the fields are the
// same in both.
var answers = [256]uint8{
	typeEchoRequest: typeEchoReply, typeInformationQuery: typeInformationReply,
	141: 142,           // inverse neighbor discovery (RFC 3122)
	144: 145, 146: 147, // Mobile IPv6 (RFC 6275)
	148: 149, // certification path (RFC 3971)
	152: 151, // multicast router discovery (RFC 4286)
	160: 161, // extended echo (RFC 8335)
}

// Ways in which a reply differs from a true one, by the three low bits of its
// second byte. Smaller numbers stand for none.
const (
	replyOtherID   = 4
	replyNextSeq   = 5
	replyOtherCode = 6
	replySameType  = 7
)

// reply is the reply to an earlier packet.
func reply(s scene, _ uint8) message {
	to := s.earlier(s.own(0))
	h := oracle.ParseHeaders(to.frame)
	body := icmpv6(to.frame, h)
	if len(body) < 8 {
		return message{frame: s.mirrored(to.frame, h)}
	}
	var m message
	switch {
	case answers[body[0]] != 0:
		m = s.between(answers[body[0]])
		m.body = append(m.body, body[4:]...)
		m.body[1] = body[1]
	case body[0] == typeSolicitation && len(body) >= 24:
		m = s.answerTo(addr(body[8:24]))
	case body[0] == typeRouterSolicitation:
		s.row = row{atAddresses: s.row[atAddresses]}
		m = routerAdvertisement(s, typeRouterAdvert)
	case body[0] == typeQuery && len(body) >= 24:
		m = s.joining(addr(body[8:24]))
	default:
		return message{frame: s.mirrored(to.frame, h)}
	}
	if body[0] != typeQuery {
		m.dst = h.Src.As16()
	}
	if dst := addr(h.Dst.As16()); !dst.isMulticast() {
		m.src = dst
	}
	if m.dst == unspecified { // RFC 4861, section 7.2.4
		m.dst = allNodes
	}
	twist(m.body, s.own(1), body[0])
	return m
}

// answerTo returns the advertisement of a target (RFC 4861, section 7.2.4).
func (s scene) answerTo(target addr) message {
	m := s.between(typeAdvertisement)
	m.hops = 255
	if !target.isMulticast() {
		m.src = target
	}
	m.body = append(append(m.body, usualFlags, 0, 0, 0), target[:]...)
	m.body = s.appendOption(m.body, 0, targetLink)
	return m
}

// joining returns the report of a listener that was asked about a group.
func (s scene) joining(group addr) message {
	if group == unspecified {
		group = solicited(global(s.near))
	}
	m := s.fromListener(typeReport, group)
	m.body = append(append(m.body, 0, 0, 0, 0), group[:]...)
	return m
}

func twist(body []byte, how, asked byte) {
	switch how & 7 {
	case replyOtherID:
		body[5] ^= 1
	case replyNextSeq:
		body[7]++
	case replyOtherCode:
		body[1]++
	case replySameType:
		body[0] = asked
	}
}

// mirrored returns a frame with source and destination exchanged at all layers:
// what can be said of the reply to a packet that is not understood.
func (s scene) mirrored(frame []byte, h oracle.Headers) []byte {
	f := slices.Clone(frame)
	swap(f[:6], f[6:12])
	if f[6]&1 != 0 { // no frame comes from a group
		from := mac(s.near)
		copy(f[6:], from[:])
	}
	swapAddresses(f[h.L3:])
	return f
}

// repeat sends an earlier packet again.
func repeat(s scene, _ uint8) message {
	return message{frame: s.earlier(s.own(0)).frame}
}

// vary sends an earlier packet again with two bytes changed.
func vary(s scene, _ uint8) message {
	f := slices.Clone(s.earlier(s.own(0)).frame)
	at := int(s.own(2)&7)<<8 | int(s.own(1))
	for i := range 2 {
		f[(at+i)%len(f)] ^= s.own(3 + i)
	}
	if s.own(5)&1 == 0 {
		mendChecksum(f)
	}
	return message{frame: f}
}

// varied returns a row with opVary that may make frame of the packet before it.
func varied(r row, before, frame []byte) (row, bool) {
	if len(before) != len(frame) {
		return r, false
	}
	at, n := difference(before, frame)
	r[atOwn+5] = 1
	if n > 2 { // the checksum, and something else
		mended := slices.Clone(frame)
		if sum := icmpv6(frame, oracle.ParseHeaders(frame)); len(sum) >= 4 {
			h := oracle.ParseHeaders(before)
			if old := icmpv6(before, h); len(old) >= 4 {
				copy(mended[h.L4+2:], old[2:4])
			}
		}
		at, n = difference(before, mended)
		r[atOwn+5] = 0
	}
	if n > 2 {
		return r, false
	}
	r[atOwn+1], r[atOwn+2] = byte(at), byte(at>>8)
	for i := range n {
		r[atOwn+3+i] = before[at+i] ^ frame[at+i]
	}
	return r, true
}

// mendChecksum makes the checksum of an ICMPv6 message right.
func mendChecksum(frame []byte) {
	h := oracle.ParseHeaders(frame)
	if body := icmpv6(frame, h); len(body) >= 4 && !h.Frag {
		sum := checksum(h.Src.As16(), h.Dst.As16(), body)
		binary.BigEndian.PutUint16(body[2:], sum)
	}
}
