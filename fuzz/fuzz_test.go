package fuzz

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/ctdiff/ctdiff/replay"
)

func FuzzDecodeEncode(f *testing.F) {
	for _, data := range Seeds() {
		f.Add(data)
	}
	f.Add([]byte{})
	f.Add(append(seed(rawRow(20)), bytes.Repeat([]byte{1}, 32)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := slices.Clone(data)
		trace := Decode(data, Founding())
		if !bytes.Equal(before, data) {
			t.Error("Decode changed its input")
		}
		if err := trace.Validate(); err != nil {
			t.Fatal(err)
		}
		again := encode(t, trace)
		if third := encode(t, Decode(again, Founding())); !bytes.Equal(again, third) {
			t.Errorf("Encode(Decode(Encode(t))) is %x, Encode(t) is %x", third, again)
		}
	})
}

func FuzzEncodeRaw(f *testing.F) {
	for _, data := range Seeds() {
		for _, p := range Decode(data, nil).Packets {
			f.Add(uint8(p.Port), int64(p.Gap), p.Frame, p.Frame)
		}
	}
	f.Fuzz(func(t *testing.T, port uint8, gap int64, first, second []byte) {
		p := replay.Packet{Port: replay.Port(port), Gap: time.Duration(gap), Frame: first}
		q := replay.Packet{Port: 2, Frame: second}
		trace := replay.Trace{Packets: []replay.Packet{p, q, p, q}}
		if trace.Validate() == nil {
			encode(t, trace)
		}
	})
}
