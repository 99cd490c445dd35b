package tracefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ctdiff/ctdiff/replay"
)

// wantInputError fails the test unless err is the input's fault and says want.
func wantInputError(t *testing.T, err error, want string) {
	t.Helper()
	var input *InputError
	if !errors.As(err, &input) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want an InputError with %q", err, want)
	}
}

func TestDecodeTruncated(t *testing.T) {
	data := mustEncode(t, foundingTrace())
	for n := range data {
		_, err := Decode(bytes.NewReader(data[:n]))
		if _, ok := errors.AsType[*InputError](err); !ok {
			t.Errorf("the first %d of %d bytes: error %v, want an InputError", n, len(data), err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	le := binary.LittleEndian
	valid := mustEncode(t, foundingTrace())
	header := int(le.Uint32(valid[4:]))
	first := header + replay.Ports*int(le.Uint32(valid[header+4:])) // first packet's block
	put32 := func(at int, v uint32) func([]byte) {
		return func(b []byte) { le.PutUint32(b[at:], v) }
	}
	tests := map[string]struct {
		change func([]byte)
		want   string
	}{
		"magic":           {put32(0, 0xdeadbeef), "block 1 (byte 0): not a pcapng file: starts with ef be ad de"},
		"byte order":      {put32(8, 1), "block 1 (byte 0): byte-order magic is 01 00 00 00"},
		"pcapng version":  {put32(12, 2), "block 1 (byte 0): pcapng version 2"},
		"trace version":   {func(b []byte) { copy(b[24:], bytes.Replace(b[24:60], []byte("trace 1"), []byte("trace 2"), 1)) }, `trace is of version "2", this ctdiff reads "1"`},
		"no trace":        {func(b []byte) { copy(b[24:], bytes.Replace(b[24:60], []byte("ctdiff"), []byte("CTDIFF"), 1)) }, "not a trace: no comment"},
		"rule":            {func(b []byte) { b[28+len("ctdiff trace 1\n")] = '#' }, "section header: rule 0"},
		"section length":  {put32(16, 1<<20), fmt.Sprintf("byte %d: section cut off", len(valid))},
		"comment length":  {func(b []byte) { le.PutUint16(b[26:], 60000) }, "block 1 (byte 0): option 1 has 60000 bytes"},
		"no length":       {put32(first+4, 0), fmt.Sprintf("block 6 (byte %d): block length 0", first)},
		"odd length":      {put32(first+4, 33), "block length 33: not a multiple of 4"},
		"huge length":     {put32(first+4, 0xfffffffc), "block has 4294967292 bytes, of which the file holds"},
		"lengths differ":  {put32(first+4, 40), "block length is 40 before the block and"},
		"interface":       {put32(first+8, 4), "packet of interface 4: the section has 4"},
		"captured length": {put32(first+20, 1<<31), fmt.Sprintf("block 6 (byte %d): packet has 2147483648 bytes", first)},
		"snapped":         {put32(first+24, 1500), fmt.Sprintf("packet 0 (byte %d): packet of 1500 bytes was captured with 86", first)},
		"short frame":     {func(b []byte) { put32(first+20, 13)(b); put32(first+24, 13)(b) }, "frame of 13 bytes: not 14 to 1522"},
		"long gap":        {put32(first+12, 1<<31), "packet 0 (byte " + fmt.Sprint(first) + "): gap of more than 720h0m0s"},
		"backwards":       {put32(first+16, 1e9), "packet 1 (byte"},
		"link type":       {func(b []byte) { le.PutUint16(b[header+8:], 113) }, `interface 0 ("p1"): link type is 113 (Linux SLL), not 1 (Ethernet)`},
		"interface name":  {func(b []byte) { b[header+20] = 'q' }, `interface 0 ("q1") is no port of the bridge`},
		"resolution":      {func(b []byte) { b[header+28] = 0x7f }, "block 2 (byte " + fmt.Sprint(header) + "): timestamp resolution 0x7f is too fine"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			data := bytes.Clone(valid)
			test.change(data)
			_, err := Decode(bytes.NewReader(data))
			wantInputError(t, err, test.want)
		})
	}
}

func TestDecodeRefusesTwoSections(t *testing.T) {
	data := mustEncode(t, foundingTrace())
	_, err := Decode(bytes.NewReader(append(data, data...)))
	wantInputError(t, err, "2 sections")
}

func TestDecodeRefusesTooMuch(t *testing.T) {
	trace := foundingTrace()
	for len(trace.Packets) <= replay.MaxPackets {
		trace.Packets = append(trace.Packets, trace.Packets...)
	}
	_, err := Decode(bytes.NewReader(encoding(trace)))
	wantInputError(t, err, "more than 4096 packets")

	trace = foundingTrace()
	for len(trace.Pipeline) <= replay.MaxRules {
		trace.Pipeline = append(trace.Pipeline, trace.Pipeline...)
	}
	_, err = Decode(bytes.NewReader(encoding(trace)))
	wantInputError(t, err, "more than 4096")

	endless := io.MultiReader(bytes.NewReader(mustEncode(t, foundingTrace())), zeros{})
	_, err = Decode(endless)
	wantInputError(t, err, "longer than 67108864 bytes")
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestDecodeReportsReader(t *testing.T) {
	_, err := Decode(iotest.ErrReader(io.ErrNoProgress))
	var input *InputError
	if !errors.Is(err, io.ErrNoProgress) || errors.As(err, &input) {
		t.Errorf("error %v, want %v that is no InputError", err, io.ErrNoProgress)
	}
}

// TestDecodeEdited reads a trace as another program may have saved it.
func TestDecodeEdited(t *testing.T) {
	var b []byte
	section := bigSection("added by a user", "ctdiff trace 1\ndrop", "ctdiff trace 1\nipv6,actions=normal")
	b = bigBlock(b, blockSection, section)
	b = bigBlock(b, 4, []byte("names of addresses, skipped "))
	b = bigBlock(b, blockInterface, bigInterface("p3", 1, 0x80|10, 0))
	packet := binary.BigEndian.AppendUint32(nil, 0)
	packet = binary.BigEndian.AppendUint64(packet, 3<<9) // 1.5 s in units of 1/1024 s
	packet = binary.BigEndian.AppendUint32(packet, 14)
	packet = binary.BigEndian.AppendUint32(packet, 14)
	b = bigBlock(b, blockEnhanced, pad(append(packet, solicitation[:14]...)))
	got, err := Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	want := replay.Trace{
		Pipeline: replay.Pipeline{"drop", "ipv6,actions=normal"},
		Packets:  []replay.Packet{{Port: 3, Gap: 1_500_000_000, Frame: solicitation[:14]}},
	}
	if diff := diff(want, got); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
}

// The blocks below are big-endian, which Encode never writes.

func bigSection(comments ...string) []byte {
	be := binary.BigEndian
	b := be.AppendUint32(nil, byteOrderMagic)
	b = be.AppendUint32(b, 1<<16)
	b = be.AppendUint64(b, unknownLength)
	for _, c := range comments {
		b = bigOption(b, optComment, []byte(c))
	}
	return b
}

func bigInterface(name string, link uint16, resolution byte, offset int64) []byte {
	be := binary.BigEndian
	b := be.AppendUint16(nil, link)
	b = append(b, make([]byte, 6)...)
	b = bigOption(b, optIfName, []byte(name))
	b = bigOption(b, optIfTSOffset, be.AppendUint64(nil, uint64(offset)))
	b = bigOption(b, optIfTSResol, []byte{resolution})
	return bigOption(b, optEnd, nil)
}

func bigOption(b []byte, code uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...))
}

func bigBlock(b []byte, typ uint32, body []byte) []byte {
	length := uint32(len(body) + blockOverhead)
	b = binary.BigEndian.AppendUint32(b, typ)
	b = binary.BigEndian.AppendUint32(b, length)
	b = append(b, body...)
	return binary.BigEndian.AppendUint32(b, length)
}
