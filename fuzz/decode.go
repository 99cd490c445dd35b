package fuzz

import (
	"slices"
	"time"

	fuzzheaders "github.com/AdaLogics/go-fuzz-headers"

	"github.com/ctdiff/ctdiff/replay"
)

// Decode returns the trace that data stands for, with the given pipeline. Every
// data stands for one that is valid, if the pipeline is, and data that differ
// little stand for traces that do. No data at all stand for an echo request,
// sent twice.
//
// A trace has at most 16 packets, unless data say that it may have more, up to
// [replay.MaxPackets], as those of [Encode] do.
func Decode(data []byte, pipeline replay.Pipeline) replay.Trace {
	in := input{fuzzheaders.NewConsumer(data)}
	d := decoder{limit: defaultPackets}
	for len(d.packets) < d.limit {
		r, more := in.row()
		if !more {
			break
		}
		d.step(r, in)
	}
	if len(d.packets) == 0 {
		d.step(row{}, in)
	}
	return replay.Trace{Pipeline: pipeline, Packets: d.packets}
}

// A decoder is a trace in the making.
type decoder struct {
	packets []replay.Packet
	limit   int
	waited  time.Duration // since the last packet
	past    []base
}

func (d *decoder) step(r row, in input) {
	switch r[atOp] {
	case opLimit:
		d.limit = max(d.limit, r.limit())
	case opWait:
		d.waited = min(d.waited+r.wait(), replay.MaxGap)
	case opRaw:
		b := base{sideOf(r.portOf(1)), in.frame(r.rawLength())}
		d.add(r, b, [][]byte{b.frame})
	default:
		b, frames := d.build(r)
		d.add(r, b, frames)
	}
}

// build returns the packet that a row makes, and the frames in which it is
// delivered.
func (d *decoder) build(r row) (base, [][]byte) {
	op := r.operation()
	s := scene{sideOf(op.port(r, d.past)), r, d.past}
	m := op.build(s, op.kind)
	if m.frame != nil {
		return base{s.side, m.frame}, [][]byte{m.frame}
	}
	w := s.assemble(m)
	return base{s.side, w.frame}, s.fragments(w)
}

func (d *decoder) add(r row, b base, frames [][]byte) {
	d.past = append(d.past, b)
	gap := min(d.waited+r.gap(), replay.MaxGap)
	d.waited = 0
	for range r.copies() {
		for _, f := range frames {
			if len(d.packets) == d.limit {
				return
			}
			// No two packets share a frame: their owner may change one.
			p := replay.Packet{Port: replay.Port(b.from.near), Gap: gap, Frame: slices.Clone(f)}
			d.packets = append(d.packets, p)
			gap = 0
		}
	}
}
