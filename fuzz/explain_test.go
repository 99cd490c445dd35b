package fuzz

import (
	"errors"
	"strings"
	"testing"
)

// No ICMPv6 type with fields of its own is starved of packets, and each of all
// types can be had.
func TestDistribution(t *testing.T) {
	const n, least = 20_000, 0.01
	var table strings.Builder
	if err := Explain(&table, n, 1); err != nil {
		t.Fatal(err)
	}
	t.Log(table.String())
	c := measure(n, 1)
	for _, op := range operations {
		if share := float64(c.types[op.kind]) / float64(c.packets); op.kind != 0 && share < least {
			t.Errorf("%s has %.2f %% of the packets", op.name, 100*share)
		}
	}
	for kind := range 256 {
		if c.types[kind] == 0 {
			t.Errorf("no packet of type %d in %d inputs", kind, n)
		}
		data := seed(row{atOp: opAny, atCode: byte(255 - kind), atOwn: byte(kind)})
		frame := Decode(data, nil).Packets[0].Frame
		if frame[54] != byte(kind) || frame[55] != byte(255-kind) {
			t.Errorf("type %d, code %d: %x", kind, 255-kind, frame)
		}
	}
}

// Most traces have a packet that is as it should be, and most rows are sent
// more than once.
func TestRandomTracesAreWorthwhile(t *testing.T) {
	source, _ := chacha(7)
	const n = 5000
	var packets, replies, copied, clean int
	for range n {
		rows := make([]row, 4)
		for i := range rows {
			source.Read(rows[i][:])
			if rows[i].copies() > 1 {
				copied++
			}
			if op := rows[i].operation(); i > 0 && (op.of == answer || op.of == again) {
				replies++
			}
			if rows[i][atChain] < oneExtension && rows[i].fault() < spoilChecksum && rows[i].tags() == nil && rows[i][atDelivery]>>3 < inFragments {
				clean++
			}
		}
		packets += len(Decode(seed(rows...), nil).Packets)
	}
	t.Logf("a trace of four rows has %.1f packets; of the rows, %.0f %% are sent again, %.0f %% refer to another, %.0f %% have nothing out of the ordinary",
		float64(packets)/n, 25*float64(copied)/n, 25*float64(replies)/n, 25*float64(clean)/n)
	if copied < 2*n || replies < n/2 || clean < n {
		t.Error("too few")
	}
}

func TestExplainIsRepeatable(t *testing.T) {
	var a, b, c strings.Builder
	for _, run := range []struct {
		w    *strings.Builder
		seed uint64
	}{{&a, 1}, {&b, 1}, {&c, 1 << 60}} {
		if err := Explain(run.w, 100, run.seed); err != nil {
			t.Fatal(err)
		}
	}
	if a.String() != b.String() || a.String() == c.String() {
		t.Error("the seed does not say what the table is")
	}
}

func TestExplainOfNothing(t *testing.T) {
	var b strings.Builder
	if err := Explain(&b, 0, 1); err != nil || !strings.Contains(b.String(), "0 packets") {
		t.Errorf("%v:\n%s", err, b.String())
	}
}

type fullDisk struct{}

var errFull = errors.New("disk full")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestExplainFails(t *testing.T) {
	if err := Explain(fullDisk{}, 1, 1); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
}
