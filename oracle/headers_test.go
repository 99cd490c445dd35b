package oracle_test

import (
	"testing"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
)

// insert returns frame with bytes put in at an offset.
func insert(frame []byte, at int, more ...byte) []byte {
	out := append([]byte(nil), frame[:at]...)
	return append(append(out, more...), frame[at:]...)
}

// extended returns an IPv6 frame with extension headers of a number between its
// header and what follows.
func extended(frame []byte, header ...byte) []byte {
	number, next := header[0], frame[20]
	body := append([]byte{next}, header[1:]...)
	frame = insert(frame, 54, body...)
	frame[20] = number
	frame[19] += byte(len(body))
	return frame
}

func TestClass(t *testing.T) {
	nd := oracletest.NeighborSolicitation()
	udp := oracletest.UDP("10.0.0.1", "10.0.0.2", 1, 2)
	tagged := insert(udp, 12, 0x81, 0, 0, 5)
	for _, c := range []struct {
		name  string
		frame []byte
		want  string
	}{
		{"neighbor solicitation", nd, "icmpv6"},
		{"hop-by-hop options", extended(nd, 0, 0, 5, 2, 0, 0, 1, 0), "icmpv6"},
		{"two extension headers", extended(extended(nd, 43, 0, 0, 0, 0, 0, 0, 0), 60, 0, 1, 4, 0, 0, 0, 0), "icmpv6"},
		{"first fragment", extended(nd, 44, 0, 0, 1, 0, 0, 0, 9), "icmpv6+frag"},
		{"later fragment", extended(nd, 44, 0, 1, 0, 0, 0, 0, 9), "icmpv6+frag"},
		{"atomic fragment", extended(nd, 44, 0, 0, 0, 0, 0, 0, 9), "icmpv6+frag"},
		{"udp", udp, "udp"},
		{"tcp", oracletest.TCP("10.0.0.1", "10.0.0.2", 1, 2, 2), "tcp"},
		{"udp fragment", oracletest.Fragment(1, 8, false, make([]byte, 8)), "udp+frag"},
		{"tagged", tagged, "udp"},
		{"tagged twice", insert(tagged, 12, 0x88, 0xa8, 0, 6), "udp+qinq"},
		{"arp", append(append([]byte(nil), nd[:12]...), 8, 6), "arp"},
		{"cut", nd[:30], "ip-malformed"},
		{"cut extension header", extended(nd, 0, 9, 0, 0, 0, 0, 0, 0)[:60], "ip-other"},
		{"unknown type", append(append([]byte(nil), nd[:12]...), 0x88, 0xcc), "other"},
		{"nothing", nil, "other"},
	} {
		if got := oracle.ParseHeaders(c.frame).Class(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestHeadersOffsets(t *testing.T) {
	h := oracle.ParseHeaders(extended(oracletest.NeighborSolicitation(), 0, 0, 5, 2, 0, 0, 1, 0))
	if h.L3 != 14 || h.L4 != 62 || h.Src.String() != "2001:db8:0:f101::1" || len(h.Extensions) != 1 {
		t.Errorf("%+v", h)
	}
	if h := oracle.ParseHeaders(oracletest.Fragment(7, 64, true, make([]byte, 8))); h.L4 != -1 || h.FragOffset != 64 || !h.FragMore || h.FragID != 7 {
		t.Errorf("%+v", h)
	}
}

func FuzzParseHeaders(f *testing.F) {
	nd := oracletest.NeighborSolicitation()
	f.Add(nd)
	f.Add(extended(nd, 44, 0, 0, 1, 0, 0, 0, 9))
	f.Add(extended(extended(nd, 43, 0, 0, 0, 0, 0, 0, 0), 51, 4, 0, 0, 0, 0, 0, 0))
	f.Add(oracletest.Fragment(1, 8, true, make([]byte, 8)))
	f.Add(insert(nd, 12, 0x81, 0, 0, 5))
	f.Fuzz(func(t *testing.T, frame []byte) {
		h := oracle.ParseHeaders(frame)
		if h.Class() == "" {
			t.Error("no class")
		}
		if h.L3 > len(frame) || h.L4 >= len(frame) || h.L4 >= 0 && h.L4 < h.L3 {
			t.Errorf("offsets %d, %d in a frame of %d bytes", h.L3, h.L4, len(frame))
		}
		if (h.Version != 0) != h.Src.IsValid() {
			t.Errorf("version %d, source %v", h.Version, h.Src)
		}
	})
}

// Whatever leaves a bridge, frames that are equal agree, and others do not
// bring the comparison down.
func FuzzCompareFrames(f *testing.F) {
	f.Add(oracletest.NeighborSolicitation(), oracletest.NeighborSolicitation()[:40])
	f.Add(oracletest.Fragment(1, 0, true, make([]byte, 8)), oracletest.Fragment(1, 8, false, make([]byte, 8)))
	f.Fuzz(func(t *testing.T, x, y []byte) {
		c := oracletest.Masks()
		c.Trace.Packets[1].Frame = x
		c.Obs[0].Packets[1].Outputs[0].Frame = x
		c.Obs[1].Packets[1].Outputs[0].Frame = y
		v := oracle.Compare(c.Trace, c.Obs)
		if string(x) == string(y) && v.Outcome != oracle.Agree {
			t.Errorf("%+v", v)
		}
		if v.Outcome == oracle.Diverge && v.Signature == "" {
			t.Error("no signature")
		}
	})
}
