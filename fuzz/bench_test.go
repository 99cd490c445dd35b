package fuzz

import (
	"testing"

	"github.com/ctdiff/ctdiff/replay"
)

func BenchmarkDecode(b *testing.B) {
	source, _ := chacha(8)
	random := make([]byte, 64)
	source.Read(random)
	raw, err := Encode(Decode(seed(limitRow(replay.MaxPackets), row{atPayload: 31}), nil))
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name string
		data []byte
	}{
		{"echo and reply, 4 packets", seed(row{}, row{atOp: opReply})},
		{"founding, 3 packets", Seeds()[0]},
		{"error, 4 packets", seed(row{}, row{atOp: 0x0b})},
		{"longest frame, 2 packets", raw},
		{"random 64 bytes", random},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Decode(bench.data, nil)
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	source, random := chacha(9)
	data := make([]byte, 64)
	source.Read(data)
	for _, bench := range []struct {
		name  string
		trace replay.Trace
	}{
		{"echo and reply", Decode(seed(row{}, row{atOp: opReply}), nil)},
		{"random 64 bytes", Decode(data, nil)},
		{"4096 raw frames", randomTrace(random, source, replay.MaxPackets)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Encode(bench.trace); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
