package ctnetlink

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A tuple is one direction of a connection.
type tuple struct {
	src, dst         netip.Addr
	proto            uint8
	srcPort, dstPort uint16
	// Of ICMP and ICMPv6 only.
	id         uint16
	kind, code uint8
}

func parseTuple(family uint8, value []byte) (t tuple, err error) {
	hasProto := false
	err = each("tuple", value, func(kind uint16, value []byte) (err error) {
		switch kind {
		case nl.CTA_TUPLE_IP:
			err = each("addresses", value, func(kind uint16, value []byte) error {
				return t.setAddress(family, kind, value)
			})
		case nl.CTA_TUPLE_PROTO:
			err = each("protocol", value, func(kind uint16, value []byte) error {
				hasProto = hasProto || kind == nl.CTA_PROTO_NUM
				return t.setProto(family, kind, value)
			})
		}
		return err
	})
	if err == nil && (!t.src.IsValid() || !t.dst.IsValid() || !hasProto) {
		err = errors.New("tuple: an address or the protocol is missing")
	}
	return t, err
}

func (t *tuple) setAddress(family uint8, kind uint16, value []byte) error {
	into := &t.src
	switch kind {
	case nl.CTA_IP_V4_SRC, nl.CTA_IP_V6_SRC:
	case nl.CTA_IP_V4_DST, nl.CTA_IP_V6_DST:
		into = &t.dst
	default:
		return nil
	}
	address, ok := netip.AddrFromSlice(value)
	if !ok || address.Is4() != (family == unix.AF_INET) {
		return fmt.Errorf("%d bytes are no address of family %d", len(value), family)
	}
	*into = address
	return nil
}

func (t *tuple) setProto(family uint8, kind uint16, value []byte) error {
	// OVS looks at ICMP over IPv4 and at ICMPv6 over IPv6, and prints zeros
	// where it is the other way round (nl_ct_parse_tuple_proto).
	icmp := uint16(ctaProtoICMPID)
	if family == unix.AF_INET6 {
		icmp = ctaProtoICMPv6ID
	}
	switch kind {
	case nl.CTA_PROTO_NUM:
		return decode(value, &t.proto)
	case nl.CTA_PROTO_SRC_PORT:
		return decode(value, &t.srcPort)
	case nl.CTA_PROTO_DST_PORT:
		return decode(value, &t.dstPort)
	case icmp:
		return decode(value, &t.id)
	case icmp + 1:
		return decode(value, &t.kind)
	case icmp + 2:
		return decode(value, &t.code)
	}
	return nil
}

// String returns the direction as [replay.ConntrackEntry] has it. Protocols
// without ports have ports as well, which are zero.
func (t tuple) String() string {
	addresses := addressText(t.src) + " > " + addressText(t.dst)
	if t.proto == unix.IPPROTO_ICMP || t.proto == unix.IPPROTO_ICMPV6 {
		return fmt.Sprintf("%s id=%d type=%d code=%d", addresses, t.id, t.kind, t.code)
	}
	return fmt.Sprintf("%s sport=%d dport=%d", addresses, t.srcPort, t.dstPort)
}

// addressText writes an address as glibc's inet_ntop does, by which OVS prints
// it: other than netip, it writes the last 32 bits of an address that is zero
// in the first 96 as an IPv4 address, unless it is zero in the next 16 too.
func addressText(a netip.Addr) string {
	if b := a.As16(); [12]byte(b[:]) == [12]byte{} && b[12]|b[13] != 0 {
		return "::" + netip.AddrFrom4([4]byte(b[12:])).String()
	}
	return a.String()
}

// protoName returns OVS's name of an IP protocol (ct_dpif_format_ipproto).
func protoName(proto uint8) string {
	switch proto {
	case unix.IPPROTO_ICMP:
		return "icmp"
	case unix.IPPROTO_ICMPV6:
		return "icmpv6"
	case unix.IPPROTO_TCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	case unix.IPPROTO_SCTP:
		return "sctp"
	case unix.IPPROTO_UDPLITE:
		return "udplite"
	case unix.IPPROTO_DCCP:
		return "dccp"
	case unix.IPPROTO_IGMP:
		return "igmp"
	}
	return strconv.Itoa(int(proto))
}
