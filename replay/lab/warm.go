package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/ctnetlink"
	"github.com/ctdiff/ctdiff/replay/move"
	"github.com/ctdiff/ctdiff/replay/wire"
)

// warmTries is how often a trace is replayed at level warm, each time with other
// addresses, when packets of it had upcalls. The flows that these lead to are there
// the next time, if there are any, but then the guest takes it slowly.
const warmTries = 2

// A warmPlan is how a pipeline's traces are replayed at level warm.
type warmPlan struct {
	pipeline replay.Pipeline
	rules    wire.Rules
	address  string // the Ethernet address that has the marks
	possible bool
	loaded   *guest // that has the rules
}

// warmState is what a bridge keeps for level warm.
type warmState struct {
	plan warmPlan
	// traces counts those replayed: addresses are moved each time to where
	// they never were.
	traces uint32
	cover  Cover
	// stuck are connections of earlier traces that the kernel does not remove
	// while its flow table has them (nf_conntrack_netlink.c,
	// ctnetlink_flush_iterate).
	stuck map[string]bool
	// upcalls counts the traces with fragments of some shape that had upcalls.
	upcalls map[uint64]int
}

// Warmable reports whether traces with a pipeline can be replayed at level
// [replay.Warm]. Others are replayed at level [replay.Purged] in its place:
// those with rules that look at addresses, or change them, or with which a
// bridge changes as packets pass.
func Warmable(p replay.Pipeline) bool { return newWarmPlan(p).possible }

func newWarmPlan(p replay.Pipeline) warmPlan {
	plan := warmPlan{pipeline: slices.Clone(p)}
	copied, address, ok := marked(p)
	if _, movable := move.Movable(p); ok && movable {
		plan.rules, plan.address, plan.possible = wire.Rules{Given: p, Copy: copied}, address, true
	}
	return plan
}

// planFor returns the plan for a pipeline.
func (w *warmState) planFor(p replay.Pipeline) *warmPlan {
	if !slices.Equal(w.plan.pipeline, p) {
		w.plan = newWarmPlan(p)
	}
	return &w.plan
}

// errCold says that a trace cannot be replayed at level warm.
var errCold = errors.New("not at level warm")

// Cover is what coverage of its kernel a bridge shows at level [replay.Warm].
type Cover = wire.Cover

// What there is.
const (
	CoverNothing = wire.CoverNothing
	// CoverTrace is that of a trace: [replay.Observation.Covered].
	CoverTrace = wire.CoverTrace
	// CoverPackets is that of each packet, [replay.PacketWay.Covered]. It
	// takes several times as long.
	CoverPackets = wire.CoverPackets
)

// Cover chooses what coverage there is: at first nothing.
func (b *Bridge) Cover(c Cover) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.warm.cover = c
}

func (b *Bridge) replayWarm(ctx context.Context, t replay.Trace) (replay.Observation, error) {
	plan := b.warm.planFor(t.Pipeline)
	split := slices.ContainsFunc(t.Packets, splitsQuote)
	if !plan.possible || len(t.Packets) >= largePackets || split && slices.ContainsFunc(t.Packets, isFragment4) {
		return replay.Observation{}, errCold
	}
	b.warm.traces++
	shape := fragmentShape(t)
	for try := b.warm.firstTry(shape); ; try++ {
		// Both bridges of a pair come to the same addresses.
		n := 2 * (warmTries*b.warm.traces + try)
		w := how{cover: b.warm.cover, slow: try == warmTries-1, given: move.Move(n), marked: move.Move(n + 1)}
		if split {
			w.given, w.marked = movedIDs(n), movedIDs(n+1)
		}
		o, late, err := b.warmOnce(ctx, plan, t, w)
		if err != nil || !late {
			return o, err
		}
		if try == warmTries-1 {
			return o, errors.New("more packets left the bridge than there is room for")
		}
		b.warm.upcalls[shape]++
	}
}

// slowAfter is after how many traces whose fragments have the same shape, and that had
// upcalls, others are taken slowly at once. Open vSwitch gives TC flows for packets
// that were put together in the kernel's datapath, where they do not meet them: each
// takes an upcall.
const slowAfter = 2

func (w *warmState) firstTry(shape uint64) uint32 {
	if w.upcalls == nil || len(w.upcalls) > maxShapes {
		w.upcalls = map[uint64]int{}
	}
	if shape != 0 && w.upcalls[shape] >= slowAfter {
		return warmTries - 1
	}
	return 0
}

// maxShapes bounds what is remembered.
const maxShapes = 10_000

// fragmentShape tells traces apart by the fragments that they have; 0 is none.
func fragmentShape(t replay.Trace) uint64 {
	h, found := fnv.New64a(), false
	for _, p := range t.Packets {
		if f, ok := replay.ParseFragment(p.Frame); ok {
			found = true
			more := byte(0)
			if f.More {
				more = 1
			}
			h.Write([]byte{byte(p.Port), byte(f.ID), more, byte(min(f.Offset, 1)), f.Protocol})
		}
	}
	if !found {
		return 0
	}
	return h.Sum64()
}

// splitsQuote reports whether a packet is the first of several fragments of an
// ICMP error, and so short that the header that it quotes may be cut in an address:
// then this would not move.
func splitsQuote(p replay.Packet) bool {
	const icmp, icmpv6, firstInformational, icmpHeader = 1, 58, 128, 8
	f, ok := replay.ParseFragment(p.Frame)
	if !ok || !f.More || f.Offset > 0 || len(f.Data) == 0 {
		return false
	}
	kind := f.Data[0]
	switch f.Protocol {
	case icmpv6:
		return kind < firstInformational && len(f.Data) < icmpHeader+40
	case icmp:
		return (kind == 3 || kind == 4 || kind == 5 || kind == 11 || kind == 12) && len(f.Data) < icmpHeader+20 // RFC 792
	}
	return false
}

func (b *Bridge) warmOnce(ctx context.Context, plan *warmPlan, t replay.Trace, w how) (o replay.Observation, late bool, err error) {
	g, err := b.running(ctx, false)
	if err != nil {
		return o, false, err
	}
	o = b.newObservation(g, replay.Warm)
	answer, err := b.call(ctx, g, plan.warmMessage(g, t, w), "replay")
	if err != nil {
		return o, false, crash(&o, err)
	}
	warmed, ok := answer.(*wire.Warmed)
	if !ok {
		return o, false, fmt.Errorf("guest sent %T where Warmed was due", answer)
	}
	o.KernelLog = warmed.KernelLog
	if warmed.Died != "" {
		return o, false, b.switchDied(&o, g, warmed.Died)
	}
	if err := b.failure(g, t, warmed.Refused, warmed.Error); err != nil {
		return o, false, err
	}
	if plan.loaded = g; warmed.Tired {
		b.drop(g)
		b.tired = true
	}
	entries, err := ctnetlink.Parse(warmed.Conntrack)
	if err != nil {
		return o, false, fmt.Errorf("dump of conntrack: %w", err)
	}
	for _, e := range b.warm.fresh(entries) {
		o.Conntrack = append(o.Conntrack, w.given.Entry(e))
	}
	return o, warmed.Late, plan.observeWarm(&o, t, w.given, warmed)
}

// how is how a trace is replayed: with which moves for the two pipelines, and what
// wire.Warm says.
type how struct {
	given, marked mover
	cover         Cover
	slow          bool
}

func (p *warmPlan) warmMessage(g *guest, t replay.Trace, w how) *wire.Warm {
	m := &wire.Warm{Cover: w.cover, Slow: w.slow, Given: moved(t, w.given), Marked: moved(t, w.marked)}
	if p.loaded != g {
		m.Rules = &p.rules
	}
	return m
}

// A mover moves what comes of a trace, and back: a [move.Move], or movedIDs.
type mover interface {
	Frame(dst, frame []byte) []byte
	Back(dst, frame []byte) []byte
	Entry(replay.ConntrackEntry) replay.ConntrackEntry
}

// movedIDs moves the ids of IPv6 fragments only: of traces whose addresses cannot
// be moved. Their connections are removed as all are.
type movedIDs uint32

func (m movedIDs) Frame(dst, frame []byte) []byte { return m.add(dst, frame, uint32(m)) }

func (m movedIDs) Back(dst, frame []byte) []byte { return m.add(dst, frame, -uint32(m)) }

func (m movedIDs) add(dst, frame []byte, n uint32) []byte {
	start := len(dst)
	dst = append(dst, frame...)
	if f, ok := replay.ParseFragment(frame); ok && f.ID > 0 {
		id := dst[start+f.ID:]
		binary.BigEndian.PutUint32(id, binary.BigEndian.Uint32(id)+n)
	}
	return dst
}

func (m movedIDs) Entry(e replay.ConntrackEntry) replay.ConntrackEntry { return e }

func isFragment4(p replay.Packet) bool {
	f, ok := replay.ParseFragment(p.Frame)
	return ok && f.ID == 0
}

func moved(t replay.Trace, m mover) []wire.Packet {
	size := 0
	for _, p := range t.Packets {
		size += len(p.Frame)
	}
	bytes := make([]byte, 0, size)
	packets := make([]wire.Packet, len(t.Packets))
	for i, p := range t.Packets {
		start := len(bytes)
		bytes = m.Frame(bytes, p.Frame)
		packets[i] = wire.Packet{Port: uint8(p.Port), Gap: p.Gap, Frame: bytes[start:]}
	}
	return packets
}

// observeWarm fills in o what a guest made of t, moved by m.
func (p *warmPlan) observeWarm(o *replay.Observation, t replay.Trace, m mover, r *wire.Warmed) error {
	if len(r.Given) != len(t.Packets) || len(r.Marked) != len(t.Packets) {
		return fmt.Errorf("guest shows %d and %d packets of %d", len(r.Given), len(r.Marked), len(t.Packets))
	}
	numbers := map[[2]uint8]int{}
	o.Covered = readCovered(r.Covered)
	o.Packets = make([]replay.PacketWay, len(t.Packets))
	for i, packet := range t.Packets {
		left := r.Given[i].Outputs
		for j := range left {
			left[j].Frame = m.Back(nil, left[j].Frame)
		}
		way := replay.PacketWay{Index: i, Port: packet.Port, Steps: []replay.Step{}, Outputs: outputs(packet, left)}
		way.Witness, way.Looped = steps(readMarks(r.Marked[i].Outputs, p.address), packet.Port, numbers)
		way.Covered = append(readCovered(r.Given[i].Covered), readCovered(r.Marked[i].Covered)...)
		o.Packets[i] = way
	}
	return nil
}

// fresh returns those of a guest's connections that are not of an earlier trace.
func (w *warmState) fresh(entries []replay.ConntrackEntry) (list []replay.ConntrackEntry) {
	stuck := map[string]bool{}
	for _, e := range entries {
		key := fmt.Sprint(e.Proto, e.Orig, e.Zone)
		if !w.stuck[key] {
			list = append(list, e)
		}
		if slices.Contains(e.Status, "OFFLOAD") {
			stuck[key] = true
		}
	}
	w.stuck = stuck
	return list
}

// loopLength is how often a packet comes from conntrack in one state for one
// table until it counts as looping.
const loopLength = 3

// steps returns the way that marks tell of, each run of equal ones once.
// Recirculations are numbered by the port at which packets entered and the
// table, in the order of arrival.
func steps(marks []mark, port replay.Port, numbers map[[2]uint8]int) (list []replay.Step, looped bool) {
	list = append(make([]replay.Step, 0, 1+len(marks)), replay.Step{})
	times := 0
	for i, m := range marks {
		if m == marks[0] {
			times++
		}
		if i > 0 && m == marks[i-1] {
			continue
		}
		key := [2]uint8{uint8(port), m.table}
		if _, ok := numbers[key]; !ok {
			numbers[key] = len(numbers) + 1
		}
		list = append(list, replay.Step{Recirc: numbers[key], CTState: replay.CTState{Value: m.state, Mask: replay.CTWitnessed}})
	}
	return list, times >= loopLength
}

func readCovered(data []byte) []uint32 {
	var list []uint32
	for ; len(data) >= 4; data = data[4:] {
		list = append(list, binary.LittleEndian.Uint32(data))
	}
	return list
}
