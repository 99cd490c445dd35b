package tracefile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
)

// blockOverhead is a block's type and its length, before and after its body.
const blockOverhead = 12

// maxInterfaces bounds what a capture's interfaces can make us hold.
const maxInterfaces = 4096

// unknownLength in a section header says that its writer could not seek.
const unknownLength = math.MaxUint64

// block is one block of a pcapng file.
type block struct {
	typ    uint32
	body   []byte
	order  binary.ByteOrder
	index  int // from 1
	offset int
}

func (b block) place() string { return fmt.Sprintf("block %d (byte %d)", b.index, b.offset) }

func (b block) errorf(format string, args ...any) error {
	return badInput(b.place(), format, args...)
}

// options calls f for each option in b's body from the given byte on.
func (b block) options(from int, f func(code uint16, value []byte) error) error {
	for rest := b.body[from:]; len(rest) > 0; {
		if len(rest) < 4 {
			return b.errorf("option cut off")
		}
		code, length := b.order.Uint16(rest), int(b.order.Uint16(rest[2:]))
		rest = rest[4:]
		if code == optEnd {
			return nil
		}
		if length > len(rest) {
			return b.errorf("option %d has %d bytes, of which the block holds %d", code, length, len(rest))
		}
		if err := f(code, rest[:length]); err != nil {
			return &InputError{Place: b.place(), Err: err}
		}
		rest = rest[min(length+padding(length), len(rest)):]
	}
	return nil
}

// blockReader walks the blocks of a file that is in memory.
type blockReader struct {
	data   []byte
	order  binary.ByteOrder
	offset int
	index  int
}

// next returns the next block, or io.EOF.
func (r *blockReader) next() (block, error) {
	rest := r.data[r.offset:]
	if len(rest) == 0 {
		return block{}, io.EOF
	}
	r.index++
	b := block{index: r.index, offset: r.offset}
	if len(rest) < blockOverhead {
		return b, b.errorf("block cut off after %d bytes", len(rest))
	}
	// The type of a section header reads the same in both byte orders.
	if binary.LittleEndian.Uint32(rest) == blockSection {
		switch uint32(byteOrderMagic) {
		case binary.LittleEndian.Uint32(rest[8:]):
			r.order = binary.LittleEndian
		case binary.BigEndian.Uint32(rest[8:]):
			r.order = binary.BigEndian
		default:
			return b, b.errorf("byte-order magic is % x", rest[8:12])
		}
	}
	if r.order == nil {
		return b, b.errorf("not a pcapng file: starts with % x", rest[:4])
	}
	b.typ, b.order = r.order.Uint32(rest), r.order
	length := r.order.Uint32(rest[4:])
	if length < blockOverhead || length%4 != 0 {
		return b, b.errorf("block length %d: not a multiple of 4 from %d on", length, blockOverhead)
	}
	if uint64(length) > uint64(len(rest)) {
		return b, b.errorf("block has %d bytes, of which the file holds %d", length, len(rest))
	}
	if after := r.order.Uint32(rest[length-4:]); after != length {
		return b, b.errorf("block length is %d before the block and %d after it", length, after)
	}
	b.body = rest[8 : length-4]
	r.offset += int(length)
	return b, nil
}

// iface is an interface of a capture.
type iface struct {
	index  int // from 0, in its section
	name   string
	link   uint16
	units  uint64 // of a timestamp, in a second
	offset int64  // of a timestamp, in seconds
}

func (i iface) String() string {
	if i.name == "" {
		return fmt.Sprintf("interface %d (without a name)", i.index)
	}
	return fmt.Sprintf("interface %d (%q)", i.index, i.name)
}

// pcapng is what we need of a pcapng file.
type pcapng struct {
	comments []string // of the first section
	sections int
	packets  []captured
}

// ngParser reads a pcapng file. It is used instead of pcapgo.NgReader, which
// panics on some timestamp resolutions (a division by 10⁶⁴ in 64 bits), keeps
// only the last of several comments, allocates what a length field asks for,
// and passes over a block's second length.
type ngParser struct {
	pcapng
	ifaces []iface
	header block
	length uint64 // that the section header claims
}

func parsePcapng(data []byte) (pcapng, error) {
	var p ngParser
	r := blockReader{data: data}
	for {
		b, err := r.next()
		if errors.Is(err, io.EOF) {
			return p.pcapng, p.endSection(r.offset)
		}
		if err != nil {
			return pcapng{}, err
		}
		if err := p.block(b); err != nil {
			return pcapng{}, err
		}
	}
}

// parseComments returns the comments of a pcapng file's first section.
func parseComments(data []byte) ([]string, error) {
	var p ngParser
	r := blockReader{data: data}
	b, err := r.next()
	if err != nil {
		return nil, err
	}
	return p.comments, p.section(b)
}

func (p *ngParser) block(b block) error {
	switch b.typ {
	case blockSection:
		if err := p.endSection(b.offset); err != nil {
			return err
		}
		return p.section(b)
	case blockInterface:
		return p.iface(b)
	case blockPacket, blockEnhanced:
		return p.packet(b)
	case blockSimple:
		return p.simplePacket(b)
	}
	return nil
}

func (p *ngParser) section(b block) error {
	if len(b.body) < 16 {
		return b.errorf("section header of %d bytes is too short", len(b.body))
	}
	if major := b.order.Uint16(b.body[4:]); major != 1 {
		return b.errorf("pcapng version %d: not 1", major)
	}
	p.header, p.length = b, b.order.Uint64(b.body[8:])
	p.ifaces = nil
	p.sections++
	if p.sections > 1 {
		return nil
	}
	return b.options(16, func(code uint16, value []byte) error {
		if code == optComment {
			p.comments = append(p.comments, string(value))
		}
		return nil
	})
}

// endSection compares the length of the section that ends at the given byte
// with what its header claims. A section longer than that is let pass: some
// writers append to a file and leave the header alone.
func (p *ngParser) endSection(end int) error {
	if p.sections == 0 || p.length == unknownLength {
		return nil
	}
	start := p.header.offset + blockOverhead + len(p.header.body)
	if got := uint64(end - start); got < p.length {
		return badInput(fmt.Sprintf("byte %d", end), "section cut off: it has %d bytes, its header says %d", got, p.length)
	}
	return nil
}

func (p *ngParser) iface(b block) error {
	if len(b.body) < 8 {
		return b.errorf("interface description of %d bytes is too short", len(b.body))
	}
	if len(p.ifaces) == maxInterfaces {
		return b.errorf("more than %d interfaces", maxInterfaces)
	}
	i := iface{index: len(p.ifaces), link: b.order.Uint16(b.body), units: 1e6}
	err := b.options(8, func(code uint16, value []byte) (err error) {
		switch {
		case code == optIfName:
			i.name = string(value)
		case code == optIfTSResol && len(value) == 1:
			i.units, err = resolution(value[0])
		case code == optIfTSOffset && len(value) == 8:
			i.offset = int64(b.order.Uint64(value))
		case code == optIfTSResol, code == optIfTSOffset:
			err = fmt.Errorf("option %d has %d bytes", code, len(value))
		}
		return err
	})
	p.ifaces = append(p.ifaces, i)
	return err
}

// resolution returns the number of units in a second: the option has the
// negative exponent of 2 or, without the top bit, of 10.
func resolution(option byte) (uint64, error) {
	exponent := option & 0x7f
	if option&0x80 != 0 && exponent < 64 {
		return 1 << exponent, nil
	}
	if option&0x80 != 0 || exponent > 19 {
		return 0, fmt.Errorf("timestamp resolution %#02x is too fine", option)
	}
	units := uint64(1)
	for range exponent {
		units *= 10
	}
	return units, nil
}

func (p *ngParser) packet(b block) error {
	if len(b.body) < 20 {
		return b.errorf("packet block of %d bytes is too short", len(b.body))
	}
	id := b.order.Uint32(b.body)
	if b.typ == blockPacket {
		id = uint32(b.order.Uint16(b.body))
	}
	if uint64(id) >= uint64(len(p.ifaces)) {
		return b.errorf("packet of interface %d: the section has %d", id, len(p.ifaces))
	}
	caplen := b.order.Uint32(b.body[12:])
	if data := b.body[20:]; uint64(caplen) > uint64(len(data)) {
		return b.errorf("packet has %d bytes, of which the block holds %d", caplen, len(data))
	}
	c := captured{
		iface:  p.ifaces[id],
		frame:  b.body[20 : 20+caplen],
		length: b.order.Uint32(b.body[16:]),
		timed:  true,
	}
	var err error
	units := uint64(b.order.Uint32(b.body[4:]))<<32 | uint64(b.order.Uint32(b.body[8:]))
	if c.time, err = c.iface.time(units); err != nil {
		return &InputError{Place: b.place(), Err: err}
	}
	return p.add(b, c)
}

func (p *ngParser) simplePacket(b block) error {
	if len(b.body) < 4 {
		return b.errorf("packet block of %d bytes is too short", len(b.body))
	}
	if len(p.ifaces) == 0 {
		return b.errorf("packet of interface 0: the section has none")
	}
	length := b.order.Uint32(b.body)
	data := b.body[4:]
	frame := data[:min(uint64(length), uint64(len(data)))]
	return p.add(b, captured{iface: p.ifaces[0], frame: frame, length: length})
}

func (p *ngParser) add(b block, c captured) error {
	if len(p.packets) == maxPackets {
		return b.errorf("more than %d packets", maxPackets)
	}
	c.index, c.offset = len(p.packets), b.offset
	p.packets = append(p.packets, c)
	return nil
}

// maxSeconds bounds timestamps and their offsets so that sums and differences
// stay in an int64; it is nine million years.
const maxSeconds = 1 << 48

func (i iface) time(units uint64) (stamp, error) {
	seconds, rest := units/i.units, units%i.units
	if seconds > maxSeconds || i.offset > maxSeconds || i.offset < -maxSeconds {
		return stamp{}, fmt.Errorf("timestamp %d of %d a second, offset by %d seconds, is out of range", units, i.units, i.offset)
	}
	high, low := bits.Mul64(rest, 1e9)
	nanoseconds, _ := bits.Div64(high, low, i.units)
	return stamp{int64(seconds) + i.offset, int64(nanoseconds)}, nil
}
