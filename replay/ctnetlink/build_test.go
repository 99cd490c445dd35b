package ctnetlink

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// attr is an attribute with its padding.
func attr(kind uint16, value ...byte) []byte {
	return nl.NewRtAttr(int(kind), value).Serialize()
}

// nest is an attribute of attributes.
func nest(kind uint16, attributes ...[]byte) []byte {
	return attr(kind|nl.NLA_F_NESTED, slices.Concat(attributes...)...)
}

func num8(kind uint16, n uint8) []byte   { return attr(kind, n) }
func num16(kind uint16, n uint16) []byte { return attr(kind, nl.BEUint16Attr(n)...) }
func num32(kind uint16, n uint32) []byte { return attr(kind, nl.BEUint32Attr(n)...) }

// message is a netlink message with its padding.
func message(kind, flags uint16, data ...byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.NLMSG_HDRLEN+len(data)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = append(b, make([]byte, 8)...) // sequence number and port
	b = append(b, data...)
	return append(b, make([]byte, -len(b)&(unix.NLMSG_ALIGNTO-1))...)
}

// code is the payload of NLMSG_ERROR and NLMSG_DONE.
func code(n int32) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(n)) }

const typeNew = unix.NFNL_SUBSYS_CTNETLINK<<8 | nl.IPCTNL_MSG_CT_NEW

// connection is a message about a connection.
func connection(family byte, attributes ...[]byte) []byte {
	return message(typeNew, unix.NLM_F_MULTI, append([]byte{family, nl.NFNETLINK_V0, 0, 0}, slices.Concat(attributes...)...)...)
}

// direction is CTA_TUPLE_ORIG or CTA_TUPLE_REPLY.
func direction(kind uint16, src, dst string, proto ...[]byte) []byte {
	from, to := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	first := uint16(nl.CTA_IP_V4_SRC)
	if from.Is6() {
		first = nl.CTA_IP_V6_SRC
	}
	return nest(kind,
		nest(nl.CTA_TUPLE_IP, attr(first, from.AsSlice()...), attr(first+1, to.AsSlice()...)),
		nest(nl.CTA_TUPLE_PROTO, proto...))
}

func ports(proto uint8, src, dst uint16) []byte {
	return slices.Concat(num8(nl.CTA_PROTO_NUM, proto), num16(nl.CTA_PROTO_SRC_PORT, src), num16(nl.CTA_PROTO_DST_PORT, dst))
}

// icmp is the protocol of ICMP or ICMPv6, whose attributes begin with first.
func icmp(proto uint8, first, id uint16, kind, code uint8) []byte {
	return slices.Concat(num8(nl.CTA_PROTO_NUM, proto), num16(first, id), num8(first+1, kind), num8(first+2, code))
}

// both is the two directions of a connection from 10.0.0.1 to 10.0.0.2.
func both(proto uint8) []byte {
	return slices.Concat(
		direction(nl.CTA_TUPLE_ORIG, "10.0.0.1", "10.0.0.2", ports(proto, 1234, 80)),
		direction(nl.CTA_TUPLE_REPLY, "10.0.0.2", "10.0.0.1", ports(proto, 80, 1234)))
}
