package report

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/google/gopacket/layers"

	"github.com/ctdiff/ctdiff/oracle"
)

// A field is a part of a frame.
type field struct {
	Layer, Name, Value string
	// key tells the field from others of the frame, and raw is what it has to
	// be for two to be the same.
	key, raw string
	// Bytes are those that it is in, in hexadecimal.
	Bytes string
	// Wrong says that the field is not what the rest of the frame makes it.
	Wrong bool
	// Sent has what each bridge made of it, if one changed it; Differs says
	// that they did not make the same of it.
	Sent    []string
	Differs bool
}

// A dissector takes a frame apart from the front.
type dissector struct {
	frame  []byte
	layer  string
	at     int // where the layer begins
	fields []field
	cut    bool // the packet is longer than the frame
}

// longestBytes is the number of a field's bytes that are printed.
const longestBytes = 32

// dissect returns the fields of a frame. It takes any bytes: what is cut off is
// left out, and what is not known is one field.
func dissect(frame []byte) []field {
	h := oracle.ParseHeaders(frame)
	d := dissector{frame: frame}
	d.ethernet(h)
	end := len(frame)
	switch h.Version {
	case 4:
		end = d.ipv4(h)
	case 6:
		end = d.ipv6(h)
	default:
		d.begin("Payload", h.L3)
		d.rest(end)
		return d.fields
	}
	if h.L4 >= 0 && h.L4 < end {
		d.transport(h, end)
	}
	d.begin("Payload", d.at)
	d.rest(end)
	d.begin("Trailer", end)
	d.rest(len(frame))
	return d.fields
}

func (d *dissector) begin(layer string, at int) { d.layer, d.at = layer, min(at, len(d.frame)) }

// add adds a field of the layer, with bytes from an offset on, and returns it;
// it is thrown away if the frame is too short.
func (d *dissector) add(name string, at, size int, show func([]byte) string) *field {
	from := d.at + at
	if from+size > len(d.frame) || size <= 0 {
		return &field{}
	}
	b := d.frame[from : from+size]
	f := field{Layer: d.layer, Name: name, Value: show(b), raw: string(b), Bytes: fmt.Sprintf("% x", b[:min(size, longestBytes)])}
	if size > longestBytes {
		f.Bytes += " …"
	}
	for f.key = d.layer + "/" + name; slices.ContainsFunc(d.fields, func(x field) bool { return x.key == f.key }); {
		f.key += "'" // another tag or header of the kind
	}
	d.fields = append(d.fields, f)
	return &d.fields[len(d.fields)-1]
}

// part adds a field that has not the whole of its bytes.
func (d *dissector) part(name string, at, size int, show func([]byte) string) {
	f := d.add(name, at, size, show)
	f.raw = f.Value
}

// rest adds what there is up to an offset of the frame, and goes there.
func (d *dissector) rest(end int) {
	d.add("data", 0, end-d.at, func(b []byte) string { return count(len(b), "byte") })
	d.at = max(d.at, end)
}

func number(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

func decimal(b []byte) string { return fmt.Sprint(number(b)) }
func hex(b []byte) string     { return fmt.Sprintf("0x%0*x", 2*len(b), number(b)) }
func mac(b []byte) string     { return net.HardwareAddr(b).String() }

func address(b []byte) string {
	a, _ := netip.AddrFromSlice(b)
	return a.String()
}

// bits shows a number of bits after some others.
func bits(skip, size int, form string) func([]byte) string {
	return func(b []byte) string {
		return fmt.Sprintf(form, number(b)>>(8*len(b)-skip-size)&(1<<size-1))
	}
}

// named shows a number and what it is called.
func named(names map[uint8]string) func([]byte) string {
	return func(b []byte) string {
		if name, ok := names[b[0]]; ok {
			return fmt.Sprintf("%d, %s", b[0], name)
		}
		return decimal(b)
	}
}

func protocol(b []byte) string {
	return fmt.Sprintf("%d, %v", b[0], layers.IPProtocol(b[0]))
}

func etherType(b []byte) string {
	return fmt.Sprintf("%s, %v", hex(b), layers.EthernetType(number(b)))
}

func (d *dissector) ethernet(h oracle.Headers) {
	d.begin("Ethernet", 0)
	d.add("destination", 0, 6, mac)
	d.add("source", 6, 6, mac)
	for i := range h.VLANs {
		d.add("tag type", 12+4*i, 2, etherType)
		d.part("VLAN", 14+4*i, 2, bits(4, 12, "%d"))
		d.part("priority", 14+4*i, 2, bits(0, 3, "%d"))
	}
	d.add("type", 12+4*h.VLANs, 2, etherType)
}

// ipv4 returns where the packet ends.
func (d *dissector) ipv4(h oracle.Headers) int {
	d.begin("IPv4", h.L3)
	size := int(d.frame[h.L3]&15) * 4
	d.part("header length", 0, 1, func([]byte) string { return count(size, "byte") })
	d.add("type of service", 1, 1, hex)
	end := d.length(d.add("total length", 2, 2, decimal), h.L3)
	d.add("id", 4, 2, hex)
	d.part("flags", 6, 2, bits(0, 3, "0x%x"))
	d.part("fragment offset", 6, 2, func(b []byte) string { return fmt.Sprint(8 * (number(b) & 0x1fff)) })
	d.add("time to live", 8, 1, decimal)
	d.add("protocol", 9, 1, protocol)
	d.sum(d.add("checksum", 10, 2, hex), d.frame[h.L3:h.L3+size], 10)
	d.add("source", 12, 4, address)
	d.add("destination", 16, 4, address)
	d.add("options", 20, size-20, func([]byte) string { return "" })
	d.at += size
	return end
}

// ipv6 returns where the packet ends.
func (d *dissector) ipv6(h oracle.Headers) int {
	d.begin("IPv6", h.L3)
	d.part("traffic class", 0, 2, bits(4, 8, "0x%02x"))
	d.part("flow label", 0, 4, bits(12, 20, "0x%05x"))
	end := d.length(d.add("payload length", 4, 2, decimal), h.L3+40)
	d.add("next header", 6, 1, protocol)
	d.add("hop limit", 7, 1, decimal)
	d.add("source", 8, 16, address)
	d.add("destination", 24, 16, address)
	d.at += 40
	for _, kind := range h.Extensions {
		d.extension(kind)
	}
	return end
}

// length marks a length that the frame does not have, and returns where what
// begins at an offset ends. A frame may be longer: there is Ethernet's padding.
func (d *dissector) length(f *field, from int) int {
	var n int
	_, _ = fmt.Sscan(f.Value, &n)
	if from+n > len(d.frame) {
		f.Wrong, d.cut = true, true
		f.Value += fmt.Sprintf(", but there are %d", len(d.frame)-from)
	}
	return min(from+n, len(d.frame))
}

var extensionNames = map[uint8]string{
	oracle.ProtoHopByHop: "Hop-by-hop options", oracle.ProtoRouting: "Routing header",
	oracle.ProtoFragment: "Fragment header", oracle.ProtoDestOpts: "Destination options",
	oracle.ProtoAH: "Authentication header",
}

func (d *dissector) extension(kind uint8) {
	name := extensionNames[kind]
	if name == "" {
		name = fmt.Sprintf("Extension header %d", kind)
	}
	d.begin(name, d.at)
	d.add("next header", 0, 1, protocol)
	if kind == oracle.ProtoFragment {
		d.part("offset", 2, 2, func(b []byte) string { return fmt.Sprint(number(b) &^ 7) })
		d.part("more fragments", 2, 2, bits(15, 1, "%d"))
		d.add("id", 4, 4, hex)
		d.at += 8
		return
	}
	unit := 8
	if kind == oracle.ProtoAH {
		unit = 4 // RFC 4302
	}
	size := 8
	if d.at+1 < len(d.frame) {
		size += unit * int(d.frame[d.at+1])
	}
	d.add("length", 1, 1, func([]byte) string { return count(size, "byte") })
	d.add("data", 2, size-2, func([]byte) string { return "" })
	d.at += size
}

// sum marks a checksum that is wrong: at is its place in the data that it
// covers.
func (d *dissector) sum(f *field, data []byte, at int) {
	if at+2 > len(data) {
		return
	}
	sum := internetSum(append(append(append([]byte(nil), data[:at]...), 0, 0), data[at+2:]...))
	if found := binary.BigEndian.Uint16(data[at:]); found != sum {
		f.Wrong = true
		f.Value += fmt.Sprintf(", but %#04x is right", sum)
	}
}

// internetSum is the Internet checksum: RFC 1071.
func internetSum(data []byte) uint16 {
	var sum uint64
	for i, b := range data {
		sum += uint64(b) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
