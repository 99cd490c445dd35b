package reduce

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ctdiff/ctdiff/oracle"
)

// Types of ICMPv6 messages with fields of their own.
const (
	packetTooBig  = 2
	echoRequest   = 128
	echoReply     = 129
	listenerQuery = 130
	listenerDone  = 132
	routerSolicit = 133
	routerAdvert  = 134
	solicitation  = 135
	advertisement = 136
	redirect      = 137
	listener2     = 143
)

// An edit makes a field of a packet plain. It leaves alone a packet that does
// not have the field.
type edit struct {
	name   string
	change func(*packet)
}

// messageEdits make all ICMPv6 messages the same, if they will do: which of
// them a fault was found with is often chance.
var messageEdits = []edit{
	{"message, as echo request,", func(f *packet) {
		if f.isICMPv6() && f.body[0] != echoRequest {
			f.setMessage([]byte{echoRequest, 0, 0, 0, 0, 1, 0, 1})
			f.ip[7] = 64
		}
	}},
	{"message, as neighbor solicitation,", func(f *packet) {
		if !f.isICMPv6() || f.body[0] == echoRequest || f.body[0] == solicitation {
			return
		}
		target := f.ip[24:40]
		if target[0] == 0xff {
			target = plainIPv6(2)
		}
		f.setMessage(append([]byte{solicitation, 0, 0, 0, 0, 0, 0, 0}, target...))
		f.ip[7] = 255
	}},
}

// edits are in this order since the later ones depend on the earlier: what a
// plain MAC address is depends on the IP address.
var edits = slices.Concat([]edit{
	{"lengths", func(f *packet) { f.lengthRight, f.udpLengthRight = f.version() != 0, f.isUDP() }},
	{"checksums", func(f *packet) { f.ipSumRight, f.sumRight = f.version() == 4, f.sumAt() >= 0 }},
	{"VLAN tags", func(f *packet) { f.tags = nil }},
	{"outer VLAN tag", func(f *packet) { f.tags = f.tags[min(4, len(f.tags)):] }},
	{"VLAN ids", func(f *packet) {
		for i := 0; i+4 <= len(f.tags); i += 4 {
			f.tags[i+2], f.tags[i+3] = 0, 1
		}
	}},
	{"trailer", func(f *packet) { f.trailer = nil }},
	{"extension headers", func(f *packet) { f.exts = nil }},
}, extensionEdits(), []edit{
	{"IP options", func(f *packet) {
		if f.version() == 4 {
			f.ip = f.ip[:20]
		}
	}},
	{"TCP options", dropTCPOptions},
	{"payload", func(f *packet) { f.body = f.body[:f.headerSize()] }},
}, payloadEdits(), []edit{
	{"payload's bytes", func(f *packet) { clear(f.body[f.headerSize():]) }},
	{"hop limit", func(f *packet) {
		switch f.version() {
		case 4:
			f.ip[8] = 64
		case 6:
			f.ip[7] = f.hopLimit()
		}
	}},
	{"traffic class", func(f *packet) {
		switch f.version() {
		case 4:
			f.ip[1] = 0
		case 6:
			f.ip[0], f.ip[1] = 0x60, f.ip[1]&0x0f
		}
	}},
	{"flow label", func(f *packet) {
		if f.version() == 6 {
			f.ip[1], f.ip[2], f.ip[3] = f.ip[1]&0xf0, 0, 0
		}
	}},
	{"IP id", func(f *packet) {
		if f.version() == 4 {
			f.ip[4], f.ip[5] = 0, 0
		}
	}},
	{"IP flags", func(f *packet) {
		if f.version() == 4 && !f.frag {
			f.ip[6] = 0x40
		}
	}},
}, headerEdits(), []edit{
	{"MAC addresses", plainMACs},
})

// extensionEdits remove one extension header each; packets with more than
// these lose the others as the first ones go.
func extensionEdits() (list []edit) {
	for i := range 4 {
		list = append(list, edit{fmt.Sprintf("extension header %d", i), func(f *packet) {
			if i < len(f.exts) {
				f.exts = slices.Delete(slices.Clone(f.exts), i, i+1)
			}
		}})
	}
	return list
}

// payloadEdits cut the payload by powers of two.
func payloadEdits() (list []edit) {
	for cut := 1024; cut > 0; cut /= 2 {
		list = append(list, edit{fmt.Sprintf("last %d bytes of the payload", cut), func(f *packet) {
			if len(f.body)-f.headerSize() > cut {
				f.body = f.body[:len(f.body)-cut]
			}
		}})
	}
	return list
}

// A field is part of a transport header.
type field struct {
	name  string
	proto uint8
	kinds []uint8 // of ICMP messages; nil is all
	at    int
	plain []byte
}

var fieldTable = []field{
	{"code", oracle.ProtoICMPv6, nil, 1, []byte{0}},
	{"id", oracle.ProtoICMPv6, []uint8{echoRequest, echoReply}, 4, []byte{0, 1}},
	{"sequence number", oracle.ProtoICMPv6, []uint8{echoRequest, echoReply}, 6, []byte{0, 1}},
	{"MTU", oracle.ProtoICMPv6, []uint8{packetTooBig}, 4, []byte{0, 0, 5, 0}},
	{"reserved bytes", oracle.ProtoICMPv6, []uint8{1, 3, routerSolicit, solicitation, redirect}, 4, make([]byte, 4)},
	{"pointer", oracle.ProtoICMPv6, []uint8{4}, 4, make([]byte, 4)},
	{"flags", oracle.ProtoICMPv6, []uint8{advertisement}, 4, []byte{0x60, 0, 0, 0}},
	{"code", oracle.ProtoICMP, nil, 1, []byte{0}},
	{"id", oracle.ProtoICMP, []uint8{0, 8}, 4, []byte{0, 1}},
	{"sequence number", oracle.ProtoICMP, []uint8{0, 8}, 6, []byte{0, 1}},
	{"sequence number", oracle.ProtoTCP, nil, 4, make([]byte, 4)},
	{"acknowledged number", oracle.ProtoTCP, nil, 8, make([]byte, 4)},
	{"window", oracle.ProtoTCP, nil, 14, []byte{0xff, 0xff}},
	{"urgent pointer", oracle.ProtoTCP, nil, 18, []byte{0, 0}},
}

func headerEdits() (list []edit) {
	for _, d := range fieldTable {
		list = append(list, edit{d.name, func(f *packet) {
			if f.whole(d.proto, d.at+len(d.plain)) && (d.kinds == nil || slices.Contains(d.kinds, f.body[0])) {
				copy(f.body[d.at:], d.plain)
			}
		}})
	}
	return list
}

func dropTCPOptions(f *packet) {
	if !f.whole(oracle.ProtoTCP, 20) {
		return
	}
	if size := int(f.body[12]>>4) * 4; size > 20 && size <= len(f.body) {
		f.body = append(f.body[:20:20], f.body[size:]...)
		f.body[12] = f.body[12]&0x0f | 0x50
	}
}

func (f *packet) isICMPv6() bool { return f.whole(oracle.ProtoICMPv6, 4) && f.version() == 6 }

// setMessage replaces an ICMPv6 message.
func (f *packet) setMessage(body []byte) {
	if len(f.body) > 3 && !f.sumRight {
		copy(body[2:4], f.body[2:4])
	}
	f.body = body
}

// headerSize is how much of the body is header: payload may follow.
func (f *packet) headerSize() int {
	size := 0
	switch {
	case f.whole(oracle.ProtoTCP, 20):
		size = max(20, int(f.body[12]>>4)*4)
	case f.isUDP():
		size = 8
	case f.whole(oracle.ProtoICMP, 8):
		size = 8
	case f.whole(oracle.ProtoSCTP, 12):
		size = 12
	case f.isICMPv6():
		size = icmpv6Size(f.body[0])
	}
	return min(size, len(f.body))
}

// icmpv6Size is the size of a message without options (RFC 4443, 4861, 2710,
// 3810).
func icmpv6Size(kind uint8) int {
	switch kind {
	case solicitation, advertisement, listenerQuery, listenerQuery + 1, listenerDone:
		return 24
	case routerAdvert:
		return 16
	case redirect:
		return 40
	}
	return 8
}

// hopLimit is the usual one: RFC 4861, section 4, and RFC 2710, section 3.
func (f *packet) hopLimit() byte {
	if !f.isICMPv6() {
		return 64
	}
	switch kind := f.body[0]; {
	case kind >= routerSolicit && kind <= redirect:
		return 255
	case kind >= listenerQuery && kind <= listenerDone, kind == listener2:
		return 1
	}
	return 64
}

// plainMACs are those that package tracetext leaves out.
func plainMACs(f *packet) {
	to := []byte{2, 0, 0, 0, 0, (byte(f.port) - 1) ^ 1 + 1}
	switch f.version() {
	case 4:
		a := f.ip[16:20]
		if binary.BigEndian.Uint32(a) == 0xffffffff {
			to = slices.Repeat([]byte{0xff}, 6)
		} else if a[0]&0xf0 == 0xe0 { // RFC 1112, section 6.4
			to = []byte{1, 0, 0x5e, a[1] & 0x7f, a[2], a[3]}
		}
	case 6:
		if f.ip[24] == 0xff { // RFC 2464, section 7
			to = append([]byte{0x33, 0x33}, f.ip[36:40]...)
		}
	}
	f.macs = slices.Concat(to, []byte{2, 0, 0, 0, 0, byte(f.port)})
}
