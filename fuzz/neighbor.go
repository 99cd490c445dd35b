package fuzz

import (
	"bytes"
	"encoding/binary"
)

// Kinds of options in neighbor discovery (RFC 4861, section 4.6), in the four
// low bits of an option byte. The first have their own numbers.
const (
	noOption = iota
	sourceLink
	targetLink
	prefixInfo
	redirected
	linkMTU
	nonce       // RFC 3971, section 5.3.2
	routeInfo   // RFC 4191, section 2.3
	nameServer  // RFC 8106, section 5.1
	searchList  // RFC 8106, section 5.2
	unknown     // a number for experiments (RFC 4727)
	noLength    // which RFC 4861 has receivers drop the packet for
	tooLong     // longer than the packet
	doubleLink  // a source link-layer address of 16 bytes
	optionGiven = 0x80
)

var (
	prefixLengths = [4]byte{64, 0, 128, 48}
	linkMTUs      = [4]uint32{1500, 1280, 0, 1<<32 - 1}
)

// appendOption appends the option that a byte stands for; usual is the kind
// that it is by default. Three more bits of the byte are a parameter.
func (s scene) appendOption(b []byte, code byte, usual byte) []byte {
	kind, parameter := usual, byte(0)
	if code >= optionGiven {
		kind, parameter = code&15, code>>4&7
	}
	start := len(b)
	switch kind {
	case sourceLink, targetLink:
		return s.appendLink(b, kind, parameter)
	case doubleLink:
		b = append(s.appendLink(b, sourceLink, parameter), make([]byte, 8)...)
		b[start+1] = 2
	case prefixInfo:
		b = append(b, prefixInfo, 4, prefixLengths[parameter&3], 0xc0>>(parameter>>1&2))
		b = append(b, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0) // 1 day, 4 hours
		prefix := global(0)
		b = append(b, prefix[:]...)
	case redirected:
		b = s.appendRedirected(b, parameter)
	case linkMTU:
		b = binary.BigEndian.AppendUint32(append(b, linkMTU, 1, 0, 0), linkMTUs[parameter&3])
	case nonce:
		b = append(b, 14, 1, parameter, 1, 2, 3, 4, 5)
	case routeInfo:
		b = append(b, 24, 1, prefixLengths[parameter&3]&0x40, parameter>>2<<3, 0, 0, 7, 8)
	case nameServer:
		server := s.others()[parameter]
		b = append(append(b, 25, 3, 0, 0, 0, 0, 7, 8), server[:]...)
	case searchList:
		b = append(b, 31, 2, 0, 0, 0, 0, 7, 8, 1, 'a', 0, 0, 0, 0, 0, parameter)
	case unknown:
		b = append(b, 253, 1, parameter, 0, 0, 0, 0, 0)
	case noLength:
		b = append(b, parameter, 0, 0, 0, 0, 0, 0, 0)
	case tooLong:
		b = append(b, parameter, 255, 0, 0, 0, 0, 0, 0)
	}
	return b
}

func (s scene) appendLink(b []byte, kind, parameter byte) []byte {
	link := [4][6]byte{mac(s.near), mac(s.far), {}, {0x33, 0x33, 0, 0, 0, 1}}[parameter&3]
	return append(append(b, kind, 1), link[:]...)
}

// appendRedirected quotes an earlier packet, so far that the message stays
// within IPv6's minimum MTU (RFC 4861, section 4.6.3).
func (s scene) appendRedirected(b []byte, back byte) []byte {
	const most = 1280 - ipv6Size - 40 - 16
	quote := quoted(s.earlier(earlierCode(int(back))).frame)
	quote = quote[:min(len(quote), most)&^7]
	b = append(b, redirected, byte(len(quote)/8+1), 0, 0, 0, 0, 0, 0)
	return append(b, quote...)
}

// takeOption returns the byte that stands for the first option in rest, and
// what follows that option.
func (s scene) takeOption(rest []byte, usual byte) (byte, []byte) {
	try := func(code byte) bool {
		option := s.appendOption(nil, code, usual)
		return len(option) > 0 && bytes.HasPrefix(rest, option)
	}
	if try(0) {
		return 0, rest[len(s.appendOption(nil, 0, usual)):]
	}
	for code := optionGiven; code < 256; code++ {
		if try(byte(code)) {
			return byte(code), rest[len(s.appendOption(nil, byte(code), usual)):]
		}
	}
	if usual == noOption {
		return 0, rest
	}
	return optionGiven, rest
}

// Where the two option bytes are among an operation's own.
const firstOption, secondOption = 2, 3

// options ends a message with its options and its payload.
func (s scene) options(m message, usual byte) message {
	m.body = s.appendOption(m.body, s.own(firstOption), usual)
	m.body = s.appendOption(m.body, s.own(secondOption), noOption)
	return s.finish(m)
}

func (s scene) setOptions(r *row, rest []byte, usual byte) bool {
	r[atOwn+firstOption], rest = s.takeOption(rest, usual)
	r[atOwn+secondOption], rest = s.takeOption(rest, noOption)
	return r.setPayload(rest)
}

// usualLink leaves the option out where RFC 4861, section 4, forbids it.
func (s scene) usualLink(usual addr) byte {
	if s.sourceOf(usual) == unspecified {
		return noOption
	}
	return sourceLink
}

func solicitation(s scene, kind uint8) message {
	m := s.between(kind)
	m.hops = 255
	target := s.other(s.own(0), global(s.far))
	m.dst = solicited(target)
	m.body = append(append(m.body, s.own(1), 0, 0, 0), target[:]...)
	return s.options(m, s.usualLink(m.src))
}

func setSolicitation(s scene, r *row, body []byte) (ok bool) {
	if len(body) < 24 {
		return false
	}
	r[atOwn], ok = s.otherCode(addr(body[8:24]), global(s.far))
	r[atOwn+1] = body[4]
	return ok && s.setOptions(r, body[24:], s.usualLink(global(s.near)))
}

// usualFlags is those of an advertisement: solicited, override.
const usualFlags = 0x60

func advertisement(s scene, kind uint8) message {
	m := s.between(kind)
	m.hops = 255
	target := s.other(s.own(0), global(s.near))
	m.body = append(append(m.body, s.own(1)^usualFlags, 0, 0, 0), target[:]...)
	return s.options(m, targetLink)
}

func setAdvertisement(s scene, r *row, body []byte) (ok bool) {
	if len(body) < 24 {
		return false
	}
	r[atOwn], ok = s.otherCode(addr(body[8:24]), global(s.near))
	r[atOwn+1] = body[4] ^ usualFlags
	return ok && s.setOptions(r, body[24:], targetLink)
}

func routerSolicitation(s scene, kind uint8) message {
	m := s.between(kind)
	m.hops = 255
	m.src, m.dst = linkLocal(s.near), allRouters
	m.body = append(m.body, s.own(1), 0, 0, 0)
	return s.options(m, s.usualLink(m.src))
}

func setRouterSolicitation(s scene, r *row, body []byte) bool {
	if len(body) < 8 {
		return false
	}
	r[atOwn+1] = body[4]
	return s.setOptions(r, body[8:], s.usualLink(linkLocal(s.near)))
}

var (
	routerLifetimes = [8]uint16{1800, 0, 1, 30, 600, 9000, 0x7fff, 0xffff} // seconds
	routerTimers    = [8]uint32{0, 1, 1000, 30_000, 3_600_000, 3_600_001, 1<<31 - 1, 1<<32 - 1}
)

// usualHopLimit is what a router advertises.
const usualHopLimit = 64

func routerAdvertisement(s scene, kind uint8) message {
	m := s.between(kind)
	m.hops = 255
	m.src, m.dst = linkLocal(s.near), allNodes
	m.body = append(m.body, s.own(0)^usualHopLimit, s.own(1))
	m.body = binary.BigEndian.AppendUint16(m.body, routerLifetimes[s.own(4)&7])
	m.body = binary.BigEndian.AppendUint32(m.body, routerTimers[s.own(5)&7])
	m.body = binary.BigEndian.AppendUint32(m.body, routerTimers[s.own(5)>>3&7])
	return s.options(m, s.usualLink(m.src))
}

func setRouterAdvertisement(s scene, r *row, body []byte) bool {
	if len(body) < 16 {
		return false
	}
	r[atOwn], r[atOwn+1] = body[4]^usualHopLimit, body[5]
	for i := range byte(8) {
		if routerLifetimes[i] == binary.BigEndian.Uint16(body[6:]) {
			r[atOwn+4] = i
		}
	}
	r[atOwn+5] = routerTimer(body[8:]) | routerTimer(body[12:])<<3
	return s.setOptions(r, body[16:], s.usualLink(linkLocal(s.near)))
}

func routerTimer(b []byte) byte {
	for i, t := range routerTimers {
		if t == binary.BigEndian.Uint32(b) {
			return byte(i)
		}
	}
	return 0
}

func redirect(s scene, kind uint8) message {
	m := s.between(kind)
	m.hops = 255
	m.src = linkLocal(s.near)
	target := s.other(s.own(0), linkLocal(s.near))
	destination := s.other(s.own(1), elsewhere)
	m.body = append(m.body, 0, 0, 0, 0)
	m.body = append(append(m.body, target[:]...), destination[:]...)
	return s.options(m, targetLink)
}

func setRedirect(s scene, r *row, body []byte) bool {
	if len(body) < 40 {
		return false
	}
	target, known := s.otherCode(addr(body[8:24]), linkLocal(s.near))
	destination, also := s.otherCode(addr(body[24:40]), elsewhere)
	r[atOwn], r[atOwn+1] = target, destination
	return known && also && s.setOptions(r, body[40:], targetLink)
}
