package tracefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"

	"github.com/google/gopacket/layers"

	"github.com/ctdiff/ctdiff/replay"
)

// The first line of our comments is magicLine, a blank, and the version.
const (
	magicLine = "ctdiff trace"
	version   = "1"
)

// pcapng's block types and codes of options.
const (
	blockSection   = 0x0A0D0D0A
	blockInterface = 1
	blockPacket    = 2 // obsolete, but still met in old captures
	blockSimple    = 3
	blockEnhanced  = 6

	byteOrderMagic = 0x1A2B3C4D

	optEnd        = 0
	optComment    = 1
	optIfName     = 2
	optIfTSResol  = 9
	optIfTSOffset = 14
	optEPBFlags   = 2

	flagInbound = 1
)

// Encode writes t as a pcapng file. The same trace is always the same bytes.
// Nothing is written if t is not valid, or [CheckPipeline] refuses its rules.
func Encode(w io.Writer, t replay.Trace) error {
	if err := t.Validate(); err != nil {
		return fmt.Errorf("encoding trace: %w", err)
	}
	if err := CheckPipeline(t.Pipeline); err != nil {
		return fmt.Errorf("encoding trace: %w", err)
	}
	if _, err := w.Write(encoding(t)); err != nil {
		return fmt.Errorf("writing trace: %w", err)
	}
	return nil
}

// Hash returns the SHA-256 of t's encoding in hexadecimal, 64 digits: the name
// of t by its content. It means nothing for a trace that [Encode] refuses.
func Hash(t replay.Trace) string {
	sum := sha256.Sum256(encoding(t))
	return hex.EncodeToString(sum[:])
}

// encoding does not use pcapgo.NgWriter, which has no packet flags, no second
// comment, no section length, silently cuts the length of a comment to 16
// bits, and loses timestamps beyond the year 2262.
func encoding(t replay.Trace) []byte {
	var section []byte
	for p := replay.Port(1); p <= replay.Ports; p++ {
		section = appendInterface(section, p)
	}
	var now uint64
	for _, p := range t.Packets {
		now += uint64(p.Gap)
		section = appendPacket(section, p, now)
	}
	return append(sectionHeader(t.Pipeline, len(section)), section...)
}

func sectionHeader(p replay.Pipeline, length int) []byte {
	le := binary.LittleEndian
	body := le.AppendUint32(nil, byteOrderMagic)
	body = le.AppendUint16(body, 1)
	body = le.AppendUint16(body, 0)
	body = le.AppendUint64(body, uint64(length))
	for _, comment := range comments(p) {
		body = appendOption(body, optComment, comment)
	}
	body = appendOption(body, optEnd, nil)
	return appendBlock(nil, blockSection, body)
}

func comments(p replay.Pipeline) [][]byte {
	const head = magicLine + " " + version
	all := [][]byte{[]byte(head)}
	for _, rule := range p {
		last := &all[len(all)-1]
		if len(*last)+1+len(rule) > math.MaxUint16 {
			all = append(all, []byte(head))
			last = &all[len(all)-1]
		}
		*last = append(append(*last, '\n'), rule...)
	}
	return all
}

func appendInterface(b []byte, p replay.Port) []byte {
	le := binary.LittleEndian
	body := le.AppendUint16(nil, uint16(layers.LinkTypeEthernet))
	body = le.AppendUint16(body, 0) // reserved
	body = le.AppendUint32(body, 0) // no limit to a packet's length
	body = appendOption(body, optIfName, []byte(p.String()))
	body = appendOption(body, optIfTSResol, []byte{9})
	body = appendOption(body, optEnd, nil)
	return appendBlock(b, blockInterface, body)
}

func appendPacket(b []byte, p replay.Packet, now uint64) []byte {
	le := binary.LittleEndian
	body := le.AppendUint32(nil, uint32(p.Port)-1)
	body = le.AppendUint32(body, uint32(now>>32))
	body = le.AppendUint32(body, uint32(now))
	body = le.AppendUint32(body, uint32(len(p.Frame)))
	body = le.AppendUint32(body, uint32(len(p.Frame)))
	body = pad(append(body, p.Frame...))
	body = appendOption(body, optEPBFlags, le.AppendUint32(nil, flagInbound))
	body = appendOption(body, optEnd, nil)
	return appendBlock(b, blockEnhanced, body)
}

func appendOption(b []byte, code uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...))
}

func appendBlock(b []byte, typ uint32, body []byte) []byte {
	length := uint32(len(body) + blockOverhead)
	b = binary.LittleEndian.AppendUint32(b, typ)
	b = binary.LittleEndian.AppendUint32(b, length)
	b = append(b, body...)
	return binary.LittleEndian.AppendUint32(b, length)
}

func pad(b []byte) []byte {
	return append(b, bytes.Repeat([]byte{0}, padding(len(b)))...)
}

func padding(n int) int { return -n & 3 }
