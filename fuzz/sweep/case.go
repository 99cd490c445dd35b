package sweep

import (
	"fmt"

	"github.com/ctdiff/ctdiff/fuzz"
	"github.com/ctdiff/ctdiff/replay"
)

// A Case is an ICMPv6 type and code, sent twice: the first packet of a flow takes
// the upcall path.
//
// A packet goes from the host at p1 to that at p2. An error, which is a type
// below 128, and a redirect go from p2 to p1, and quote an echo request that was
// sent from p1 to p2, or would have been.
type Case struct {
	Type, Code uint8
	// Connected says that an echo request from p1 and its reply come first. So
	// there is a connection, with the addresses and the id that the packet has,
	// or, if it is an error, that it is about.
	Connected bool
}

// String returns the case's type and code: "135/0", or with a connection "135/0
// connected".
func (c Case) String() string {
	if c.Connected {
		return fmt.Sprintf("%d/%d connected", c.Type, c.Code)
	}
	return fmt.Sprintf("%d/%d", c.Type, c.Code)
}

// Codes is the number of codes that a type has.
const Codes = 256

// Cases returns those of all codes of some types, the ones without a connection
// first.
func Cases(types []uint8) []Case {
	cases := make([]Case, 0, 2*Codes*len(types))
	for _, connected := range []bool{false, true} {
		for _, t := range types {
			for code := range Codes {
				cases = append(cases, Case{t, uint8(code), connected})
			}
		}
	}
	return cases
}

// AllTypes returns the types from 0 to 255.
func AllTypes() []uint8 {
	types := make([]uint8, 256)
	for i := range types {
		types[i] = uint8(i)
	}
	return types
}

// Types of ICMPv6 messages (RFC 4443 and 4861).
const (
	echoRequest        = 128
	echoReply          = 129
	redirect           = 137
	firstInformational = 128
)

// quotes reports whether messages of the type quote a packet.
func (c Case) quotes() bool { return c.Type < firstInformational || c.Type == redirect }

// answered is an echo request of which each port has seen a part.
var answered = Case{Type: echoRequest, Connected: true}

// Number of packets in a case: the packet itself twice, and before it what makes
// the connection.
const (
	copies      = 2
	connections = 2
)

func (c Case) size() int { return copies + c.before() }

func (c Case) before() int {
	if c.Connected {
		return connections
	}
	return 0
}

// mostSlots is the number of places in a trace for which there are hosts.
const mostSlots = 127

// slotOf returns the place of which a host is one of the two.
func slotOf(host uint8) int { return int(host-1) / 2 }

// appendPackets appends the case's packets with the hosts of a place in a trace.
func (c Case) appendPackets(list []replay.Packet, slot int) []replay.Packet {
	near, far := uint8(2*slot+1), uint8(2*slot+2)
	message := func(port replay.Port, kind, code, from, to uint8, about []byte) replay.Packet {
		frame := fuzz.Message(kind, code, from, to, about)
		// All have the Ethernet addresses of two hosts. What rules, or the
		// copy that marks packets, look at would otherwise make flows for
		// each.
		frame[11] = uint8(port)
		if frame[0]&1 == 0 {
			frame[5] = uint8(port) ^ 3
		}
		return replay.Packet{Port: port, Frame: frame}
	}
	request := message(1, echoRequest, 0, near, far, nil)
	if c.Connected {
		list = append(list, request, message(2, echoReply, 0, far, near, nil))
	}
	var p replay.Packet
	if c.quotes() {
		p = message(2, c.Type, c.Code, far, near, request.Frame)
	} else {
		p = message(1, c.Type, c.Code, near, far, nil)
	}
	return append(list, p, p)
}

// Trace returns the case alone, with the given pipeline.
func (c Case) Trace(pipeline replay.Pipeline) replay.Trace {
	return replay.Trace{Pipeline: pipeline, Packets: c.appendPackets(nil, 0)}
}

// traceAfterEcho returns the case after an echo between two other hosts, so that
// TC has the flows at which packets enter.
func (c Case) traceAfterEcho(pipeline replay.Pipeline) replay.Trace {
	return replay.Trace{Pipeline: pipeline, Packets: c.appendPackets(answered.appendPackets(nil, 1), 0)}
}
