package tracefile

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/pcapgo"

	"github.com/ctdiff/ctdiff/replay"
)

// largestTrace has as much of everything as a trace may have.
func largestTrace() replay.Trace {
	var t replay.Trace
	for i := range replay.MaxRules {
		t.Pipeline = append(t.Pipeline, strings.Repeat(string(rune('a'+i%26)), MaxPipeline/replay.MaxRules-1))
	}
	for i := range replay.MaxPackets {
		t.Packets = append(t.Packets, replay.Packet{
			Port:  replay.Port(1 + i%replay.Ports),
			Gap:   replay.MaxGap - time.Duration(i),
			Frame: bytes.Repeat([]byte{byte(i)}, replay.MaxFrame-i%2),
		})
	}
	return t
}

func TestEncodeDecode(t *testing.T) {
	frame := solicitation
	tests := map[string]replay.Trace{
		"founding": foundingTrace(),
		"no rules": {Packets: []replay.Packet{{Port: 4, Frame: frame}}},
		"largest":  largestTrace(),
		"odd rules": {
			Pipeline: replay.Pipeline{"a\tb  c", "ctdiff trace 1", "ü", strings.Repeat("x", MaxRule)},
			Packets:  []replay.Packet{{Port: 1, Gap: replay.MaxGap, Frame: frame[:replay.MinFrame]}},
		},
		"gaps to the nanosecond": {Packets: []replay.Packet{
			{Port: 1, Gap: 1, Frame: frame},
			{Port: 1, Gap: replay.MaxGap, Frame: frame[:15]},
			{Port: 1, Gap: replay.MaxGap - 1, Frame: frame[:16]},
			{Port: 1, Gap: 999_999_999, Frame: frame[:17]},
		}},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			data := mustEncode(t, want)
			got, err := Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := diff(want, got); diff != "" {
				t.Errorf("Decode(Encode(t)) (-want +got):\n%s", diff)
			}
			if !bytes.Equal(data, mustEncode(t, got)) {
				t.Error("encoded twice, the bytes differ")
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	packets := []replay.Packet{{Port: 1, Frame: solicitation}}
	tests := map[string]struct {
		trace replay.Trace
		want  string
	}{
		"no packets":    {replay.Trace{}, "no packets"},
		"no such port":  {replay.Trace{Packets: []replay.Packet{{Port: 5, Frame: solicitation}}}, "packet 0: port 5"},
		"empty rule":    {replay.Trace{Pipeline: replay.Pipeline{"a", ""}, Packets: packets}, "rule 1: rule is empty"},
		"two lines":     {replay.Trace{Pipeline: replay.Pipeline{"a\nb"}, Packets: packets}, "control character"},
		"blanks":        {replay.Trace{Pipeline: replay.Pipeline{" a"}, Packets: packets}, "blanks"},
		"comment":       {replay.Trace{Pipeline: replay.Pipeline{"a#b"}, Packets: packets}, "begins a comment"},
		"not UTF-8":     {replay.Trace{Pipeline: replay.Pipeline{"\xff"}, Packets: packets}, "not UTF-8"},
		"long pipeline": {replay.Trace{Pipeline: slices.Repeat(replay.Pipeline{strings.Repeat("x", MaxRule)}, 250), Packets: packets}, "rule 244: pipeline is longer than 1000000"},
		"long rule":     {replay.Trace{Pipeline: replay.Pipeline{strings.Repeat("x", MaxRule+1)}, Packets: packets}, "longer than 4096"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			err := Encode(&b, test.trace)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if b.Len() != 0 {
				t.Errorf("%d bytes were written", b.Len())
			}
		})
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestEncodeReportsWriter(t *testing.T) {
	if err := Encode(failingWriter{}, foundingTrace()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v, want %v", err, io.ErrClosedPipe)
	}
}

// TestHash pins the encoding: a change of it renames every stored trace.
func TestHash(t *testing.T) {
	const want = "2d58fc399a072d7f73c0278d640eda8efbacb3d1434d8c81752b46c4a42545d4"
	if got := Hash(foundingTrace()); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
	other := foundingTrace()
	other.Packets[1].Gap++
	if Hash(other) == want {
		t.Error("another gap, the same hash")
	}
}

func TestReadByLibrary(t *testing.T) {
	trace := foundingTrace()
	r, err := pcapgo.NewNgReader(bytes.NewReader(mustEncode(t, trace)), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	wantComment := "ctdiff trace 1\n" + strings.Join(trace.Pipeline, "\n")
	if diff := cmp.Diff(wantComment, r.SectionInfo().Comment); diff != "" {
		t.Errorf("comment (-want +got):\n%s", diff)
	}
	var got []replay.Packet
	last := time.Unix(0, 0)
	for {
		frame, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		i, err := r.Interface(info.InterfaceIndex)
		if err != nil {
			t.Fatal(err)
		}
		port, err := replay.ParsePort(i.Name)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, replay.Packet{Port: port, Gap: info.Timestamp.Sub(last), Frame: frame})
		last = info.Timestamp
	}
	if diff := cmp.Diff(trace.Packets, got); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
}
