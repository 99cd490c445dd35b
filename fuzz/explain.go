package fuzz

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"text/tabwriter"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// Explain writes a table of what n random inputs of 64 bytes decode to: how
// many packets of each ICMPv6 type, and how many that are out of the ordinary
// in other ways. The same seed gives the same table.
func Explain(w io.Writer, n int, seed uint64) error {
	c := measure(n, seed)
	var b strings.Builder
	fmt.Fprintf(&b, "%d random inputs of %d bytes, %d packets\n\n", n, explainedSize, c.packets)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "type\tpackets\t%\t  name")
	others, count := 0, 0
	for kind, packets := range c.types {
		if name := typeName(uint8(kind)); name != "" {
			c.line(t, fmt.Sprint(kind), packets, name)
		} else if packets > 0 {
			others, count = others+packets, count+1
		}
	}
	c.line(t, "", others, fmt.Sprintf("the %d other types that were met", count))
	fmt.Fprintln(t, "\t\t\t")
	for i, f := range features {
		c.line(t, "", c.features[i], f.name)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("explaining the grammar: %w", err)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("explaining the grammar: %w", err)
	}
	return nil
}

// explainedSize is the length of the inputs: four rows.
const explainedSize = 4 * rowSize

// counts is how many packets were like this or that.
type counts struct {
	packets  int
	types    [256]int
	features []int
}

func (c counts) line(w io.Writer, head string, packets int, name string) {
	fmt.Fprintf(w, "%s\t%d\t%.2f\t  %s\n", head, packets, 100*float64(packets)/float64(max(1, c.packets)), name)
}

// features is what can be said of a packet apart from its type.
var features = []struct {
	name string
	has  func(p replay.Packet, h oracle.Headers) bool
}{
	{"no ICMPv6 message, or out of reach", func(p replay.Packet, h oracle.Headers) bool { return icmpv6(p.Frame, h) == nil }},
	{"extension headers", func(_ replay.Packet, h oracle.Headers) bool { return len(h.Extensions) > 0 }},
	{"fragment header", func(_ replay.Packet, h oracle.Headers) bool { return h.Frag }},
	{"wrong checksum", wrongChecksum},
	{"VLAN tag", func(_ replay.Packet, h oracle.Headers) bool { return h.VLANs > 0 }},
	{"into p1", func(p replay.Packet, _ oracle.Headers) bool { return p.Port == 1 }},
	{"into p2", func(p replay.Packet, _ oracle.Headers) bool { return p.Port == 2 }},
	{"after a gap", func(p replay.Packet, _ oracle.Headers) bool { return p.Gap > 0 }},
	{"after a gap of a second or more", func(p replay.Packet, _ oracle.Headers) bool { return p.Gap >= 1e9 }},
	{"longer than 256 bytes", func(p replay.Packet, _ oracle.Headers) bool { return len(p.Frame) > 256 }},
}

func wrongChecksum(p replay.Packet, h oracle.Headers) bool {
	body := icmpv6(p.Frame, h)
	if len(body) < 4 || h.Frag {
		return false
	}
	right := checksum(h.Src.As16(), h.Dst.As16(), body)
	return byte(right>>8) != body[2] || byte(right) != body[3]
}

func measure(n int, seed uint64) counts {
	c := counts{features: make([]int, len(features))}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	random := rand.NewChaCha8(key)
	data := make([]byte, explainedSize)
	for range n {
		_, _ = random.Read(data) // its documentation: never an error
		for _, p := range Decode(data, nil).Packets {
			c.add(p)
		}
	}
	return c
}

func (c *counts) add(p replay.Packet) {
	c.packets++
	h := oracle.ParseHeaders(p.Frame)
	if body := icmpv6(p.Frame, h); len(body) > 0 {
		c.types[body[0]]++
	}
	for i, f := range features {
		if f.has(p, h) {
			c.features[i]++
		}
	}
}

// typeName returns the name of the operation that makes messages of a type.
func typeName(kind uint8) string {
	for _, op := range operations {
		if op.kind == kind && op.kind != 0 {
			return op.name
		}
	}
	return ""
}
