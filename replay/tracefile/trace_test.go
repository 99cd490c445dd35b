package tracefile

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
)

var foundingRules = replay.Pipeline{
	"table=0,in_port=p1,ct_state=-trk,ipv6,actions=ct(table=1)",
	"table=0,in_port=p2,ct_state=-trk,ipv6,actions=ct(table=1)",
	"table=1,in_port=p1,ct_state=+trk+new,ipv6,actions=ct(commit),output:p2",
	"table=1,in_port=p2,ct_state=+trk+new,ipv6,actions=ct(commit),output:p1",
	"table=1,in_port=p1,ct_state=+trk+est,ipv6,actions=output:p2",
	"table=1,in_port=p2,ct_state=+trk+est,ipv6,actions=output:p1",
}

// solicitation is the neighbor solicitation of the founding report.
var solicitation = unhex("3333ff000002" + "020000000001" + "86dd" +
	"60000000" + "0020" + "3a" + "ff" +
	"20010db80000f1010000000000000001" + "ff0200000000000000000001ff000002" +
	"8700" + "3a23" + "00000000" + "20010db80000f1010000000000000002" +
	"0101020000000001")

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func foundingTrace() replay.Trace {
	return replay.Trace{Pipeline: foundingRules, Packets: []replay.Packet{
		{Port: 1, Frame: solicitation},
		{Port: 1, Gap: 800 * time.Millisecond, Frame: solicitation},
		{Port: 2, Gap: 1, Frame: solicitation[:61]},
	}}
}

// diff is cmp.Diff, which takes seconds to find two large traces equal.
func diff(want, got replay.Trace) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

func mustEncode(t testing.TB, trace replay.Trace) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, trace); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
