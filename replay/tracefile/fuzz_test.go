package tracefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
)

// checkTrace fails the test unless t is one that Encode takes, or err is the
// input's fault.
func checkTrace(t *testing.T, trace replay.Trace, err error) {
	t.Helper()
	if err != nil {
		if _, ok := errors.AsType[*InputError](err); !ok {
			t.Errorf("error %v is no InputError", err)
		}
		return
	}
	got, err := Decode(bytes.NewReader(mustEncode(t, trace)))
	if err != nil {
		t.Fatal(err)
	}
	if len(trace.Pipeline) == 0 {
		trace.Pipeline = nil
	}
	if diff := diff(trace, got); diff != "" {
		t.Errorf("Decode(Encode(t)) (-want +got):\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(mustEncode(f, foundingTrace()))
	f.Add(mustEncode(f, replay.Trace{Packets: foundingTrace().Packets[:1]}))
	b := bigBlock(nil, blockSection, bigSection("ctdiff trace 1"))
	b = bigBlock(b, blockInterface, bigInterface("p3", 1, 0x80|10, 5))
	f.Add(bigBlock(b, blockEnhanced, make([]byte, 20)))
	f.Fuzz(func(t *testing.T, data []byte) {
		trace, err := Decode(bytes.NewReader(data))
		checkTrace(t, trace, err)
	})
}

func FuzzImport(f *testing.F) {
	good := record{1, 0, 86, solicitation}
	f.Add(pcap(binary.LittleEndian, 0xa1b2c3d4, 1, good, good), uint8(1))
	f.Add(pcap(binary.BigEndian, 0xa1b23c4d, 1, good, good), uint8(4))
	f.Add(mustEncode(f, foundingTrace()), uint8(0))
	b := bigBlock(nil, blockSection, bigSection())
	b = bigBlock(b, blockInterface, bigInterface("p3", 1, 0x80|10, -5))
	b = bigBlock(b, blockPacket, make([]byte, 20+14))
	f.Add(bigBlock(b, blockSimple, make([]byte, 18)), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, port uint8) {
		trace, err := Import(bytes.NewReader(data), ImportOptions{Pipeline: foundingRules, Port: replay.Port(port)})
		checkTrace(t, trace, err)
	})
}

func FuzzParsePipeline(f *testing.F) {
	f.Add(strings.Join(foundingRules, "\n"))
	f.Add("# comment\n\n\tip,actions=drop # more\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		want, err := ParsePipeline(strings.NewReader(text))
		if err != nil {
			checkTrace(t, replay.Trace{}, err)
			return
		}
		got, err := ParsePipeline(strings.NewReader(strings.Join(want, "\n")))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("error %v, pipeline (-want +got):\n%s", err, diff)
		}
	})
}
