package fuzz

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle"
)

// Between the hosts at p1 and p2, a message is that of a row that says nothing
// but the operation.
func TestMessageIsThatOfARow(t *testing.T) {
	for code, o := range operations[:opAny] {
		if o.of != fresh || o.kind == typeRedirect {
			continue
		}
		want := Decode(seed(row{atOp: byte(code)}), nil).Packets[0].Frame
		if diff := cmp.Diff(want, Message(o.kind, 0, 1, 2, nil)); diff != "" {
			t.Errorf("%s (-row +message)\n%s", o.name, diff)
		}
	}
	want := Decode(seed(row{}, row{atOp: opRedirect, atFlow: 9 << 2, atOwn + firstOption: 0x84}), nil).Packets[2].Frame
	if diff := cmp.Diff(want, Message(typeRedirect, 0, 2, 1, Message(typeEchoRequest, 0, 1, 2, nil))); diff != "" {
		t.Errorf("redirect (-row +message)\n%s", diff)
	}
}

func TestMessage(t *testing.T) {
	about := Message(typeEchoRequest, 0, 7, 8, nil)
	for kind := range 256 {
		for code := range 256 {
			frame := Message(uint8(kind), uint8(code), 8, 7, about)
			h := oracle.ParseHeaders(frame)
			body := icmpv6(frame, h)
			if len(body) < 8 || body[0] != uint8(kind) || body[1] != uint8(code) {
				t.Fatalf("%d/%d is %x", kind, code, frame)
			}
			if sum := checksum(h.Src.As16(), h.Dst.As16(), body); binary.BigEndian.Uint16(body[2:]) != sum {
				t.Fatalf("%d/%d has checksum %x, and the right one is %x", kind, code, body[2:4], sum)
			}
			if length := int(binary.BigEndian.Uint16(frame[h.L3+4:])); length != len(frame)-h.L3-ipv6Size {
				t.Fatalf("%d/%d says %d bytes of %d", kind, code, length, len(frame))
			}
			quotes := kind < 128 || kind == typeRedirect
			if quotes != bytes.HasSuffix(frame, about[14:]) {
				t.Fatalf("%d/%d quotes: %v, in %x", kind, code, !quotes, frame)
			}
			if discovers := kind >= 133 && kind <= 137; discovers != (frame[h.L3+7] == 255) {
				t.Fatalf("%d/%d has hop limit %d", kind, code, frame[h.L3+7])
			}
		}
	}
}
