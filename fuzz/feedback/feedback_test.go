package feedback_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/fuzz/feedback"
	"github.com/ctdiff/ctdiff/replay"
)

func TestKernel(t *testing.T) {
	const a, b, c = 0x60249843, 0x602498ac, 0x6026fd3a
	tests := []struct {
		name string
		run  [][]uint32 // by bridge
		want map[string]int
	}{
		{"nothing", nil, map[string]int{}},
		{"alike", [][]uint32{{a, b}, {b, a}}, map[string]int{"kernel": 2}},
		{"often", [][]uint32{{a, a, a}, {a}}, map[string]int{"kernel": 1}},
		{"one more on the reference", [][]uint32{{a, b}, {a}}, map[string]int{"kernel": 2, "only reference": 1}},
		{"one more on the other", [][]uint32{{a}, {a, c}}, map[string]int{"kernel": 2, "only other": 1}},
		{"nothing alike", [][]uint32{{a}, {b, c}}, map[string]int{"kernel": 3, "only reference": 1, "only other": 2}},
		{"three bridges", [][]uint32{{a}, {b}, {a, c}}, map[string]int{"kernel": 3, "only other": 2}},
		{"not of a kernel", [][]uint32{{0, 1<<32 - 1}, {0, 1<<32 - 1}}, map[string]int{"kernel": 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var f feedback.Features
			for bridge, pcs := range test.run {
				f.Kernel(bridge, pcs)
			}
			if diff := cmp.Diff(test.want, f.Count()); diff != "" {
				t.Error(diff)
			}
			f.Report()
			if diff := cmp.Diff(map[string]int{}, f.Count()); diff != "" {
				t.Error("after Report:", diff)
			}
		})
	}
}

// Few addresses of a kernel hide behind others, though they are near each other.
func TestKernelSpread(t *testing.T) {
	const n = 4000
	var f feedback.Features
	var pcs []uint32
	random := rand.New(rand.NewPCG(1, 2))
	for pc := uint32(0x60249843); len(pcs) < n; pc += 2 + random.Uint32N(40) {
		pcs = append(pcs, pc)
	}
	f.Kernel(0, pcs)
	f.Kernel(1, pcs)
	// By chance 4000 fall on 3170 of 8192 bits.
	if got := f.Count()["kernel"]; got < 3100 {
		t.Errorf("%d addresses are %d features", n, got)
	}
}

func TestAdd(t *testing.T) {
	var f feedback.Features
	add := func() {
		f.Add("verdict")
		f.Add("verdict", 0)
		f.Add("verdict", 1)
		f.Add("verdict", 0, 1)
		f.Add("verdict", 1, 0)
		f.Add("verdict", 1<<63)
		f.Add("other", 1)
	}
	add()
	add()
	if diff := cmp.Diff(map[string]int{"observed": 7}, f.Count()); diff != "" {
		t.Error(diff)
	}
}

// What is usual is not reported any more, and what is not usual still is.
func TestUsual(t *testing.T) {
	var f feedback.Features
	f.Kernel(0, []uint32{0x60249843})
	f.Add("verdict", 1)
	f.Usual()
	f.Kernel(0, []uint32{0x602498ac})
	f.Usual()
	if diff := cmp.Diff(map[string]int{}, f.Count()); diff != "" {
		t.Error("after Usual:", diff)
	}
	for range 2 {
		f.Kernel(0, []uint32{0x60249843, 0x602498ac, 0x6026fd3a})
		f.Kernel(1, []uint32{0x60249843})
		f.Add("verdict", 1)
		f.Add("verdict", 2)
		if diff := cmp.Diff(map[string]int{"kernel": 1, "only reference": 1, "observed": 1}, f.Count()); diff != "" {
			t.Error(diff)
		}
		f.Report()
	}
}

// observed are two bridges that treat a packet alike.
func observed() []replay.Observation {
	known := func(value replay.CTBits) replay.CTState {
		return replay.CTState{Value: value, Mask: replay.CTWitnessed}
	}
	observation := func(dp string) replay.Observation {
		return replay.Observation{
			Packets: []replay.PacketWay{{
				Steps:   []replay.Step{{DP: dp}, {Recirc: 1, CTState: replay.CTState{Value: replay.CTTrk, Mask: replay.CTTrk}, DP: dp}},
				Witness: []replay.Step{{DP: dp}, {Recirc: 1, CTState: known(replay.CTTrk | replay.CTNew), DP: dp}},
				Outputs: []replay.Output{{Port: 2}},
			}},
			Conntrack: []replay.ConntrackEntry{{Proto: "icmpv6", Status: []string{"CONFIRMED"}}},
		}
	}
	return []replay.Observation{observation("ovs"), observation("tc")}
}

func TestObserve(t *testing.T) {
	count := func(all ...[]replay.Observation) map[string]int {
		var f feedback.Features
		for _, obs := range all {
			f.Observe(obs)
		}
		return f.Count()
	}
	before := count(observed())["observed"]
	if want := 2 * (2 + 2 + 1 + 1 + 1); before != want {
		t.Fatalf("%d features, want %d: steps, changes, ways, connections and their number", before, want)
	}
	tests := []struct {
		name   string
		change func(other *replay.Observation, way *replay.PacketWay)
		want   int // new features
	}{
		{"nothing", func(*replay.Observation, *replay.PacketWay) {}, 0},
		{"ct_state", func(_ *replay.Observation, way *replay.PacketWay) { way.Witness[1].CTState.Value = replay.CTTrk }, 2},
		{"datapath", func(_ *replay.Observation, way *replay.PacketWay) { way.Steps[1].DP = "ovs" }, 1},
		{"upcall", func(_ *replay.Observation, way *replay.PacketWay) { way.Steps[1].Upcall = true }, 1},
		{"deeper", func(_ *replay.Observation, way *replay.PacketWay) {
			way.Witness = append(way.Witness[:1:1], way.Witness...)
		}, 4},
		{"looped", func(_ *replay.Observation, way *replay.PacketWay) { way.Looped = true }, 2},
		{"dropped", func(_ *replay.Observation, way *replay.PacketWay) { way.Outputs = nil }, 2},
		{"changed", func(_ *replay.Observation, way *replay.PacketWay) { way.Outputs[0].Changed = true }, 2},
		{"to another port", func(_ *replay.Observation, way *replay.PacketWay) { way.Outputs[0].Port = 3 }, 0},
		{"protocol", func(o *replay.Observation, _ *replay.PacketWay) { o.Conntrack[0].Proto = "udp" }, 1},
		{"state", func(o *replay.Observation, _ *replay.PacketWay) { o.Conntrack[0].State = "ESTABLISHED" }, 1},
		{"status", func(o *replay.Observation, _ *replay.PacketWay) { o.Conntrack[0].Status = nil }, 1},
		{"another like it", func(o *replay.Observation, _ *replay.PacketWay) {
			o.Conntrack = append(o.Conntrack, o.Conntrack[0])
		}, 1},
		{"time", func(o *replay.Observation, _ *replay.PacketWay) { o.Conntrack[0].Timeout = 29 }, 0},
		{"crash", func(o *replay.Observation, _ *replay.PacketWay) { o.Crash = "BUG" }, 1},
		{"kernel log", func(o *replay.Observation, _ *replay.PacketWay) { o.KernelLog = []string{"WARNING"} }, 1},
		{"packet missing", func(o *replay.Observation, _ *replay.PacketWay) { o.Packets = nil }, 0},
		{"packet too many", func(o *replay.Observation, _ *replay.PacketWay) { o.Packets = append(o.Packets, o.Packets[0]) }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			obs := observed()
			test.change(&obs[1], &obs[1].Packets[0])
			if got := count(observed(), obs)["observed"] - before; got != test.want {
				t.Errorf("%d new features, want %d", got, test.want)
			}
		})
	}
}

// What kernels ran is in observations, of packets or of all at once.
func TestObserveKernel(t *testing.T) {
	obs := observed()
	obs[0].Packets[0].Covered = []uint32{0x60249843}
	obs[1].Packets[0].Covered = []uint32{0x60249843}
	obs[1].Covered = []uint32{0x602498ac}
	var f feedback.Features
	f.Observe(obs)
	got := f.Count()
	delete(got, "observed")
	if diff := cmp.Diff(map[string]int{"kernel": 2, "only other": 1}, got); diff != "" {
		t.Error(diff)
	}
}

// addresses are as many as a trace of four packets runs.
func addresses() []uint32 {
	random := rand.New(rand.NewPCG(1, 2))
	pcs := make([]uint32, 1500)
	for i := range pcs {
		pcs[i] = 0x60240000 + random.Uint32N(1<<20)
	}
	return pcs
}

func BenchmarkKernel(b *testing.B) {
	var f feedback.Features
	pcs := addresses()
	for b.Loop() {
		f.Kernel(0, pcs)
	}
}

// BenchmarkReport reports all that a trace shows, or what is not usual of it.
func BenchmarkReport(b *testing.B) {
	pcs := addresses()
	for name, usual := range map[string]int{"all": 0, "unusual": len(pcs) * 6 / 7} {
		b.Run(name, func(b *testing.B) {
			var f feedback.Features
			f.Kernel(0, pcs[:usual])
			f.Kernel(1, pcs[:usual])
			f.Usual()
			for b.Loop() {
				f.Kernel(0, pcs)
				f.Kernel(1, pcs)
				f.Report()
			}
		})
	}
}

func BenchmarkObserve(b *testing.B) {
	var f feedback.Features
	obs := observed()
	for i := range obs {
		for range 3 {
			obs[i].Packets = append(obs[i].Packets, obs[i].Packets[0])
		}
	}
	for b.Loop() {
		f.Observe(obs)
	}
}
