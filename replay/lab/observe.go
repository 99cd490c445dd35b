package lab

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/ovs"
	"github.com/ctdiff/ctdiff/replay/wire"
)

// observe fills in o what a guest made of t.
func observe(o *replay.Observation, t replay.Trace, r *wire.Replayed) error {
	if len(r.Given.Packets) != len(t.Packets) || len(r.Witness.Packets) != len(t.Packets) {
		return fmt.Errorf("guest shows %d and %d packets of %d", len(r.Given.Packets), len(r.Witness.Packets), len(t.Packets))
	}
	given, err := readRun(r.Given, "p")
	if err != nil {
		return err
	}
	copied, err := readRun(r.Witness, "w")
	if err != nil {
		return fmt.Errorf("witness: %w", err)
	}
	for i, p := range t.Packets {
		way := replay.PacketWay{Index: i, Port: p.Port, Outputs: outputs(p, r.Given.Packets[i].Outputs)}
		way.Steps, way.Looped = given.steps(r.Given.Packets[i].Hits)
		way.Witness, _ = copied.steps(r.Witness.Packets[i].Hits)
		o.Packets = append(o.Packets, way)
	}
	o.Flows = given.list()
	if o.Conntrack, err = ovs.ParseConntrack(r.Given.Conntrack); err != nil {
		return fmt.Errorf("dump of conntrack: %w", err)
	}
	return nil
}

func outputs(p replay.Packet, frames []wire.Output) []replay.Output {
	list := []replay.Output{}
	for _, f := range frames {
		list = append(list, replay.Output{Port: replay.Port(f.Port), Frame: f.Frame, Changed: !bytes.Equal(f.Frame, p.Frame)})
	}
	slices.SortStableFunc(list, func(a, b replay.Output) int { return cmp.Compare(a.Port, b.Port) })
	return list
}

// A run is one pipeline's flows, and how its recirculations are numbered.
type run struct {
	flows map[[16]byte]ovs.Flow
	last  []ovs.Flow // those that were there after the last packet
	// number of each recirculation that packets reached, by its id.
	number map[uint32]int
	// reached has the place at which a packet first met each flow.
	reached map[[16]byte]int
}

// readRun reads the flows of one bridge, whose ports' names have a prefix: the
// dumps have those of both.
func readRun(r wire.Run, ports string) (*run, error) {
	run := &run{flows: map[[16]byte]ovs.Flow{}, number: map[uint32]int{0: 0}, reached: map[[16]byte]int{}}
	for _, dump := range r.Flows {
		flows, err := ovs.ParseFlows(dump)
		if err != nil {
			return nil, fmt.Errorf("dump of flows: %w", err)
		}
		run.last = slices.DeleteFunc(flows, func(f ovs.Flow) bool { return !strings.HasPrefix(f.InPort, ports) })
		for _, f := range run.last {
			run.flows[f.UFID] = f
		}
	}
	return run, nil
}

// steps returns the flows that a packet met in order: from where it entered
// along the recirculations, and then those that nothing seen leads to.
func (r *run) steps(hits []wire.Hit) (steps []replay.Step, looped bool) {
	steps = []replay.Step{}
	byRecirc := map[uint32][]wire.Hit{}
	for _, h := range hits {
		// A flow that no dump has was gone before the next one.
		if f, ok := r.flows[h.UFID]; ok {
			byRecirc[f.RecircID] = append(byRecirc[f.RecircID], h)
		}
	}
	var follow func(id uint32)
	follow = func(id uint32) {
		here := byRecirc[id]
		delete(byRecirc, id)
		slices.SortFunc(here, func(a, b wire.Hit) int { return r.compareHits(id, hits, a, b) })
		for _, h := range here {
			f := r.flows[h.UFID]
			steps = append(steps, r.step(f, h))
			for _, next := range f.Recircs() {
				r.numberOf(next)
				looped = looped || h.Packets > 1 && r.leads(next, f.RecircID, hits)
				follow(next)
			}
		}
	}
	follow(0)
	for _, id := range slices.Sorted(maps.Keys(byRecirc)) {
		follow(id)
	}
	return steps, looped
}

// compareHits orders what one packet met at one recirculation: a flow that
// leads back to it was there before one that does not. Of others the order is
// not known, but is always the same.
func (r *run) compareHits(id uint32, hits []wire.Hit, a, b wire.Hit) int {
	rank := func(h wire.Hit) int {
		if slices.ContainsFunc(r.flows[h.UFID].Recircs(), func(next uint32) bool { return r.leads(next, id, hits) }) {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(r.flows[a.UFID].CTState.String(), r.flows[b.UFID].CTState.String()))
}

func (r *run) step(f ovs.Flow, h wire.Hit) replay.Step {
	if _, ok := r.reached[f.UFID]; !ok {
		r.reached[f.UFID] = len(r.reached)
	}
	return replay.Step{Recirc: r.numberOf(f.RecircID), CTState: f.CTState, Upcall: h.New && h.Packets == 0, DP: f.DP}
}

func (r *run) numberOf(id uint32) int {
	if n, ok := r.number[id]; ok {
		return n
	}
	r.number[id] = len(r.number)
	return r.number[id]
}

// leads reports whether flows that a packet met lead from one recirculation to
// another.
func (r *run) leads(from, to uint32, hits []wire.Hit) bool {
	seen := map[uint32]bool{}
	var search func(id uint32) bool
	search = func(id uint32) bool {
		if id == to {
			return true
		}
		if seen[id] {
			return false
		}
		seen[id] = true
		for _, h := range hits {
			if f, ok := r.flows[h.UFID]; ok && f.RecircID == id && slices.ContainsFunc(f.Recircs(), search) {
				return true
			}
		}
		return false
	}
	return search(from)
}

// list returns the flows that were there after the last packet, in the order
// in which packets reached them; the others come last.
func (r *run) list() []replay.Flow {
	place := func(f ovs.Flow) int {
		if n, ok := r.reached[f.UFID]; ok {
			return n
		}
		return len(r.reached)
	}
	slices.SortStableFunc(r.last, func(a, b ovs.Flow) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.RecircID, b.RecircID),
			cmp.Compare(a.InPort, b.InPort), cmp.Compare(a.CTState.String(), b.CTState.String()))
	})
	list := []replay.Flow{}
	for _, f := range r.last {
		list = append(list, r.flow(f))
	}
	return list
}

func (r *run) flow(f ovs.Flow) replay.Flow {
	number := func(id uint32) int {
		if n, ok := r.number[id]; ok {
			return n
		}
		return -1
	}
	return replay.Flow{
		InPort: f.InPort, Recirc: number(f.RecircID), CTState: f.CTState, Zone: f.Zone, Mark: f.Mark, Label: f.Label, Match: f.Match,
		Packets: f.Packets, Bytes: f.Bytes, DP: f.DP, Offloaded: f.Offloaded, Actions: ovs.RenumberActions(f.Actions, number),
	}
}
