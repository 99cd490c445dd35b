package fuzz

import "github.com/ctdiff/ctdiff/replay"

// addr is an IPv6 address.
type addr [16]byte

// global and linkLocal return the addresses of the host at a port: host 1 and 2
// are those of the founding report.
func global(host uint8) addr {
	return addr{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0xf1, 0x01, 15: host}
}

func linkLocal(host uint8) addr { return addr{0xfe, 0x80, 15: host} }

// solicited returns the solicited-node multicast address (RFC 4291, section
// 2.7.1).
func solicited(a addr) addr {
	return addr{0xff, 0x02, 11: 1, 12: 0xff, 13: a[13], 14: a[14], 15: a[15]}
}

var (
	unspecified = addr{}
	loopback    = addr{15: 1}
	allNodes    = addr{0xff, 0x02, 15: 1}
	allRouters  = addr{0xff, 0x02, 15: 2}
	allMLDv2    = addr{0xff, 0x02, 15: 0x16} // RFC 3810, section 5.2.14
	allDNS      = addr{0xff, 0x02, 15: 0xfb} // RFC 6762
	allNTP      = addr{0xff, 0x0e, 14: 1, 15: 1}
	allDHCP     = addr{0xff, 0x05, 13: 1, 15: 3}
	elsewhere   = addr{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0xf1, 0x02, 15: 9}
	mapped      = addr{10: 0xff, 11: 0xff, 12: 192, 13: 0, 14: 2, 15: 1}
)

func (a addr) isMulticast() bool { return a[0] == 0xff }

// other returns the port that the host which a packet is for is at.
func other(p replay.Port) replay.Port { return (p - 1) ^ 1 + 1 }

// A side is where a packet enters: the host at that port is near, the one that
// its packets are usually for is far.
type side struct{ near, far uint8 }

func sideOf(p replay.Port) side { return side{uint8(p), uint8(other(p))} }

// sources, destinations and others return the addresses that a packet can have
// instead of the usual ones; others is for those within a message.
func (s side) sources() [8]addr {
	return [8]addr{
		global(s.near), linkLocal(s.near), unspecified, global(s.far),
		linkLocal(s.far), elsewhere, allNodes, loopback,
	}
}

func (s side) destinations() [8]addr {
	return [8]addr{
		global(s.far), linkLocal(s.far), solicited(global(s.far)), allNodes,
		allRouters, allMLDv2, global(s.near), elsewhere,
	}
}

func (s side) others() [16]addr {
	return [16]addr{
		global(s.near), global(s.far), linkLocal(s.near), linkLocal(s.far),
		solicited(global(s.near)), solicited(global(s.far)), allNodes, allRouters,
		allMLDv2, unspecified, elsewhere, loopback,
		mapped, allDNS, allNTP, allDHCP,
	}
}

// other returns the address that a byte stands for, if usual is what is usual.
func (s side) other(code byte, usual addr) addr {
	if code < 0x80 {
		return usual
	}
	return s.others()[code&15]
}

// otherCode is the inverse of other.
func (s side) otherCode(a, usual addr) (byte, bool) {
	if a == usual {
		return 0, true
	}
	return s.addressCode(a)
}

func (s side) addressCode(a addr) (byte, bool) {
	for i, o := range s.others() {
		if o == a {
			return 0x80 | byte(i), true
		}
	}
	return 0, false
}

// mac returns the Ethernet address of the host at a port.
func mac(host uint8) [6]byte { return [6]byte{2, 0, 0, 0, 0, host} }

// numbers is where an id or a sequence number comes from unless it is given in
// full: few, so that packets match up.
var numbers = [4]uint16{1, 2, 0, 0xffff}

const rawNumber = 0xc0

// number returns the number that three bytes stand for.
func number(b []byte) uint16 {
	if b[0] < rawNumber {
		return numbers[b[0]&3]
	}
	return uint16(b[1])<<8 | uint16(b[2])
}

func putNumber(b []byte, n uint16) {
	for i, known := range numbers {
		if known == n {
			b[0] = byte(i)
			return
		}
	}
	b[0], b[1], b[2] = rawNumber, byte(n>>8), byte(n)
}

// payloadSizes is by the five low bits of the payload byte, from 16 on; smaller
// ones are no payload. The last fills the packet up to an MTU of 1500 bytes.
var payloadSizes = [16]int{1, 2, 3, 4, 7, 8, 15, 16, 24, 56, 64, 128, 512, 1000, 1232, mtu - ipv6Size - 8}

// payloadForms is by the three high bits: byte i is factor*i + first.
var payloadForms = [8]struct{ first, factor byte }{
	{0, 0}, {0, 1}, {0xff, 0}, {0x10, 1}, {0x5a, 0}, {0xff, 0xff}, {1, 0}, {11, 37},
}

func payloadSize(code byte) int {
	if i := int(code&31) - 16; i >= 0 {
		return payloadSizes[i]
	}
	return 0
}

func appendPayload(b []byte, code byte) []byte {
	form := payloadForms[code>>5]
	for i := range payloadSize(code) {
		b = append(b, form.factor*byte(i)+form.first)
	}
	return b
}

// payloadCode returns the byte that stands for a payload.
func payloadCode(payload []byte) (byte, bool) {
	if len(payload) == 0 {
		return 0, true
	}
	for code := range 256 {
		if payloadSize(byte(code)) == len(payload) && isPayload(payload, byte(code)) {
			return byte(code), true
		}
	}
	return 0, false
}

func isPayload(payload []byte, code byte) bool {
	form := payloadForms[code>>5]
	for i, b := range payload {
		if b != form.factor*byte(i)+form.first {
			return false
		}
	}
	return true
}
