package tracetext

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/ctdiff/ctdiff/replay"
)

// protocol is a first word of a packet that is not given in hex.
type protocol struct {
	number   layers.IPProtocol
	v6       bool
	ports    bool
	checksum int // its place in the header
}

var protocols = map[string]protocol{
	"icmp6": {number: layers.IPProtocolICMPv6, v6: true, checksum: 2},
	"udp6":  {number: layers.IPProtocolUDP, v6: true, ports: true, checksum: 6},
	"tcp6":  {number: layers.IPProtocolTCP, v6: true, ports: true, checksum: 16},
	"icmp":  {number: layers.IPProtocolICMPv4, checksum: 2},
	"udp":   {number: layers.IPProtocolUDP, ports: true, checksum: 6},
	"tcp":   {number: layers.IPProtocolTCP, ports: true, checksum: 16},
}

// packet is a packet as its words say it.
type packet struct {
	port         replay.Port
	protocol     protocol
	kind         kind // of ICMP
	code         uint8
	src, dst     netip.Addr
	sport, dport uint16
	options      []option
}

func parseWords(port replay.Port, name string, words *wordList) (packet, error) {
	p := packet{port: port}
	var ok bool
	if p.protocol, ok = protocols[name]; !ok {
		return p, words.wrong(errors.New("not one of hex, icmp6, udp6, tcp6, icmp, udp, tcp"))
	}
	var err error
	if !p.protocol.ports {
		if err = p.parseKind(words); err != nil {
			return p, err
		}
	}
	if p.src, p.sport, err = p.parseEnd("source", words); err != nil {
		return p, err
	}
	if err = words.literal(">"); err != nil {
		return p, err
	}
	if p.dst, p.dport, err = p.parseEnd("destination", words); err != nil {
		return p, err
	}
	p.options, err = parseOptions(words)
	return p, err
}

func (p *packet) parseEnd(end string, words *wordList) (netip.Addr, uint16, error) {
	a, err := words.addr("the "+end+" address", p.protocol.v6)
	if err != nil || !p.protocol.ports {
		return a, 0, err
	}
	port, err := words.number("the "+end+" port", 16)
	return a, uint16(port), err
}

func (p *packet) parseKind(words *wordList) error {
	name, err := words.next("a kind of message")
	if err != nil {
		return err
	}
	table := kinds(p.protocol.v6)
	if name != "type" {
		i := slices.IndexFunc(table, func(k kind) bool { return k.name == name })
		if i < 0 {
			var names []string
			for _, k := range table {
				names = append(names, k.name)
			}
			return words.wrong(fmt.Errorf("not one of %s, type", strings.Join(names, ", ")))
		}
		p.kind = table[i]
		return nil
	}
	number, err := words.number("the type's number", 8)
	if err != nil {
		return err
	}
	p.kind = kind{typ: uint8(number), hlim: 64}
	if err := words.literal("code"); err != nil {
		return err
	}
	code, err := words.number("the code's number", 8)
	p.code = uint8(code)
	return err
}

// frame returns the bytes that p's words stand for.
func (p packet) frame() ([]byte, error) {
	o := &options{given: p.options}
	src := o.mac("eth-src", portMAC(p.port))
	dst := o.mac("eth-dst", p.destinationMAC())
	ethertype := layers.EthernetTypeIPv4
	if p.protocol.v6 {
		ethertype = layers.EthernetTypeIPv6
	}
	transport := p.transport(o, src)
	ip, err := p.network(o, transport)
	if err != nil {
		return nil, err
	}
	trailer := o.bytes("trailer")
	if err := o.finish(); err != nil {
		return nil, err
	}
	// layers.Ethernet would fill up to 60 bytes, which a virtual port does not.
	frame := slices.Concat(dst, src, binary.BigEndian.AppendUint16(nil, uint16(ethertype)))
	return slices.Concat(frame, ip, trailer), nil
}

func portMAC(p replay.Port) net.HardwareAddr {
	return net.HardwareAddr{2, 0, 0, 0, 0, byte(p)}
}

func (p packet) destinationMAC() net.HardwareAddr {
	a := p.dst.AsSlice()
	switch {
	case p.dst.Is6() && p.dst.IsMulticast(): // RFC 2464, section 7
		return net.HardwareAddr{0x33, 0x33, a[12], a[13], a[14], a[15]}
	case p.dst.IsMulticast(): // RFC 1112, section 6.4
		return net.HardwareAddr{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]}
	case p.dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	return portMAC((p.port - 1) ^ 1 + 1)
}

// network returns the IP packet around transport.
func (p packet) network(o *options, transport []gopacket.SerializableLayer) ([]byte, error) {
	var ip interface {
		gopacket.SerializableLayer
		gopacket.NetworkLayer
	}
	var extension []byte
	if p.protocol.v6 {
		header := p.ipv6(o)
		if extension = p.routerAlert(o); extension != nil {
			header.NextHeader = layers.IPProtocolIPv6HopByHop
		}
		ip = header
	} else {
		ip = p.ipv4(o)
	}
	if t, ok := transport[0].(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}); ok {
		if err := t.SetNetworkLayerForChecksum(ip); err != nil {
			return nil, err
		}
	}
	all := append([]gopacket.SerializableLayer{ip, gopacket.Payload(extension)}, transport...)
	buffer := gopacket.NewSerializeBuffer()
	settings := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, settings, all...); err != nil {
		return nil, fmt.Errorf("putting the packet together: %w", err)
	}
	length := 20
	if p.protocol.v6 {
		length = 40
	}
	p.setChecksum(o, buffer.Bytes()[length+len(extension):])
	return buffer.Bytes(), nil
}

func (p packet) ipv6(o *options) *layers.IPv6 {
	hlim := uint64(64)
	if !p.protocol.ports {
		hlim = p.kind.hlim
	}
	return &layers.IPv6{
		Version:      6,
		TrafficClass: uint8(o.number("tclass", 0, 8)),
		FlowLabel:    uint32(o.number("flow-label", 0, 20)),
		NextHeader:   p.protocol.number,
		HopLimit:     uint8(o.number("hlim", hlim, 8)),
		SrcIP:        p.src.AsSlice(),
		DstIP:        p.dst.AsSlice(),
	}
}

const ipFlagLetters = "mde"

func (p packet) ipv4(o *options) *layers.IPv4 {
	return &layers.IPv4{
		Version:  4,
		TOS:      uint8(o.number("tos", 0, 8)),
		Id:       uint16(o.number("ip-id", 0, 16)),
		Flags:    layers.IPv4Flag(o.flags("ip-flags", "d", ipFlagLetters)),
		TTL:      uint8(o.number("ttl", 64, 8)),
		Protocol: p.protocol.number,
		SrcIP:    p.src.AsSlice(),
		DstIP:    p.dst.AsSlice(),
	}
}

// routerAlert returns the hop-by-hop header with only that option (RFC 2711,
// section 2.1), or nil.
func (p packet) routerAlert(o *options) []byte {
	const key = "router-alert"
	text, ok := o.get(key)
	if text == none || !ok && !p.kind.alert {
		return nil
	}
	var value uint64
	if ok {
		var err error
		value, err = parseNumber(text, 16)
		o.wrong(key, err)
	}
	return []byte{byte(p.protocol.number), 0, 5, 2, byte(value >> 8), byte(value), 1, 0}
}

func (p packet) setChecksum(o *options, transport []byte) {
	field := transport[p.protocol.checksum:][:2]
	right := binary.BigEndian.Uint16(field)
	if right == 0 && p.protocol.number == layers.IPProtocolUDP {
		// A UDP checksum of 0 means that there is none (RFC 768); gopacket
		// does not know.
		right = 0xffff
	}
	binary.BigEndian.PutUint16(field, uint16(o.number("checksum", uint64(right), 16)))
}
