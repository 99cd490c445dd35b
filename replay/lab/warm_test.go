package lab_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

// shared is the part of an observation that levels warm and purged both have.
func shared(o replay.Observation) replay.Observation {
	o.Flows, o.KernelLog = nil, nil
	o.Packets = slices.Clone(o.Packets)
	for i := range o.Packets {
		way := &o.Packets[i]
		way.Steps = nil
		// What is known of a packet before it comes from conntrack is that it
		// has not been there.
		way.Witness = slices.DeleteFunc(slices.Clone(way.Witness), func(s replay.Step) bool { return s.Recirc == 0 })
	}
	return o
}

// TestWarmIsPurged replays a thousand mixed traces at both levels, warm in
// another order than purged. The kernel has no bug that these show: with one,
// what becomes of the first packet of a flow would depend on the level.
func TestWarmIsPurged(t *testing.T) {
	const traces = 1000
	random := rand.New(rand.NewPCG(7, 7))
	list := mixed(t, traces)
	bridges := openBridges(t, "debian-13")
	purged := make([][]replay.Observation, traces)
	for i, trace := range list {
		purged[i] = replayAll(t, bridges, trace, replay.Purged)
	}
	cold := 0
	for _, i := range random.Perm(traces) {
		warm := replayAll(t, bridges, list[i], replay.Warm)
		for b := range warm {
			if warm[b].Level != replay.Warm {
				cold++
			}
			v := oracle.Compare(list[i], []replay.Observation{shared(purged[i][b]), shared(warm[b])})
			if v.Outcome != oracle.Agree {
				t.Errorf("trace %d: %s is another at level warm (#2) than purged: %s %s\n%s", i, warm[b].Bridge, v.Signature, v.Reason, traceText(t, list[i]))
			}
		}
	}
	if most := traces / 10; cold > most {
		t.Errorf("%d replays of %d were not at level warm, more than %d", cold, 2*traces, most)
	}
}

// mixed returns what random inputs decode to, with the founding rules and without
// gaps.
func mixed(t testing.TB, n int) (list []replay.Trace) {
	t.Helper()
	source := rand.NewChaCha8([32]byte{7})
	for range n {
		data := make([]byte, 64)
		_, _ = source.Read(data)
		trace := fuzz.Decode(data, fuzz.Founding())
		for i := range trace.Packets {
			trace.Packets[i].Gap = 0
		}
		list = append(list, trace)
	}
	return list
}

func traceText(t *testing.T, trace replay.Trace) string {
	t.Helper()
	var b strings.Builder
	if err := tracetext.Format(&b, trace); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
