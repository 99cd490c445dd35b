package tracefile

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/gopacket/layers"

	"github.com/ctdiff/ctdiff/replay"
)

// MaxFile is the largest number of bytes that [Decode] and [Import] read.
const MaxFile = 64 << 20

const maxPackets = replay.MaxPackets

// Decode reads a trace that [Encode] wrote; an empty pipeline comes back as
// nil. It refuses captures that were not written as a trace: [Import] takes
// those. Errors that are the input's fault are of type [*InputError].
func Decode(r io.Reader) (replay.Trace, error) {
	data, err := readAll(r)
	if err != nil {
		return replay.Trace{}, err
	}
	return decode(data)
}

func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading capture: %w", err)
	}
	if len(data) > MaxFile {
		return nil, badInput("", "file is longer than %d bytes", MaxFile)
	}
	return data, nil
}

func decode(data []byte) (replay.Trace, error) {
	file, err := parsePcapng(data)
	if err != nil {
		return replay.Trace{}, err
	}
	if file.sections != 1 {
		return replay.Trace{}, badInput("", "trace has %d sections, not 1", file.sections)
	}
	var t replay.Trace
	if t.Pipeline, err = pipelineOf(file.comments); err != nil {
		return replay.Trace{}, err
	}
	var last stamp
	for _, c := range file.packets {
		p, err := c.packet(0)
		if err != nil {
			return replay.Trace{}, err
		}
		if !c.timed {
			return replay.Trace{}, c.errorf("packet has no timestamp")
		}
		if p.Gap = c.time.since(last); p.Gap < 0 {
			return replay.Trace{}, c.errorf("timestamp is before that of the packet before")
		}
		if p.Gap > replay.MaxGap {
			return replay.Trace{}, c.errorf("gap of more than %v", replay.MaxGap)
		}
		last = c.time
		t.Packets = append(t.Packets, p)
	}
	return t, validate(t)
}

func validate(t replay.Trace) error {
	if err := t.Validate(); err != nil {
		return &InputError{Err: err}
	}
	return nil
}

// isTrace reports whether a section with these comments is a trace, of
// whatever version.
func isTrace(comments []string) bool {
	return slices.ContainsFunc(comments, func(comment string) bool {
		return strings.HasPrefix(comment, magicLine+" ")
	})
}

// pipelineOf returns the rules in a section's comments. Comments that are not
// ours are left out: Wireshark lets its user add some.
func pipelineOf(comments []string) (replay.Pipeline, error) {
	const place = "section header"
	if !isTrace(comments) {
		return nil, badInput(place, "not a trace: no comment starts with %q", magicLine+" "+version)
	}
	var p replay.Pipeline
	for _, comment := range comments {
		head, rules, more := strings.Cut(comment, "\n")
		found, ours := strings.CutPrefix(head, magicLine+" ")
		if !ours {
			continue
		}
		if found != version {
			return nil, badInput(place, "trace is of version %q, this ctdiff reads %q", found, version)
		}
		if more {
			p = append(p, strings.Split(rules, "\n")...)
		}
	}
	if err := CheckPipeline(p); err != nil {
		return nil, &InputError{Place: place, Err: err}
	}
	return p, nil
}

// captured is one packet of a capture.
type captured struct {
	index  int // from 0
	offset int // in the file
	iface  iface
	time   stamp
	timed  bool // false if the capture has no time for it
	frame  []byte
	length uint32 // of the packet on the wire
}

func (c captured) place() string { return fmt.Sprintf("packet %d (byte %d)", c.index, c.offset) }

func (c captured) errorf(format string, args ...any) error {
	return badInput(c.place(), format, args...)
}

// packet returns c without its gap. A port of 0 stands for that of the name of
// c's interface.
func (c captured) packet(port replay.Port) (replay.Packet, error) {
	if err := checkLink(c.iface.link); err != nil {
		return replay.Packet{}, c.errorf("%v: %w", c.iface, err)
	}
	if port == 0 {
		var err error
		if port, err = replay.ParsePort(c.iface.name); err != nil {
			return replay.Packet{}, c.errorf("%v is no port of the bridge: %w", c.iface, err)
		}
	}
	if uint64(c.length) != uint64(len(c.frame)) {
		return replay.Packet{}, c.errorf("packet of %d bytes was captured with %d", c.length, len(c.frame))
	}
	if n := len(c.frame); n < replay.MinFrame || n > replay.MaxFrame {
		return replay.Packet{}, c.errorf("frame of %d bytes: not %d to %d", n, replay.MinFrame, replay.MaxFrame)
	}
	return replay.Packet{Port: port, Frame: slices.Clone(c.frame)}, nil
}

func checkLink(link uint16) error {
	const ethernet = uint16(layers.LinkTypeEthernet)
	if link == ethernet {
		return nil
	}
	name := "unknown"
	if link <= 0xff {
		name = layers.LinkType(link).String()
	}
	return fmt.Errorf("link type is %d (%s), not %d (Ethernet)", link, name, ethernet)
}

// stamp is a point in time. Nanoseconds are 0 to 999,999,999.
type stamp struct{ seconds, nanoseconds int64 }

// since returns the time from earlier to s, or, where a trace cannot have
// that, anything longer than [replay.MaxGap].
func (s stamp) since(earlier stamp) time.Duration {
	const most = int64(replay.MaxGap/time.Second) + 2
	seconds := max(min(s.seconds-earlier.seconds, most), -most)
	return time.Duration(seconds)*time.Second + time.Duration(s.nanoseconds-earlier.nanoseconds)
}
