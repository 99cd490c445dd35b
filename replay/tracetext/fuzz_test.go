package tracetext

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

// checkRoundTrip fails the test unless t comes back from its text, and
// tracefile takes it.
func checkRoundTrip(t *testing.T, want replay.Trace) {
	t.Helper()
	var text strings.Builder
	if err := Format(&text, want); err != nil {
		t.Fatal(err)
	}
	got, err := Parse(strings.NewReader(text.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parse(Format(t)) (-want +got):\n%s\ntext:\n%s", diff, text.String())
	}
	if err := tracefile.Encode(&bytes.Buffer{}, got); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(founding)
	f.Add(allPackets())
	for _, p := range packets {
		f.Add("p1 +1s " + p.words)
	}
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := Parse(strings.NewReader(text))
		if err != nil {
			if _, ok := errors.AsType[*tracefile.InputError](err); !ok {
				t.Errorf("error %v is no InputError", err)
			}
			return
		}
		checkRoundTrip(t, trace)
	})
}

func FuzzFormat(f *testing.F) {
	trace, err := Parse(strings.NewReader(allPackets()))
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range trace.Packets {
		f.Add(uint8(p.Port), int64(p.Gap), p.Frame, "ipv6,actions=normal")
	}
	f.Fuzz(func(t *testing.T, port uint8, gap int64, frame []byte, rule string) {
		trace := replay.Trace{
			Pipeline: replay.Pipeline{rule},
			Packets:  []replay.Packet{{Port: replay.Port(port), Gap: time.Duration(gap), Frame: frame}},
		}
		if tracefile.CheckRule(rule) != nil {
			trace.Pipeline = nil
		}
		if trace.Validate() == nil {
			checkRoundTrip(t, trace)
		}
	})
}
