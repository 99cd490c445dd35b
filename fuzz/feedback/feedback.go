// Package feedback leads Go's fuzzer by what it cannot see: the code that
// kernels ran, and what was observed on the bridges.
//
// Go's fuzzer looks at counters in Go code only, one for each block: of the
// value of each, rounded down to a power of two, it remembers one bit, and it
// keeps an input that sets a bit which none before did
// (internal/fuzz/coverage.go). So this package has a few thousand blocks, and
// runs those that stand for what an input has shown.
//
//	var shown feedback.Features // one for each worker
//	...
//	shown.Observe(observations)
//	shown.Report()
//
// Whoever wants no such lead does not call it. Without -fuzz it has no effect.
package feedback

import "math/bits"

// Features are hashed to bits, two for each block, which lie in this order: what
// code was run on any bridge, on the reference only, on others only; what was
// observed. Numbers are of words of 64 bits.
const (
	kernelWords   = 128
	onlyWords     = 48
	observedWords = 32

	onlyReference = kernelWords
	onlyOther     = onlyReference + onlyWords
	firstObserved = onlyOther + onlyWords
	allWords      = firstObserved + observedWords
)

// Features are what one input has shown: a set. The zero value is empty. Not for
// use by several goroutines at once.
type Features struct {
	reference, other [kernelWords]uint64
	observed         [observedWords]uint64
	usual            [allWords]uint64
}

// Kernel adds that the kernel of a bridge ran code at some addresses, in any
// order and any number of times. Bridge 0 is the reference. Which code was run
// on it and on no other, or on others and not on it, is a feature as well.
func (f *Features) Kernel(bridge int, pcs []uint32) {
	set := &f.other
	if bridge == 0 {
		set = &f.reference
	}
	for _, pc := range pcs {
		i := scale(pc*0x9e3779b1, kernelWords) // Knuth's multiplicative hashing
		set[i/64] |= 1 << (i % 64)
	}
}

// Add adds a feature that a name and some values make up, such as a verdict's
// signature. Observe adds what observations show.
func (f *Features) Add(name string, values ...uint64) {
	h := hash(name)
	for _, v := range values {
		h = mix(h ^ v)
	}
	i := scale(uint32(h>>32), observedWords)
	f.observed[i/64] |= 1 << (i % 64)
}

// Usual empties f, and has Report leave out from now on what was in it: features
// of a plain input, which most others have as well. Six in seven of what a trace
// shows are those of an echo request, and to report takes as much less time.
func (f *Features) Usual() {
	usual := f.words()
	for i := range usual {
		usual[i] |= f.usual[i]
	}
	*f = Features{usual: usual}
}

// Report runs the blocks of all features in f, for Go's fuzzer to see, and
// empties f. It is called once for an input.
//
// Besides new features it is new to Go's fuzzer when their number reaches a new
// power of two, which it does a few times in all.
func (f *Features) Report() {
	words := f.words()
	run(&words)
	*f = Features{usual: f.usual}
}

// words returns the bits of f that are not usual.
func (f *Features) words() (words [allWords]uint64) {
	for i := range kernelWords {
		reference, other := f.reference[i], f.other[i]
		words[i] = reference | other
		words[onlyReference+i%onlyWords] |= reference &^ other
		words[onlyOther+i%onlyWords] |= other &^ reference
	}
	copy(words[firstObserved:], f.observed[:])
	for i, usual := range f.usual {
		words[i] &^= usual
	}
	return words
}

// times is how often a block is run for a pair of features: for each that is not
// empty, Go's fuzzer sees another bit, so that neither feature hides the other.
var times = [4]int{0: 0, 0b01: 1, 0b10: 2, 0b11: 4}

// run runs the blocks of pairs of bits. It compares no integers: in a binary for
// fuzzing that is a call (walkCompare in cmd/compile/internal/walk).
func run(words *[allWords]uint64) {
	const low = 0x5555_5555_5555_5555 // of each pair
	for i, word := range words {
		pairs := (word | word>>1) & low
		for range bits.OnesCount64(pairs) {
			at := bits.TrailingZeros64(pairs)
			pairs &= pairs - 1
			block := blocks[i*32+at/2]
			for range times[word>>at&3] {
				block()
			}
		}
	}
}

// scale maps a hash to the bits of some words.
func scale(hash uint32, words uint64) uint64 { return uint64(hash) * (words * 64) >> 32 }

// hash is FNV-1a, the same in every process: those of a fuzzer have to agree.
func hash(text string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 0x100000001b3
	}
	return mix(h)
}

// mix is the finalizer of SplitMix64, which has each bit of h change half of
// those that it returns.
func mix(h uint64) uint64 {
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
