package feedback_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ctdiff/ctdiff/fuzz/feedback"
)

// seedsEnv says how many of its inputs FuzzFeature is given, and offEnv that
// FuzzNew reports nothing.
const (
	seedsEnv = "CTDIFF_TEST_SEEDS"
	offEnv   = "CTDIFF_TEST_OFF"
)

// An input of FuzzFeature is every second feature of a word, each in a block of
// its own: so many are run once or twice by any of them.
const (
	inputs   = 2 * feedback.AllWords
	perInput = 64 / 2
)

func FuzzFeature(f *testing.F) {
	seeds, _ := strconv.Atoi(os.Getenv(seedsEnv))
	for i := range seeds {
		f.Add(uint16(i))
	}
	f.Fuzz(func(_ *testing.T, i uint16) {
		const everySecond = 0x5555_5555_5555_5555
		feedback.Run(int(i/2)%feedback.AllWords, everySecond<<(i%2))
	})
}

// Inputs of FuzzNew have one of two features that share a block, the other, both,
// or none, for some blocks. There is no branch but those of the blocks.
const (
	someBlocks = 8
	sets       = 4
)

func FuzzNew(f *testing.F) {
	f.Add(uint8(0))
	if os.Getenv(offEnv) != "" {
		f.Fuzz(func(*testing.T, uint8) {})
		return
	}
	f.Fuzz(func(_ *testing.T, b uint8) {
		feedback.Run(0, uint64(b%sets)<<(b/sets%someBlocks*2))
	})
}

// TestFuzzer shows what Go's own fuzzer makes of features.
func TestFuzzer(t *testing.T) {
	fuzzer := buildFuzzer(t)

	// Two inputs with the same blocks, and all. What any two have in common
	// does not count.
	two, all := fuzzer.coverage(t, 2), fuzzer.coverage(t, inputs)
	if got, want := all-two, (inputs-2)*perInput; got != want {
		t.Errorf("%d features are %d bits of coverage, want %d", want, got, want)
	}
	if got := fuzzer.kept(t); got != someBlocks*(sets-1) {
		t.Errorf("%d inputs kept, want one for each of %d sets of features", got, someBlocks*(sets-1))
	}
	if got := fuzzer.kept(t, offEnv+"=1"); got != 0 {
		t.Errorf("%d inputs kept without feedback, want none", got)
	}
}

// A fuzzer is a binary such as go test -fuzz makes, but with counters in this
// package only: those of the standard library depend on time as well.
type fuzzer string

func buildFuzzer(t *testing.T) fuzzer {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "fuzzer")
	if out, err := exec.Command("go", "test", "-c", "-gcflags=-d=libfuzzer", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	return fuzzer(binary)
}

// run fuzzes in one worker and returns the number that pattern finds last.
func (f fuzzer) run(t *testing.T, target, times, pattern string, env ...string) int {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(string(f), "-test.run=^$", "-test.fuzz=^"+target+"$", "-test.fuzztime="+times, "-test.fuzzcachedir="+dir, "-test.parallel=1")
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GODEBUG=fuzzdebug=1"), env...)
	out, err := cmd.CombinedOutput()
	found := regexp.MustCompile(pattern).FindAllStringSubmatch(string(out), -1)
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	n, err := strconv.Atoi(found[len(found)-1][1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// coverage returns how many bits of coverage the first inputs of FuzzFeature have.
func (f fuzzer) coverage(t *testing.T, inputs int) int {
	t.Helper()
	times := strconv.Itoa(inputs+10) + "x" // they are among those counted
	return f.run(t, "FuzzFeature", times, `initial coverage bits: (\d+)`, seedsEnv+"="+strconv.Itoa(inputs))
}

// kept returns how many inputs of FuzzNew Go's fuzzer keeps as interesting.
func (f fuzzer) kept(t *testing.T, env ...string) int {
	t.Helper()
	return f.run(t, "FuzzNew", "5000x", `new interesting: (\d+)`, env...)
}
