package fuzz_test

import (
	"testing"

	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/replay/lab/labtest"
)

// FuzzICMPv6 has ICMPv6 packets of every type meet the pipeline of the founding
// report. Its only seed is the empty input: what it finds, it found itself.
func FuzzICMPv6(f *testing.F) {
	f.Add([]byte{})
	labtest.Fuzz(f, fuzz.Founding())
}
