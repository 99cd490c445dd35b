package tracetext

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/gopacket/layers"
)

// kind is a kind of ICMP message that has a name.
type kind struct {
	name string
	typ  uint8
	// hlim is the usual hop limit.
	hlim uint64
	// alert says that messages usually have the router alert option.
	alert bool
	// size is the number of bytes that body returns at least. Those four
	// before them, with type, code and checksum, are the same in all kinds.
	size int
	// body returns what follows those four bytes, up to the payload.
	body func(o *options, p packet, ethSrc net.HardwareAddr) []byte
	// words is body's inverse: it returns keys with their values for a body
	// of at least size bytes, and the payload.
	words func(body []byte) (words []string, payload []byte)
}

func kinds(v6 bool) []kind {
	if v6 {
		return kinds6
	}
	return kinds4
}

var kinds4 = []kind{
	{name: "echo-request", typ: layers.ICMPv4TypeEchoRequest},
	{name: "echo-reply", typ: layers.ICMPv4TypeEchoReply},
}

// kinds6 has messages of RFC 4443, 4861 (neighbor discovery), 2710 and 3810
// (MLD).
var kinds6 = []kind{
	{"ns", layers.ICMPv6TypeNeighborSolicitation, 255, false, 20, solicitation, solicitationWords},
	{"na", layers.ICMPv6TypeNeighborAdvertisement, 255, false, 20, advertisement, advertisementWords},
	{"rs", layers.ICMPv6TypeRouterSolicitation, 255, false, 4, routerSolicitation, routerSolicitationWords},
	{"ra", layers.ICMPv6TypeRouterAdvertisement, 255, false, 12, routerAdvertisement, routerAdvertisementWords},
	{"echo-request", layers.ICMPv6TypeEchoRequest, 64, false, 4, echo, echoWords},
	{"echo-reply", layers.ICMPv6TypeEchoReply, 64, false, 4, echo, echoWords},
	{"mld-query", layers.ICMPv6TypeMLDv1MulticastListenerQueryMessage, 1, true, 20, listener, listenerWords},
	{"mld-report", layers.ICMPv6TypeMLDv1MulticastListenerReportMessage, 1, true, 20, listener, listenerWords},
	{"mld-done", layers.ICMPv6TypeMLDv1MulticastListenerDoneMessage, 1, true, 20, listener, listenerWords},
	{"mld2-report", layers.ICMPv6TypeMLDv2MulticastListenerReportMessageV2, 1, true, 24, report2, report2Words},
	{"unreachable", layers.ICMPv6TypeDestinationUnreachable, 64, false, 4, errorBody(""), errorWords("")},
	{"packet-too-big", layers.ICMPv6TypePacketTooBig, 64, false, 4, errorBody("mtu"), errorWords("mtu")},
	{"time-exceeded", layers.ICMPv6TypeTimeExceeded, 64, false, 4, errorBody(""), errorWords("")},
	{"parameter-problem", layers.ICMPv6TypeParameterProblem, 64, false, 4, errorBody("pointer"), errorWords("pointer")},
}

func solicitation(o *options, p packet, ethSrc net.HardwareAddr) []byte {
	body := append(make([]byte, 4), o.addr6("target", netip.Addr{})...)
	return append(body, sourceLinkLayer(o, p, ethSrc)...)
}

func solicitationWords(body []byte) ([]string, []byte) {
	words, rest := linkLayerWords("sll", layers.ICMPv6OptSourceAddress, body[20:])
	return append([]string{"target", addrWord(body[4:20])}, words...), rest
}

const advertisementLetters = "-----osr"

func advertisement(o *options, p packet, ethSrc net.HardwareAddr) []byte {
	body := []byte{o.flags("flags", "so", advertisementLetters), 0, 0, 0}
	body = append(body, o.addr6("target", p.src)...)
	return append(body, linkLayer(o, "tll", layers.ICMPv6OptTargetAddress, ethSrc)...)
}

func advertisementWords(body []byte) ([]string, []byte) {
	words, rest := linkLayerWords("tll", layers.ICMPv6OptTargetAddress, body[20:])
	flags := formatFlags(body[0], advertisementLetters)
	return append([]string{"target", addrWord(body[4:20]), "flags", flags}, words...), rest
}

func routerSolicitation(o *options, p packet, ethSrc net.HardwareAddr) []byte {
	return append(make([]byte, 4), sourceLinkLayer(o, p, ethSrc)...)
}

func routerSolicitationWords(body []byte) ([]string, []byte) {
	return linkLayerWords("sll", layers.ICMPv6OptSourceAddress, body[4:])
}

const routerLetters = "-----hom"

func routerAdvertisement(o *options, p packet, ethSrc net.HardwareAddr) []byte {
	be := binary.BigEndian
	body := []byte{byte(o.number("cur-hlim", 64, 8)), o.flags("flags", none, routerLetters)}
	body = be.AppendUint16(body, uint16(o.number("lifetime", 1800, 16)))
	body = be.AppendUint32(body, uint32(o.number("reachable", 0, 32)))
	body = be.AppendUint32(body, uint32(o.number("retrans", 0, 32)))
	return append(body, sourceLinkLayer(o, p, ethSrc)...)
}

func routerAdvertisementWords(body []byte) ([]string, []byte) {
	be := binary.BigEndian
	words, rest := linkLayerWords("sll", layers.ICMPv6OptSourceAddress, body[12:])
	return append([]string{
		"cur-hlim", fmt.Sprint(body[0]),
		"flags", formatFlags(body[1], routerLetters),
		"lifetime", fmt.Sprint(be.Uint16(body[2:])),
		"reachable", fmt.Sprint(be.Uint32(body[4:])),
		"retrans", fmt.Sprint(be.Uint32(body[8:])),
	}, words...), rest
}

// sourceLinkLayer leaves the option out by default where RFC 4861, section 4,
// forbids it: if the source is the unspecified address.
func sourceLinkLayer(o *options, p packet, ethSrc net.HardwareAddr) []byte {
	if p.src.IsUnspecified() {
		ethSrc = nil
	}
	return linkLayer(o, "sll", layers.ICMPv6OptSourceAddress, ethSrc)
}

func linkLayer(o *options, key string, typ layers.ICMPv6Opt, standard net.HardwareAddr) []byte {
	mac := standard
	if text, ok := o.get(key); text == none {
		mac = nil
	} else if ok {
		var err error
		mac, err = parseMAC(text)
		o.wrong(key, err)
	}
	if mac == nil {
		return nil
	}
	return append([]byte{byte(typ), 1}, mac...)
}

func linkLayerWords(key string, typ layers.ICMPv6Opt, rest []byte) ([]string, []byte) {
	if len(rest) < 8 || rest[0] != byte(typ) || rest[1] != 1 {
		return []string{key, none}, rest
	}
	return []string{key, net.HardwareAddr(rest[2:8]).String()}, rest[8:]
}

func echo(o *options, _ packet, _ net.HardwareAddr) []byte {
	body := binary.BigEndian.AppendUint16(nil, uint16(o.number("id", 1, 16)))
	return binary.BigEndian.AppendUint16(body, uint16(o.number("seq", 1, 16)))
}

func echoWords(body []byte) ([]string, []byte) {
	be := binary.BigEndian
	return []string{"id", fmt.Sprint(be.Uint16(body)), "seq", fmt.Sprint(be.Uint16(body[2:]))}, body[4:]
}

func listener(o *options, p packet, _ net.HardwareAddr) []byte {
	var delay uint64
	var group netip.Addr
	switch p.kind.typ {
	case layers.ICMPv6TypeMLDv1MulticastListenerQueryMessage:
		delay, group = 10_000, netip.IPv6Unspecified()
	case layers.ICMPv6TypeMLDv1MulticastListenerReportMessage:
		group = p.dst
	}
	body := binary.BigEndian.AppendUint16(nil, uint16(o.number("max-delay", delay, 16)))
	return append(append(body, 0, 0), o.addr6("group", group)...)
}

func listenerWords(body []byte) ([]string, []byte) {
	delay := binary.BigEndian.Uint16(body)
	return []string{"group", addrWord(body[4:20]), "max-delay", fmt.Sprint(delay)}, body[20:]
}

func report2(o *options, _ packet, _ net.HardwareAddr) []byte {
	body := []byte{0, 0, 0, 1, byte(o.number("record", 4, 8)), 0, 0, 0}
	return append(body, o.addr6("group", netip.Addr{})...)
}

func report2Words(body []byte) ([]string, []byte) {
	return []string{"group", addrWord(body[8:24]), "record", fmt.Sprint(body[4])}, body[24:]
}

// errorBody is the body of an error message up to the packet that it is about:
// a number, of which key is the name if it means anything.
func errorBody(key string) func(*options, packet, net.HardwareAddr) []byte {
	return func(o *options, _ packet, _ net.HardwareAddr) []byte {
		var n, standard uint64
		if key == "mtu" {
			standard = 1280
		}
		if key != "" {
			n = o.number(key, standard, 32)
		}
		return binary.BigEndian.AppendUint32(nil, uint32(n))
	}
}

func errorWords(key string) func([]byte) ([]string, []byte) {
	return func(body []byte) ([]string, []byte) {
		if key == "" {
			return nil, body[4:]
		}
		return []string{key, fmt.Sprint(binary.BigEndian.Uint32(body))}, body[4:]
	}
}

func addrWord(b []byte) string {
	a, _ := netip.AddrFromSlice(b)
	return a.String()
}
