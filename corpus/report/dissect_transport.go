package report

import (
	"encoding/binary"
	"fmt"

	"github.com/ctdiff/ctdiff/oracle"
)

// transport adds the fields of the transport header and of what its protocol
// says follows, and goes to what is left.
func (d *dissector) transport(h oracle.Headers, end int) {
	body := d.frame[h.L4:end]
	pseudo := pseudoHeader(h, len(body))
	checksum := func(at int) { d.checksum(h, pseudo, body, at) }
	switch h.Proto {
	case oracle.ProtoTCP:
		d.begin("TCP", h.L4)
		d.tcp(body, checksum)
	case oracle.ProtoUDP:
		d.begin("UDP", h.L4)
		d.ports()
		d.add("length", 4, 2, decimal)
		checksum(6)
		d.at += 8
	case oracle.ProtoSCTP:
		d.begin("SCTP", h.L4)
		d.ports()
		d.add("verification tag", 4, 4, hex)
		d.add("checksum", 8, 4, hex)
		d.at += 12
	case oracle.ProtoICMP:
		d.begin("ICMP", h.L4)
		d.add("type", 0, 1, named(icmpNames))
		d.add("code", 1, 1, decimal)
		pseudo = nil
		checksum(2)
		d.add("id", 4, 2, decimal)
		d.add("sequence", 6, 2, decimal)
		d.at += 8
	case oracle.ProtoICMPv6:
		d.begin("ICMPv6", h.L4)
		d.add("type", 0, 1, named(icmpv6Names))
		d.add("code", 1, 1, decimal)
		checksum(2)
		d.icmpv6(body[0], end)
	default:
		d.begin("Payload", h.L4)
	}
	d.at = min(d.at, end)
}

func (d *dissector) ports() {
	d.add("source port", 0, 2, decimal)
	d.add("destination port", 2, 2, decimal)
}

// checksum adds the checksum of a body, and marks it if it is wrong. That of a
// fragment, or of a packet that is cut off, covers what is not there.
func (d *dissector) checksum(h oracle.Headers, pseudo, body []byte, at int) {
	f := d.add("checksum", at, 2, hex)
	if f.Name == "" || h.Frag || d.cut {
		return
	}
	if h.Proto == oracle.ProtoUDP {
		switch found := binary.BigEndian.Uint16(body[at:]); {
		case found == 0 && h.Version == 4:
			f.Value += ", none" // RFC 768
			return
		case found == 0xffff && internetSum(append(pseudo, body...)) == 0:
			return
		}
	}
	d.sum(f, append(pseudo, body...), len(pseudo)+at)
}

// pseudoHeader is what checksums cover besides the body: RFC 8200, section 8.1,
// and for IPv4 RFC 9293, section 3.1.
func pseudoHeader(h oracle.Headers, size int) []byte {
	b := append(h.Src.AsSlice(), h.Dst.AsSlice()...)
	return append(binary.BigEndian.AppendUint32(b, uint32(size)), 0, 0, 0, h.Proto)
}

func (d *dissector) tcp(body []byte, checksum func(int)) {
	d.ports()
	d.add("sequence", 4, 4, decimal)
	d.add("acknowledgment", 8, 4, decimal)
	size := 20
	if len(body) > 12 {
		size = max(size, int(body[12]>>4)*4)
	}
	d.part("header length", 12, 1, func([]byte) string { return count(size, "byte") })
	d.add("flags", 13, 1, func(b []byte) string { return hex(b) + "," + tcpFlags(body) })
	d.add("window", 14, 2, decimal)
	checksum(16)
	d.add("urgent pointer", 18, 2, decimal)
	d.add("options", 20, size-20, func([]byte) string { return "" })
	d.at += size
}

// icmpv6 adds what follows the checksum: RFC 4443, 4861, 2710.
func (d *dissector) icmpv6(kind uint8, end int) {
	options := -1
	switch kind {
	case 128, 129:
		d.add("id", 4, 2, decimal)
		d.add("sequence", 6, 2, decimal)
	case 2:
		d.add("MTU", 4, 4, decimal)
	case 4:
		d.add("pointer", 4, 4, decimal)
	case 130, 131, 132:
		d.add("maximum response delay", 4, 2, decimal)
		d.add("group", 8, 16, address)
		d.at += 16
	case 133:
		options = 8
	case 134:
		d.add("hop limit", 4, 1, decimal)
		d.add("flags", 5, 1, hex)
		d.add("lifetime", 6, 2, decimal)
		d.add("reachable time", 8, 4, decimal)
		d.add("retransmission timer", 12, 4, decimal)
		options = 16
	case 135, 136:
		d.add("flags", 4, 4, hex)
		d.add("target", 8, 16, address)
		options = 24
	case 137:
		d.add("target", 8, 16, address)
		d.add("destination", 24, 16, address)
		options = 40
	default:
		d.add("message body", 4, 4, hex)
	}
	if options < 0 {
		d.at += 8
		return
	}
	d.at += options
	d.options(end)
}

var optionNames = map[uint8]string{
	1: "source link-layer address", 2: "target link-layer address", 3: "prefix information",
	4: "redirected header", 5: "MTU",
}

// options adds the options of neighbor discovery: RFC 4861, section 4.6.
func (d *dissector) options(end int) {
	for d.at+2 <= end {
		kind, size := d.frame[d.at], int(d.frame[d.at+1])*8
		if size == 0 || d.at+size > end {
			return
		}
		name := optionNames[kind]
		if name == "" {
			name = fmt.Sprintf("option %d", kind)
		}
		show := func([]byte) string { return count(size, "byte") }
		if kind <= 2 && size == 8 {
			show = func(b []byte) string { return mac(b[2:]) }
		}
		d.add(name, 0, size, show)
		d.at += size
	}
}
