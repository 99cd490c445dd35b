package fuzz_test

import (
	"fmt"
	"os"
	"slices"

	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

func Example() {
	// Two rows: a neighbor solicitation sent once, and the reply to it.
	data := make([]byte, 32)
	data[0], data[1] = 0x02, 2
	data[16], data[17] = 0x13, 2
	trace := fuzz.Decode(data, nil)
	if err := tracetext.Format(os.Stdout, trace); err != nil {
		fmt.Println(err)
	}
	again, err := fuzz.Encode(trace)
	fmt.Println(slices.Equal(data, again), err)
	// Output:
	// p1 +0s icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2
	// p2 +0s icmp6 na 2001:db8:0:f101::2 > 2001:db8:0:f101::1
	// true <nil>
}
