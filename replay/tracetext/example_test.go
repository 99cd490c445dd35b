package tracetext_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/ctdiff/ctdiff/replay/tracetext"
)

func Example() {
	trace, err := tracetext.Parse(strings.NewReader(`
rule table=0,in_port=p1,ct_state=-trk,ipv6,actions=ct(table=1)
p1 +0s    icmp6 ns 2001:db8::1 > ff02::1:ff00:2 target 2001:db8::2 hlim 255
p1 +800ms hex ffffffffffff0200000000010806
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(trace.Packets[0].Frame), "bytes")
	if err := tracetext.Format(os.Stdout, trace); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 86 bytes
	// rule table=0,in_port=p1,ct_state=-trk,ipv6,actions=ct(table=1)
	// p1 +0s icmp6 ns 2001:db8::1 > ff02::1:ff00:2 target 2001:db8::2
	// p1 +800ms hex ffffffffffff0200000000010806
}
