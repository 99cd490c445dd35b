package feedback

import "github.com/ctdiff/ctdiff/replay"

// deep is the last recirculation that is told from others, and many the number
// of frames or connections from which on more are no more of a difference.
const (
	deep = 15
	many = 8
)

// Observe adds what the bridges made of a trace, the reference first: the kernel's
// code that was covered; how the ct_state of each packet changes from one
// recirculation to the next, how deep, and in which datapath; what left the
// bridge; connections and their states; and for which packets the bridges differ.
func (f *Features) Observe(obs []replay.Observation) {
	for i, o := range obs {
		bridge := uint64(i)
		f.Kernel(i, o.Covered)
		f.Kernel(i, o.Covered)
		for j, way := range o.Packets {
			f.Kernel(i, way.Covered)
			f.way(bridge, way)
			if i == 0 || j >= len(obs[0].Packets) {
				continue
			}
			if reference, other := shape(obs[0].Packets[j]), shape(way); other != reference {
				f.Add("differs", bridge, reference, other)
			}
		}
		f.Add("connections", bridge, upTo(many, len(o.Conntrack)))
		for _, e := range o.Conntrack {
			f.Add("connection", bridge, connection(e))
		}
		if o.Crash != "" {
			f.Add("crash", bridge)
		}
		if len(o.KernelLog) > 0 {
			f.Add("kernel log", bridge)
		}
	}
}

func (f *Features) way(bridge uint64, way replay.PacketWay) {
	for i, s := range way.Steps {
		f.Add("step", bridge, upTo(deep, i), state(s), hash(s.DP), bit(s.Upcall))
	}
	for i, s := range way.Witness {
		from := uint64(0)
		if i > 0 {
			from = state(way.Witness[i-1])
		}
		f.Add("change", bridge, upTo(deep, i), from, state(s), hash(s.DP))
	}
	f.Add("way", bridge, upTo(deep, len(way.Steps)), upTo(deep, len(way.Witness)), outputs(way), bit(way.Looped))
}

// shape is what bridges that treat a packet alike have in common: not the
// datapath. An observation may lack the steps, or else the witness.
func shape(way replay.PacketWay) uint64 {
	h := mix(outputs(way) ^ bit(way.Looped)<<32)
	for _, s := range way.Witness {
		h = mix(h ^ state(s))
	}
	return h
}

func outputs(way replay.PacketWay) uint64 {
	changed := false
	for _, o := range way.Outputs {
		changed = changed || o.Changed
	}
	return upTo(many, len(way.Outputs)) | bit(changed)<<16
}

// connection is what kind of connection an entry is: nothing of it that another
// connection of the same kind has otherwise.
func connection(e replay.ConntrackEntry) uint64 {
	h := mix(hash(e.Proto) ^ hash(e.State)<<1)
	for _, s := range e.Status {
		h = mix(h ^ hash(s))
	}
	return mix(h ^ hash(e.Helper) ^ bit(e.Zone != 0)<<1 ^ bit(e.Mark != 0)<<2 ^ bit(e.Labels != "")<<3)
}

func state(s replay.Step) uint64 { return uint64(s.CTState.Value) | uint64(s.CTState.Mask)<<8 }

func upTo(limit, n int) uint64 { return uint64(min(limit, n)) }

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
