package tracefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/google/gopacket/pcapgo"

	"github.com/ctdiff/ctdiff/replay"
)

// ImportOptions has what a trace needs and a capture lacks.
type ImportOptions struct {
	// Pipeline is the rules that the packets are to meet.
	Pipeline replay.Pipeline
	// Port is where all packets are to enter. If it is 0, each enters at the
	// port that its interface is named after, and a capture that does not
	// name them is refused.
	Port replay.Port
}

// pcapMagics are the first four bytes of a classic capture: timestamps in
// microseconds or nanoseconds, in either byte order.
var pcapMagics = map[[4]byte]binary.ByteOrder{
	{0xd4, 0xc3, 0xb2, 0xa1}: binary.LittleEndian,
	{0x4d, 0x3c, 0xb2, 0xa1}: binary.LittleEndian,
	{0xa1, 0xb2, 0xc3, 0xd4}: binary.BigEndian,
	{0xa1, 0xb2, 0x3c, 0x4d}: binary.BigEndian,
}

// maxCaptured is the longest packet that is read from a classic capture, so
// that its error can say how long it is; tcpdump captures no longer ones.
const maxCaptured = 262144

// Import makes a trace of a capture that was not written as one: pcapng, or
// classic pcap with timestamps in microseconds or nanoseconds, not compressed.
//
// The gaps are those between the timestamps, 0 before the first packet. Where
// time goes backwards, which it does a little in many captures, the gap is 0,
// and the next one is counted from the latest time so far. A pcapng simple
// packet block has no time: its gap is 0 too. What a capture says of a packet's
// direction is passed over, as the far end of a port's link sees it the other
// way round.
//
// Refused are captures of another link type than Ethernet, packets that were
// not captured whole, and whatever [replay.Trace.Validate] refuses. Errors
// that are the input's fault are of type [*InputError].
func Import(r io.Reader, opts ImportOptions) (replay.Trace, error) {
	data, err := readAll(r)
	if err != nil {
		return replay.Trace{}, err
	}
	return importCapture(data, opts)
}

func importCapture(data []byte, opts ImportOptions) (replay.Trace, error) {
	if err := CheckPipeline(opts.Pipeline); err != nil {
		return replay.Trace{}, &InputError{Err: err}
	}
	packets, err := parseCapture(data, opts)
	if err != nil {
		return replay.Trace{}, err
	}
	t := replay.Trace{Pipeline: opts.Pipeline}
	var latest stamp
	started := false
	for _, c := range packets {
		p, err := c.packet(opts.Port)
		if err != nil {
			return replay.Trace{}, err
		}
		if c.timed && started {
			p.Gap = max(0, c.time.since(latest))
		}
		if p.Gap > replay.MaxGap {
			return replay.Trace{}, c.errorf("gap of more than %v", replay.MaxGap)
		}
		if c.timed && (!started || p.Gap > 0) {
			latest, started = c.time, true
		}
		t.Packets = append(t.Packets, p)
	}
	return t, validate(t)
}

func parseCapture(data []byte, opts ImportOptions) ([]captured, error) {
	if isPcapng(data) {
		file, err := parsePcapng(data)
		return file.packets, err
	}
	order := pcapOrder(data)
	if order == nil {
		return nil, badInput("byte 0", "neither pcapng nor pcap: starts with % x", data[:min(4, len(data))])
	}
	if opts.Port == 0 {
		return nil, badInput("", "a pcap file does not name ports: say which one its packets enter")
	}
	return parsePcap(data, order)
}

func isPcapng(data []byte) bool {
	return len(data) >= 4 && binary.LittleEndian.Uint32(data) == blockSection
}

func pcapOrder(data []byte) binary.ByteOrder {
	if len(data) < 4 {
		return nil
	}
	return pcapMagics[[4]byte(data)]
}

func parsePcap(data []byte, order binary.ByteOrder) ([]captured, error) {
	const header, packetHeader = 24, 16
	r, err := pcapgo.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, badInput("byte 0", "pcap header: %w", err)
	}
	// pcapgo keeps 8 of its 32 bits, and so takes 257 for Ethernet.
	link := order.Uint32(data[20:])
	if link > 0xffff {
		return nil, badInput("byte 20", "link type is %#x, not 1 (Ethernet)", link)
	}
	// pcapgo allocates what a packet asks for, up to this.
	r.SetSnaplen(maxCaptured)
	var packets []captured
	offset := header
	for {
		c := captured{index: len(packets), offset: offset, iface: iface{link: uint16(link)}, timed: true}
		frame, info, err := r.ReadPacketData()
		// pcapgo's EOF also stands for a file cut off after a packet's header.
		if errors.Is(err, io.EOF) && offset == len(data) {
			return packets, nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, c.errorf("packet cut off after %d bytes", len(data)-offset)
		}
		if err != nil {
			return nil, &InputError{Place: c.place(), Err: fmt.Errorf("reading packet: %w", err)}
		}
		if len(packets) == maxPackets {
			return nil, c.errorf("more than %d packets", maxPackets)
		}
		c.frame, c.length = frame, uint32(info.Length)
		c.time = stamp{info.Timestamp.Unix(), int64(info.Timestamp.Nanosecond())}
		packets = append(packets, c)
		offset += packetHeader + len(frame)
	}
}
