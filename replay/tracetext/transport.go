package tracetext

import (
	"errors"
	"net"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// transport returns the layers that IP carries, without their checksum.
func (p packet) transport(o *options, ethSrc net.HardwareAddr) []gopacket.SerializableLayer {
	var header gopacket.SerializableLayer
	var fixed []byte
	switch p.protocol.number {
	case layers.IPProtocolUDP:
		header = &layers.UDP{SrcPort: layers.UDPPort(p.sport), DstPort: layers.UDPPort(p.dport)}
	case layers.IPProtocolTCP:
		header = p.tcp(o)
	case layers.IPProtocolICMPv4:
		header = p.icmp4(o)
	default:
		header = &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(p.kind.typ, p.icmpCode(o))}
		if p.kind.body != nil {
			fixed = p.kind.body(o, p, ethSrc)
		}
	}
	return []gopacket.SerializableLayer{header, gopacket.Payload(append(fixed, o.bytes("payload")...))}
}

// icmpCode returns the code of a message, which is a key only if the message's
// kind has a name.
func (p packet) icmpCode(o *options) uint8 {
	if p.kind.name == "" {
		return p.code
	}
	return uint8(o.number("code", 0, 8))
}

func (p packet) icmp4(o *options) *layers.ICMPv4 {
	var standard uint64
	if p.kind.name != "" {
		standard = 1
	}
	return &layers.ICMPv4{
		TypeCode: layers.CreateICMPv4TypeCode(p.kind.typ, p.icmpCode(o)),
		Id:       uint16(o.number("id", standard, 16)),
		Seq:      uint16(o.number("seq", standard, 16)),
	}
}

const tcpFlagLetters = "FSRPAUEC"

func (p packet) tcp(o *options) *layers.TCP {
	const most = 40 // RFC 9293, section 3.1: the header has up to 60 bytes
	flags := o.flags("flags", "S", tcpFlagLetters)
	has := func(bit int) bool { return flags&(1<<bit) != 0 }
	t := &layers.TCP{
		SrcPort: layers.TCPPort(p.sport),
		DstPort: layers.TCPPort(p.dport),
		Seq:     uint32(o.number("seq", 0, 32)),
		Ack:     uint32(o.number("ack", 0, 32)),
		FIN:     has(0), SYN: has(1), RST: has(2), PSH: has(3),
		ACK: has(4), URG: has(5), ECE: has(6), CWR: has(7),
		Window: uint16(o.number("window", 65535, 16)),
		Urgent: uint16(o.number("urgent", 0, 16)),
	}
	options := o.bytes("options")
	if len(options)%4 != 0 || len(options) > most {
		o.wrong("options", errors.New("want a multiple of 4 bytes, up to 40"))
		return t
	}
	// As padding they are not taken apart.
	t.Padding = options
	return t
}
