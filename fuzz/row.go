package fuzz

import (
	"encoding/binary"
	"time"

	fuzzheaders "github.com/AdaLogics/go-fuzz-headers"

	"github.com/ctdiff/ctdiff/replay"
)

// rowSize is the number of bytes in a row. All rows have the same, and raw
// frames fill whole rows, so that no change within a row moves another.
const rowSize = 16

// A row is one operation and its parameters.
type row [rowSize]byte

// Where a row has what. From atOwn on it is the operation's own; the last of
// these is the payload for most.
const (
	atOp        = 0
	atFlow      = 1
	atGap       = 2
	atAddresses = 3
	atHeader    = 4
	atChain     = 5
	atDelivery  = 6
	atSpoil     = 7
	atCode      = 8
	atOwn       = 9
	atPayload   = 15
)

// copies is by the two low bits of the flow byte. Most rows have two or three:
// the first packet of a flow takes the upcall.
var copies = [4]int{2, 3, 1, 4}

func (r row) copies() int { return copies[r[atFlow]&3] }

func (r *row) setCopies(n int) {
	for code, c := range copies {
		if c == n {
			r[atFlow] = r[atFlow]&^3 | byte(code)
		}
	}
}

// portOf returns the port that the flow byte stands for, if usual is that of
// the operation. The founding pipeline has rules for p1 and p2 only.
func (r row) portOf(usual replay.Port) replay.Port {
	switch code := r[atFlow] >> 2 & 15; {
	case code < 6:
		return usual
	case code < 9:
		return 1
	case code < 14:
		return 2
	default:
		return replay.Port(code - 11)
	}
}

func (r *row) setPort(p, usual replay.Port) {
	codes := [replay.Ports + 1]byte{1: 6, 2: 9, 3: 14, 4: 15}
	code := codes[p]
	if p == usual {
		code = 0
	}
	r[atFlow] = r[atFlow]&^(15<<2) | code<<2
}

const firstGap = 256 - len(gaps)

// gaps is by the gap byte, from firstGap on; a smaller byte is no gap. Those of
// a second and more lie just past a time after which something is forgotten:
// OVS's max-idle (10 s; ovs-vswitchd.conf.db(5)), and the timeouts of
// nf_conntrack_proto_*.c: ICMPv6, UDP and the flow table (30 s), IPv6
// reassembly (60 s), UDP streams and TCP's handshake (120 s), what has no
// tracker of its own (600 s), established TCP (5 days).
var gaps = [32]time.Duration{
	time.Microsecond, 10 * time.Microsecond, 100 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond,
	20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond,
	300 * time.Millisecond, 500 * time.Millisecond, 700 * time.Millisecond, 800 * time.Millisecond,
	time.Second, 2 * time.Second, 3 * time.Second, 6 * time.Second,
	9 * time.Second, 11 * time.Second, 29 * time.Second, 31 * time.Second,
	61 * time.Second, 121 * time.Second, 181 * time.Second, 601 * time.Second,
	time.Hour, 24 * time.Hour, 5*24*time.Hour + time.Second, replay.MaxGap,
}

func (r row) gap() time.Duration {
	if i := int(r[atGap]) - firstGap; i >= 0 {
		return gaps[i]
	}
	return 0
}

// setGap reports whether a row can have that gap.
func (r *row) setGap(gap time.Duration) bool {
	if gap == 0 {
		return true
	}
	for i, g := range gaps {
		if g == gap {
			r[atGap] = byte(firstGap + i)
			return true
		}
	}
	return false
}

// wait returns the time of a row with opWait.
func (r row) wait() time.Duration {
	return time.Duration(binary.BigEndian.Uint64(r[8:]) % uint64(replay.MaxGap+1))
}

func waitRow(gap time.Duration) row {
	r := row{atOp: opWait}
	binary.BigEndian.PutUint64(r[8:], uint64(gap))
	return r
}

// defaultPackets is the largest number of packets in a trace without a limit
// row.
const defaultPackets = 16

// limit returns the number of packets that a row with opLimit allows.
func (r row) limit() int {
	n := int(binary.BigEndian.Uint16(r[atOwn:]))
	return max(defaultPackets, min(n, replay.MaxPackets))
}

func limitRow(packets int) row {
	r := row{atOp: opLimit}
	binary.BigEndian.PutUint16(r[atOwn:], uint16(packets))
	return r
}

// rawLength returns the length of the frame after a row with opRaw.
func (r row) rawLength() int {
	n := int(binary.BigEndian.Uint16(r[atOwn:]))
	return max(replay.MinFrame, min(n, replay.MaxFrame))
}

func rawRow(length int) row {
	r := row{atOp: opRaw}
	binary.BigEndian.PutUint16(r[atOwn:], uint16(length))
	return r
}

// input reads rows from fuzz bytes. After their end it reads zeros, so that any
// number of bytes will do.
type input struct{ consumer *fuzzheaders.ConsumeFuzzer }

// row returns the next row; more is false if not even its first byte is there.
func (in input) row() (r row, more bool) {
	for i := range r {
		b, err := in.consumer.GetByte()
		if err != nil {
			return r, i > 0
		}
		r[i] = b
	}
	return r, true
}

// frame returns the frame of n bytes that lies in the next rows, or as much of
// it as there is.
func (in input) frame(n int) []byte {
	frame := make([]byte, 0, n)
	for i := range (n + rowSize - 1) / rowSize * rowSize {
		b, err := in.consumer.GetByte()
		if err != nil {
			break
		}
		if i < n {
			frame = append(frame, b)
		}
	}
	for len(frame) < replay.MinFrame {
		frame = append(frame, 0)
	}
	return frame
}
