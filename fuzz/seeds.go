package fuzz

import (
	"time"

	"github.com/ctdiff/ctdiff/replay"
)

// Founding returns the rules of the report that ctdiff began with:
// "tc-conntrack: inconsistent behaviour with icmpv6", ovs-dev, 10 March 2021.
func Founding() replay.Pipeline {
	return replay.Pipeline{
		"table=0,in_port=p1,ct_state=-trk,ipv6,actions=ct(table=1)",
		"table=0,in_port=p2,ct_state=-trk,ipv6,actions=ct(table=1)",
		"table=1,in_port=p1,ct_state=+trk+new,ipv6,actions=ct(commit),output:p2",
		"table=1,in_port=p2,ct_state=+trk+new,ipv6,actions=ct(commit),output:p1",
		"table=1,in_port=p1,ct_state=+trk+est,ipv6,actions=output:p2",
		"table=1,in_port=p2,ct_state=+trk+est,ipv6,actions=output:p1",
	}
}

// Seeds returns inputs to begin fuzzing with. The first is the trace of the
// founding report: a neighbor solicitation that enters p1 three times, 0.8 s
// apart. The others are an echo and its reply, a message of each class of
// ICMPv6 types, and an echo in fragments.
func Seeds() [][]byte {
	const once = 2
	again := row{atOp: opRepeat, atFlow: once}
	again.setGap(800 * time.Millisecond)
	return [][]byte{
		seed(row{atOp: opSolicitation, atFlow: once}, again, again),
		seed(row{}, row{atOp: opReply}),
		// A reply, and once more when ICMPv6's timeout of 30 s is over.
		seed(row{}, row{atOp: opReply}, row{atOp: opReply, atGap: 0xf7, atOwn: 1}),
		seed(row{}, row{atOp: opUnreachable}),                                // an error about an echo
		seed(row{}, row{atOp: opReply}, row{atOp: opPacketTooBig, atOwn: 1}), // about an answered one
		seed(row{}, row{atOp: opTimeExceeded, atOwn + 1: quoteShort, atOwn + 2: 44}),
		seed(row{}, row{atOp: opParameterProblem, atOwn + 1: quoteOtherID}),
		seed(row{atOp: opSolicitation}, row{atOp: opReply}),             // neighbor
		seed(row{atOp: opRouterSolicitation}, row{atOp: opReply}),       // and router discovery
		seed(row{}, row{atOp: opRedirect, atOwn + 3: 0x84}),             // redirect that quotes
		seed(row{atOp: opQuery}, row{atOp: opReply}, row{atOp: opDone}), // MLDv1
		seed(row{atOp: opQuery, atOwn + 2: version2 | 2}, row{atOp: opReport2}),
		seed(row{atOp: opInformationQuery}, row{atOp: opReply}), // node information
		seed(row{atOp: opAny, atOwn: 152}, row{atOp: opReply}),
		seed(row{atOp: opAny, atOwn: 200}),
		seed(row{atDelivery: inFragments << 3, atPayload: 26}, row{atOp: opReply}),
		seed(row{atDelivery: inReverse << 3, atPayload: 26}, row{atOp: opReply}),
		seed(row{atChain: oneExtension | fragmentHeader}),
		seed(row{atChain: moreExtensions + hopByHop + routing<<2 + destOpts<<4}),
		seed(row{atSpoil: irregular | spoilChecksum}),
		seed(row{atSpoil: irregular | byte(firstTag)<<4}),
	}
}

func seed(rows ...row) []byte {
	var b []byte
	for _, r := range rows {
		b = append(b, r[:]...)
	}
	return b
}
