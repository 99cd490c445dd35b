package lab_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ctdiff/ctdiff/fuzz/campaign"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/labtest"
)

// benchProfile is the profile that the benchmarks run on.
func benchProfile(b *testing.B) string {
	b.Helper()
	s, err := campaign.FromEnv()
	if err != nil {
		b.Fatal(err)
	}
	return s.Profile
}

// fourPackets is a trace of an echo, its reply, and both once more.
func fourPackets(b *testing.B) replay.Trace {
	b.Helper()
	return parse(b, oracletest.Pipeline(), `
p1 +0s icmp6 echo-request 2001:db8::1 > 2001:db8::2 id 7
p2 +0s icmp6 echo-reply 2001:db8::2 > 2001:db8::1 id 7
p1 +0s icmp6 echo-request 2001:db8::1 > 2001:db8::2 id 7
p2 +0s icmp6 echo-reply 2001:db8::2 > 2001:db8::1 id 7
`)
}

// BenchmarkOpen boots both bridges until they take packets.
func BenchmarkOpen(b *testing.B) {
	img := labtest.Image(b, benchProfile(b))
	for b.Loop() {
		opened, err := lab.OpenAll(b.Context(), lab.SidesOf(img, lab.Bridges()...)...)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		for _, bridge := range opened {
			if err := bridge.Close(); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
	}
}

// BenchmarkPurged replays on both bridges, and tells the resident memory of the
// larger guest after that.
func BenchmarkPurged(b *testing.B) {
	bridges, trace := openBridges(b, benchProfile(b)), fourPackets(b)
	replayAll(b, bridges, trace, replay.Purged)
	for b.Loop() {
		replayAll(b, bridges, trace, replay.Purged)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "replays/s")
	largest := 0.0
	for _, r := range bridges {
		largest = max(largest, residentMiB(b, r.(*lab.Bridge).GuestPID()))
	}
	b.ReportMetric(largest, "MiB/guest")
}

// BenchmarkBooted replays on both bridges, in guests booted for it.
func BenchmarkBooted(b *testing.B) {
	bridges, trace := openBridges(b, benchProfile(b)), fourPackets(b)
	for b.Loop() {
		replayAll(b, bridges, trace, replay.Booted)
	}
}

func residentMiB(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kib float64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}

// BenchmarkWarm replays at level warm, without the kernel's coverage and with
// it.
func BenchmarkWarm(b *testing.B) {
	for _, bench := range []struct {
		name  string
		cover lab.Cover
	}{{"plain", lab.CoverNothing}, {"cover", lab.CoverTrace}} {
		b.Run(bench.name, func(b *testing.B) {
			bridges, trace := openBridges(b, benchProfile(b)), fourPackets(b)
			for _, r := range bridges {
				r.(*lab.Bridge).Cover(bench.cover)
			}
			replayAll(b, bridges, trace, replay.Warm)
			for b.Loop() {
				replayAll(b, bridges, trace, replay.Warm)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "replays/s")
		})
	}
}

// BenchmarkWarmMixed replays what random inputs decode to, without gaps.
func BenchmarkWarmMixed(b *testing.B) {
	bridges := openBridges(b, benchProfile(b))
	list := mixed(b, 500)
	for _, t := range list {
		replayAll(b, bridges, t, replay.Warm)
	}
	cold, i := 0, 0
	for b.Loop() {
		for _, o := range replayAll(b, bridges, list[i%len(list)], replay.Warm) {
			if o.Level != replay.Warm {
				cold++
			}
		}
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "replays/s")
	b.ReportMetric(100*float64(cold)/float64(2*i), "%cold")
}
