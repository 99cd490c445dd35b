// Package oracletest has observations written down by hand, for the tests of
// what reads them: the founding divergence, and others like it, as bridges
// show them.
package oracletest

import (
	"encoding/binary"
	"net/netip"
)

// IPv6 message types of ICMP.
const (
	EchoRequest  = 128
	EchoReply    = 129
	Solicitation = 135
)

// ICMPv6 returns an Ethernet frame with an ICMPv6 message of a type; rest is
// what follows the message's checksum. The checksum is left zero.
func ICMPv6(src, dst string, kind uint8, rest ...byte) []byte {
	return ipv6(src, dst, 58, append([]byte{kind, 0, 0, 0}, rest...))
}

// NeighborSolicitation returns the frame of the founding report: 86 bytes.
func NeighborSolicitation() []byte {
	target := netip.MustParseAddr("2001:db8:0:f101::2").As16()
	rest := append(make([]byte, 4), target[:]...)
	rest = append(rest, 1, 1, 2, 0, 0, 0, 0, 1)
	return ICMPv6("2001:db8:0:f101::1", "ff02::1:ff00:2", Solicitation, rest...)
}

// UDP returns an Ethernet frame with an IPv4 UDP datagram of eight bytes.
func UDP(src, dst string, sport, dport uint16) []byte {
	return ipv4(src, dst, 17, append(ports(sport, dport), 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8))
}

// TCP returns an Ethernet frame with an IPv4 TCP segment without data.
func TCP(src, dst string, sport, dport uint16, flags uint8) []byte {
	return ipv4(src, dst, 6, append(ports(sport, dport), 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0x20, 0, 0, 0, 0, 0))
}

// Fragment returns an Ethernet frame with part of an IPv4 UDP datagram, with
// data bytes from an offset on.
func Fragment(id uint16, offset int, more bool, data []byte) []byte {
	f := ipv4("10.0.0.1", "10.0.0.2", 17, data)
	part := uint16(offset / 8)
	if more {
		part |= 0x2000
	}
	binary.BigEndian.PutUint16(f[18:], id)
	binary.BigEndian.PutUint16(f[20:], part)
	return f
}

func ports(sport, dport uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, sport), dport)
}

func ethernet(kind uint16) []byte {
	frame := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	return binary.BigEndian.AppendUint16(frame, kind)
}

func ipv6(src, dst string, proto uint8, payload []byte) []byte {
	f := append(ethernet(0x86dd), 0x60, 0, 0, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(len(payload)))
	f = append(f, proto, 255)
	for _, a := range []string{src, dst} {
		f = append(f, netip.MustParseAddr(a).AsSlice()...)
	}
	return append(f, payload...)
}

func ipv4(src, dst string, proto uint8, payload []byte) []byte {
	f := append(ethernet(0x0800), 0x45, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(20+len(payload)))
	f = append(f, 0, 1, 0, 0, 64, proto, 0, 0)
	for _, a := range []string{src, dst} {
		f = append(f, netip.MustParseAddr(a).AsSlice()...)
	}
	return append(f, payload...)
}
