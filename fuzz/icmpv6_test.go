package fuzz_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/fuzz/campaign"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab/labtest"
)

// FuzzICMPv6 has ICMPv6 packets of every type meet the pipeline of the founding
// report. Its only seed is the empty input: what it finds, it found itself.
func FuzzICMPv6(f *testing.F) {
	f.Add([]byte{})
	labtest.Fuzz(f, fuzz.Founding())
}

// FuzzEcho has an echo request, its reply, and both again, with an id and a sequence
// number of the fuzzer's: traces of four packets, by which BenchmarkFuzzer measures
// how fast the fuzzer is.
func FuzzEcho(f *testing.F) {
	f.Add([]byte{})
	labtest.FuzzWith(f, fuzz.Founding(), func(data []byte, pipeline replay.Pipeline) replay.Trace {
		const once, reply = 2, 0x13
		var both [32]byte // two rows of docs/grammar.md
		both[1], both[16], both[17] = once, reply, once
		copy(both[9:15], data)
		return fuzz.Decode(slices.Repeat(both[:], 2), pipeline)
	})
}

var execsLine = regexp.MustCompile(`execs: (\d+) `)

// BenchmarkFuzzer tells how many traces of four packets go test -fuzz screens a
// second, by its own count: with the kernels' coverage as a lead, and without.
func BenchmarkFuzzer(b *testing.B) {
	for _, coverage := range []string{"guide", "off"} {
		b.Run(coverage, func(b *testing.B) {
			const seconds = 20
			execs := 0.0
			for b.Loop() {
				cmd := exec.CommandContext(b.Context(), "go", "test", "-run=^$", "-fuzz=^FuzzEcho$", fmt.Sprintf("-fuzztime=%ds", seconds), "-fuzzminimizetime=1x", ".")
				cmd.Env = append(os.Environ(), campaign.CoverageEnv+"="+coverage)
				out, err := cmd.CombinedOutput()
				lines := execsLine.FindAllStringSubmatch(string(out), -1)
				if err != nil || len(lines) == 0 {
					b.Fatalf("go test -fuzz: %v\n%s", err, out)
				}
				n, err := strconv.Atoi(lines[len(lines)-1][1])
				if err != nil {
					b.Fatal(err)
				}
				execs += float64(n)
			}
			b.ReportMetric(execs/float64(b.N*seconds), "execs/s")
		})
	}
}
