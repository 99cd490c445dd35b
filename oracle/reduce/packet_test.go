package reduce

import (
	"bytes"
	"testing"

	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

// Any frame comes back from being taken apart, and no edit fails on one.
func FuzzPacket(f *testing.F) {
	for _, c := range oracletest.Cases() {
		f.Add(c.Trace.Packets[0].Frame)
	}
	f.Add(oracletest.Fragment(1, 8, true, make([]byte, 16)))
	lengthZero := oracletest.ICMPv6("2001:db8::1", "2001:db8::2", 0, 0, 0, 0, 0)
	lengthZero[19], lengthZero[20] = 0, 0 // before a hop-by-hop header
	f.Add(lengthZero)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < replay.MinFrame {
			return
		}
		p := replay.Packet{Port: 1, Frame: frame}
		before := bytes.Clone(frame)
		if got := parse(p).bytes(); !bytes.Equal(got, frame) {
			t.Errorf("%x comes back as %x", frame, got)
		}
		for _, e := range append(messageEdits, edits...) {
			q := parse(p)
			e.change(q)
			once := q.replay(p)
			again := parse(once)
			e.change(again)
			again.bytes()
		}
		for _, n := range namings {
			n.places(parse(p))
		}
		if !bytes.Equal(frame, before) {
			t.Error("the frame was changed")
		}
	})
}
