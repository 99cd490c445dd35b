package tracefile_test

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

func Example() {
	frame := make([]byte, 60)
	trace := replay.Trace{
		Pipeline: replay.Pipeline{"in_port=p1,actions=output:p2"},
		Packets: []replay.Packet{
			{Port: 1, Frame: frame},
			{Port: 1, Gap: 800 * time.Millisecond, Frame: frame},
		},
	}
	var file bytes.Buffer
	if err := tracefile.Encode(&file, trace); err != nil {
		fmt.Println(err)
		return
	}
	again, err := tracefile.Decode(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(again.Pipeline[0])
	fmt.Println(again.Packets[1].Port, again.Packets[1].Gap)
	fmt.Println(tracefile.Hash(again) == tracefile.Hash(trace))
	// Output:
	// in_port=p1,actions=output:p2
	// p1 800ms
	// true
}

func ExampleParsePipeline() {
	pipeline, err := tracefile.ParsePipeline(strings.NewReader(`
# track, then let all pass
table=0,ct_state=-trk,ipv6,actions=ct(table=1)
table=1,actions=normal
`))
	fmt.Println(len(pipeline), err)
	// Output: 2 <nil>
}
