package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// pipe is a pair of connections that hold a window of frames, as a guest's
// device does, and drop what comes above.
type pipe struct {
	in, out chan []byte
	dropped *int
}

func newPipe() (a, b *pipe) {
	x, y := make(chan []byte, window), make(chan []byte, window)
	dropped := new(int)
	return &pipe{in: x, out: y, dropped: dropped}, &pipe{in: y, out: x, dropped: dropped}
}

func (p *pipe) ReadFrame(buf []byte) (int, error) {
	frame, ok := <-p.in
	if !ok {
		return 0, io.EOF
	}
	return copy(buf, frame), nil
}

func (p *pipe) WriteFrame(frame []byte) error {
	select {
	case p.out <- bytes.Clone(frame):
	default:
		*p.dropped++
	}
	return nil
}

func messages() []any {
	return []any{
		&Hello{Build: "b", Kernel: "5.10.223"},
		&Boot{Offload: true, Entropy: []byte{1, 2}, Interactive: true},
		&Ready{OVS: "3.1.0", Error: "none"},
		&Replay{Rules: []string{"actions=drop"}, Witness: []string{"w"}, Packets: []Packet{{Port: 1, Gap: time.Second, Frame: make([]byte, 100)}}},
		&Replayed{Refused: &Refusal{Rule: -1, Words: "no"}, Died: "yes", Given: Run{Packets: []Sent{{Hits: []Hit{{UFID: [16]byte{1}, Packets: 2, New: true}}, Outputs: []Output{{Port: 2, Frame: []byte{3}}}}}, Flows: []string{"f"}, Conntrack: "c"}, KernelLog: []string{"k"}},
		&Exec{Argv: []string{"true"}, Rules: []string{"r"}},
		&Executed{Stdout: []byte("o"), Stderr: []byte("e"), Code: 3, Refused: &Refusal{Words: "w"}},
		&Shell{Prompt: "$ "},
		&Warm{Rules: &Rules{Given: []string{"g"}, Copy: []string{"c"}}, Given: []Packet{{Port: 1, Frame: []byte{1}}}, Marked: []Packet{{Port: 1, Frame: []byte{2}}}, Cover: CoverPackets},
		&Warmed{Refused: &Refusal{Rule: 1, Words: "r"}, Error: "e", Died: "d", KernelLog: []string{"k"}, Given: []Left{{Outputs: []Output{{Port: 2, Frame: []byte{3}}}, Covered: []byte{1, 2, 3, 4}}}, Marked: []Left{{}}, Covered: []byte{6}, Late: true, Conntrack: []byte{5}},
	}
}

func TestMessages(t *testing.T) {
	a, b := newPipe()
	from, to := NewChannel(a), NewChannel(b)
	for _, msg := range messages() {
		if err := from.Send(msg); err != nil {
			t.Fatalf("%T: %v", msg, err)
		}
		got, err := to.Receive()
		if err != nil {
			t.Fatalf("%T: %v", msg, err)
		}
		if diff := cmp.Diff(msg, got, cmpopts.IgnoreUnexported(Hello{}, Boot{}, Ready{}, Replay{}, Packet{}, Replayed{}, Refusal{}, Run{}, Sent{}, Hit{}, Output{}, Exec{}, Executed{}, Shell{}, Warm{}, Rules{}, Warmed{}, Left{})); diff != "" {
			t.Error(diff)
		}
	}
}

// TestLargeMessage sends more than the connection holds: the sender has to
// wait.
func TestLargeMessage(t *testing.T) {
	a, b := newPipe()
	for _, frames := range []int{window, window + 1, 2*window + 1, 100} {
		msg := &Executed{Stdout: make([]byte, frames*(maxFrame-headerLen-lengthLen)-20)}
		sent := make(chan error, 1)
		go func() { sent <- NewChannel(a).Send(msg) }()
		got, err := NewChannel(b).Receive()
		if err := errors.Join(err, <-sent); err != nil {
			t.Fatalf("%d frames: %v", frames, err)
		}
		if n := len(got.(*Executed).Stdout); n != len(msg.Stdout) {
			t.Errorf("%d frames: %d bytes of %d arrived", frames, n, len(msg.Stdout))
		}
	}
	if *a.dropped > 0 {
		t.Errorf("%d frames dropped", *a.dropped)
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, msg := range messages() {
		data, err := Marshal(msg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		msg, err := Unmarshal(data)
		if err != nil {
			return
		}
		if _, err := Marshal(msg); err != nil {
			t.Errorf("%T: %v", msg, err)
		}
	})
}

// FuzzReceive has a hostile peer send frames.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x88\xb5\x00\x00\x00\x02\x01\x80"))
	f.Fuzz(func(_ *testing.T, frame []byte) {
		a, b := newPipe()
		_ = b.WriteFrame(frame)
		close(a.in)
		_, _ = NewChannel(a).Receive()
	})
}
