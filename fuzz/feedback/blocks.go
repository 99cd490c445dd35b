package feedback

import "slices"

// blocks do nothing, but each has a counter of its own in a binary that go
// test -fuzz has built: the compiler counts how often the body of a function
// runs (orderState.edge in cmd/compile/internal/walk). Blocks are functions,
// not cases of a switch, since what surrounds a case is counted as well.
//
// Sixteen of them are written down. The compiler makes a generic function, and
// the functions in it, once more for each type argument of another layout; what
// an argument means here is a place in the list. TestBlocks shows that no two
// have become one.
//
// Each counter costs 1.2 ns an execution, in which Go's fuzzer clears, rounds
// and compares all that there are, and 8192 take three seconds to compile. There
// are two features for each. Traces that meet a simple pipeline run some 1200
// addresses of a kernel in all, of which one in thirteen is not told from
// another: of a piece of code that has three, next to none.
var blocks = slices.Concat(blocks4096[[0]byte](), blocks4096[[1]byte]())

func blocks4096[T any]() []func() {
	return slices.Concat(
		blocks256[[0]T](), blocks256[[1]T](), blocks256[[2]T](), blocks256[[3]T](),
		blocks256[[4]T](), blocks256[[5]T](), blocks256[[6]T](), blocks256[[7]T](),
		blocks256[[8]T](), blocks256[[9]T](), blocks256[[10]T](), blocks256[[11]T](),
		blocks256[[12]T](), blocks256[[13]T](), blocks256[[14]T](), blocks256[[15]T]())
}

func blocks256[T any]() []func() {
	return slices.Concat(
		blocks16[[0]T](), blocks16[[1]T](), blocks16[[2]T](), blocks16[[3]T](),
		blocks16[[4]T](), blocks16[[5]T](), blocks16[[6]T](), blocks16[[7]T](),
		blocks16[[8]T](), blocks16[[9]T](), blocks16[[10]T](), blocks16[[11]T](),
		blocks16[[12]T](), blocks16[[13]T](), blocks16[[14]T](), blocks16[[15]T]())
}

func blocks16[T any]() []func() {
	return []func(){
		func() {}, func() {}, func() {}, func() {},
		func() {}, func() {}, func() {}, func() {},
		func() {}, func() {}, func() {}, func() {},
		func() {}, func() {}, func() {}, func() {},
	}
}
