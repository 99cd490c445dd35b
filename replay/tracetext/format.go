package tracetext

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/google/gopacket/layers"

	"github.com/ctdiff/ctdiff/replay"
)

// Format writes t, its rules first. Nothing is written if t is not valid.
// [Parse] of what it writes is t.
func Format(w io.Writer, t replay.Trace) error {
	if err := check(t); err != nil {
		return fmt.Errorf("formatting trace: %w", err)
	}
	var b strings.Builder
	for _, rule := range t.Pipeline {
		fmt.Fprintf(&b, "rule %s\n", rule)
	}
	for _, p := range t.Packets {
		// Parse also takes "us", which is easier to type.
		gap := strings.Replace(p.Gap.String(), "µs", "us", 1)
		fmt.Fprintf(&b, "%v +%s %s\n", p.Port, gap, formatFrame(p.Port, p.Frame))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing trace: %w", err)
	}
	return nil
}

func formatFrame(port replay.Port, frame []byte) string {
	for _, d := range describe(frame) {
		if d.gives(port, frame) {
			return d.shorten(port, frame).String()
		}
	}
	return "hex " + hex.EncodeToString(frame)
}

// description is a frame in words: those up to the addresses, then keys with
// their values.
type description struct {
	head []string
	keys [][2]string
}

func (d description) words() []string {
	words := slices.Clone(d.head)
	for _, k := range d.keys {
		words = append(words, k[0], k[1])
	}
	return words
}

func (d description) String() string { return strings.Join(d.words(), " ") }

// gives reports whether d's words are read as frame.
func (d description) gives(port replay.Port, frame []byte) bool {
	got, err := parseFrame(port, &wordList{words: d.words()})
	return err == nil && bytes.Equal(got, frame)
}

// shorten leaves out the keys whose values are those without the key, which it
// finds by trying.
func (d description) shorten(port replay.Port, frame []byte) description {
	for i := 0; i < len(d.keys); {
		shorter := description{d.head, slices.Delete(slices.Clone(d.keys), i, i+1)}
		if shorter.gives(port, frame) {
			d = shorter
		} else {
			i++
		}
	}
	return d
}

func (d *description) add(words ...string) {
	for pair := range slices.Chunk(words, 2) {
		d.keys = append(d.keys, [2]string(pair))
	}
}

func (d *description) addBytes(key string, value []byte) {
	if len(value) > 0 {
		d.add(key, hex.EncodeToString(value))
	}
}

// lastKeys are long or seldom of interest.
var lastKeys = []string{"checksum", "payload", "trailer"}

// layout is where the parts of an IP packet are.
type layout struct {
	v6                bool
	src, dst          string
	protocol          layers.IPProtocol
	header            []string // keys and values of the IP header
	transport, beyond []byte
}

// describe returns descriptions of frame, the one that says most first. They
// need not be right: what words do not say, such as a wrong length, is lost.
func describe(frame []byte) []description {
	const ethernet = replay.MinFrame
	var l layout
	var ok bool
	switch ip := frame[ethernet:]; layers.EthernetType(binary.BigEndian.Uint16(frame[12:])) {
	case layers.EthernetTypeIPv6:
		l, ok = layoutIPv6(ip)
	case layers.EthernetTypeIPv4:
		l, ok = layoutIPv4(ip)
	}
	if !ok {
		return nil
	}
	all := l.describe()
	for i := range all {
		d := &all[i]
		d.add("eth-src", net.HardwareAddr(frame[6:12]).String(), "eth-dst", net.HardwareAddr(frame[:6]).String())
		d.add(l.header...)
		d.addBytes("trailer", l.beyond)
		slices.SortStableFunc(d.keys, func(a, b [2]string) int {
			return slices.Index(lastKeys, a[0]) - slices.Index(lastKeys, b[0])
		})
	}
	return all
}

func layoutIPv6(ip []byte) (layout, bool) {
	const size, alert = 40, 8
	if len(ip) < size {
		return layout{}, false
	}
	be := binary.BigEndian
	length := min(int(be.Uint16(ip[4:])), len(ip)-size)
	first := be.Uint32(ip)
	l := layout{
		v6:       true,
		src:      addrWord(ip[8:24]),
		dst:      addrWord(ip[24:40]),
		protocol: layers.IPProtocol(ip[6]),
		header: []string{
			"hlim", fmt.Sprint(ip[7]),
			"tclass", fmt.Sprint(first >> 20 & 0xff),
			"flow-label", fmt.Sprintf("%#05x", first&0xfffff),
		},
		transport: ip[size : size+length],
		beyond:    ip[size+length:],
	}
	routerAlert := none
	if l.protocol == layers.IPProtocolIPv6HopByHop && length >= alert {
		l.protocol = layers.IPProtocol(l.transport[0])
		routerAlert = fmt.Sprint(be.Uint16(l.transport[4:]))
		l.transport = l.transport[alert:]
	}
	l.header = append(l.header, "router-alert", routerAlert)
	return l, true
}

func layoutIPv4(ip []byte) (layout, bool) {
	const size = 20
	if len(ip) < size {
		return layout{}, false
	}
	be := binary.BigEndian
	length := max(size, min(int(be.Uint16(ip[2:])), len(ip)))
	return layout{
		src:      addrWord(ip[12:16]),
		dst:      addrWord(ip[16:20]),
		protocol: layers.IPProtocol(ip[9]),
		header: []string{
			"ttl", fmt.Sprint(ip[8]),
			"tos", fmt.Sprint(ip[1]),
			"ip-id", fmt.Sprint(be.Uint16(ip[4:])),
			"ip-flags", formatFlags(ip[6]>>5, ipFlagLetters),
		},
		transport: ip[size:length],
		beyond:    ip[length:],
	}, true
}

func (l layout) describe() []description {
	name := ""
	for n, p := range protocols {
		if p.v6 == l.v6 && p.number == l.protocol {
			name = n
		}
	}
	t := l.transport
	switch {
	case name == "":
		return nil
	case l.protocol == layers.IPProtocolUDP && len(t) >= 8:
		d := l.withPorts(name)
		d.add("checksum", checksumWord(t[6:]))
		d.addBytes("payload", t[8:])
		return []description{d}
	case l.protocol == layers.IPProtocolTCP && len(t) >= 20:
		return []description{l.describeTCP(name)}
	case l.protocol == layers.IPProtocolICMPv4 && len(t) >= 8,
		l.protocol == layers.IPProtocolICMPv6 && len(t) >= 4:
		return l.describeICMP(name)
	}
	return nil
}

func checksumWord(b []byte) string { return fmt.Sprintf("%#04x", binary.BigEndian.Uint16(b)) }

func (l layout) withPorts(name string) description {
	sport, dport := binary.BigEndian.Uint16(l.transport), binary.BigEndian.Uint16(l.transport[2:])
	return description{head: []string{name, l.src, fmt.Sprint(sport), ">", l.dst, fmt.Sprint(dport)}}
}

func (l layout) describeTCP(name string) description {
	be := binary.BigEndian
	t := l.transport
	d := l.withPorts(name)
	size := min(max(20, int(t[12]>>4)*4), len(t))
	d.add(
		"flags", formatFlags(t[13], tcpFlagLetters),
		"seq", fmt.Sprint(be.Uint32(t[4:])),
		"ack", fmt.Sprint(be.Uint32(t[8:])),
		"window", fmt.Sprint(be.Uint16(t[14:])),
		"urgent", fmt.Sprint(be.Uint16(t[18:])),
		"checksum", checksumWord(t[16:]),
	)
	d.addBytes("options", t[20:size])
	d.addBytes("payload", t[size:])
	return d
}

func (l layout) describeICMP(name string) []description {
	be := binary.BigEndian
	t := l.transport
	typ, code := fmt.Sprint(t[0]), fmt.Sprint(t[1])
	common := []string{"checksum", checksumWord(t[2:])}
	payload := t[4:]
	if !l.v6 {
		common = append(common, "id", fmt.Sprint(be.Uint16(t[4:])), "seq", fmt.Sprint(be.Uint16(t[6:])))
		payload = t[8:]
	}
	var all []description
	for _, k := range kinds(l.v6) {
		if k.typ != t[0] || len(payload) < k.size {
			continue
		}
		d := description{head: []string{name, k.name, l.src, ">", l.dst}}
		rest := payload
		if k.words != nil {
			var words []string
			words, rest = k.words(payload)
			d.add(words...)
		}
		d.add("code", code)
		d.add(common...)
		d.addBytes("payload", rest)
		all = append(all, d)
	}
	plain := description{head: []string{name, "type", typ, "code", code, l.src, ">", l.dst}}
	plain.add(common...)
	plain.addBytes("payload", payload)
	return append(all, plain)
}
