package report

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ctdiff/ctdiff/oracle"
)

var icmpv6Names = map[uint8]string{
	1: "destination unreachable", 2: "packet too big", 3: "time exceeded", 4: "parameter problem",
	128: "echo request", 129: "echo reply",
	130: "multicast listener query", 131: "multicast listener report", 132: "multicast listener done",
	133: "router solicitation", 134: "router advertisement",
	135: "neighbor solicitation", 136: "neighbor advertisement", 137: "redirect",
	143: "multicast listener report v2",
}

var icmpNames = map[uint8]string{
	0: "echo reply", 3: "destination unreachable", 5: "redirect", 8: "echo request",
	11: "time exceeded", 12: "parameter problem", 13: "timestamp request", 14: "timestamp reply",
}

// Describe says in a line what a frame is: "ICMPv6 neighbor solicitation
// 2001:db8::1 > ff02::1:ff00:2, 86 bytes".
func Describe(frame []byte) string {
	h := oracle.ParseHeaders(frame)
	return fmt.Sprintf("%s, %d bytes", describe(frame, h), len(frame))
}

func describe(frame []byte, h oracle.Headers) string {
	switch {
	case len(frame) < 14:
		return "no frame"
	case h.Version == 0 && h.EtherType == oracle.TypeARP:
		return "ARP" + tags(h)
	case h.Version == 0 && (h.EtherType == oracle.TypeIPv4 || h.EtherType == oracle.TypeIPv6):
		return "malformed IP" + tags(h)
	case h.Version == 0:
		return fmt.Sprintf("Ethernet type %#04x%s", h.EtherType, tags(h))
	}
	kind, sport, dport := transport(frame, h)
	return fmt.Sprintf("%s%s %v%s > %v%s", kind, tags(h), h.Src, sport, h.Dst, dport)
}

// tags tells what else the frame has that matters to conntrack.
func tags(h oracle.Headers) string {
	var list []string
	if h.VLANs > 0 {
		list = append(list, fmt.Sprintf("%d VLAN tags", h.VLANs))
	}
	if h.Frag {
		list = append(list, fmt.Sprintf("fragment at %d", h.FragOffset))
	}
	extensions := len(h.Extensions)
	if h.Frag && h.Version == 6 {
		extensions--
	}
	if extensions > 0 {
		list = append(list, fmt.Sprintf("%d extension headers", extensions))
	}
	if len(list) == 0 {
		return ""
	}
	text := " (" + strings.Join(list, ", ") + ")"
	return strings.NewReplacer(" 1 VLAN tags", " 1 VLAN tag", "(1 VLAN tags", "(1 VLAN tag",
		" 1 extension headers", " 1 extension header", "(1 extension headers", "(1 extension header").Replace(text)
}

func transport(frame []byte, h oracle.Headers) (kind, sport, dport string) {
	var rest []byte
	if h.L4 >= 0 {
		rest = frame[h.L4:]
	}
	switch h.Proto {
	case oracle.ProtoICMPv6:
		return "ICMPv6" + message(icmpv6Names, rest), "", ""
	case oracle.ProtoICMP:
		return "ICMP" + message(icmpNames, rest), "", ""
	case oracle.ProtoTCP:
		kind = "TCP" + tcpFlags(rest)
	case oracle.ProtoUDP:
		kind = "UDP"
	case oracle.ProtoSCTP:
		kind = "SCTP"
	default:
		return fmt.Sprintf("IPv%d protocol %d", h.Version, h.Proto), "", ""
	}
	if len(rest) >= 4 {
		sport = fmt.Sprintf(" port %d", binary.BigEndian.Uint16(rest))
		dport = fmt.Sprintf(" port %d", binary.BigEndian.Uint16(rest[2:]))
	}
	return kind, sport, dport
}

func message(names map[uint8]string, rest []byte) string {
	if len(rest) == 0 {
		return ""
	}
	if name, ok := names[rest[0]]; ok {
		return " " + name
	}
	return fmt.Sprintf(" type %d", rest[0])
}

func tcpFlags(rest []byte) string {
	if len(rest) < 14 {
		return ""
	}
	var set []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"} {
		if rest[13]&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	if len(set) == 0 {
		return " without flags"
	}
	return " " + strings.Join(set, "-")
}
