package fuzz

import "github.com/ctdiff/ctdiff/replay"

// GrammarVersion goes up when opcodes that had no meaning of their own get one.
//
// Until then such an opcode, 0x20 to 0xef and 0xf0 to 0xfc, stands for that of
// its five low bits. Everything else about the grammar stays as it is for good,
// so bytes whose opcodes are all below 0x20 or above 0xfc mean the same in
// every version; [Encode] writes no others. Bytes that must outlive a version
// are therefore kept as Encode(Decode(bytes)).
const GrammarVersion = 1

// Opcodes that make no packet by themselves, or not by the grammar.
const (
	opLimit = 0xfd // the trace may have more than 16 packets
	opWait  = 0xfe // a gap to the nanosecond before the next row
	opRaw   = 0xff // a frame as it is, in the rows that follow
)

// An operation is what the packet of a row is.
type operation struct {
	name string
	// kind is the ICMPv6 type; 0 if the row or an earlier packet has it.
	kind uint8
	// of is what the packet is made from.
	of    origin
	build func(s scene, kind uint8) message
	// set is the inverse of build: it puts into a row what gives a message.
	// It need not be right, for what it says is tried. Operations without
	// it are not looked for.
	set func(s scene, r *row, body []byte) bool
}

type origin int

const (
	fresh  origin = iota // of nothing, from p1 unless the row says otherwise
	open                 // the same, and the type is in the row
	answer               // of an earlier packet, from the other side
	again                // of an earlier packet, from the same side
)

// Opcodes that make a packet. They count from 0 on.
const (
	opEchoRequest = iota
	opEchoReply
	opSolicitation
	opAdvertisement
	opRouterSolicitation
	opRouterAdvertisement
	opRedirect
	opQuery
	opReport
	opDone
	opReport2
	opUnreachable
	opPacketTooBig
	opTimeExceeded
	opParameterProblem
	opInformationQuery
	opInformationReply
	opAny
	opAssigned
	opReply
	opRepeat
	opVary
)

// operations is by opcode. The last ten are there a second time, to be met more
// often.
var operations = [32]operation{
	opEchoRequest:         {"echo-request", typeEchoRequest, fresh, echo, setEcho},
	opEchoReply:           {"echo-reply", typeEchoReply, fresh, echo, setEcho},
	opSolicitation:        {"neighbor-solicitation", typeSolicitation, fresh, solicitation, setSolicitation},
	opAdvertisement:       {"neighbor-advertisement", typeAdvertisement, fresh, advertisement, setAdvertisement},
	opRouterSolicitation:  {"router-solicitation", typeRouterSolicitation, fresh, routerSolicitation, setRouterSolicitation},
	opRouterAdvertisement: {"router-advertisement", typeRouterAdvert, fresh, routerAdvertisement, setRouterAdvertisement},
	opRedirect:            {"redirect", typeRedirect, fresh, redirect, setRedirect},
	opQuery:               {"mld-query", typeQuery, fresh, query, setQuery},
	opReport:              {"mld-report", typeReport, fresh, report, setReport},
	opDone:                {"mld-done", typeDone, fresh, done, setReport},
	opReport2:             {"mld2-report", typeReport2, fresh, report2, setReport2},
	opUnreachable:         {"unreachable", typeUnreachable, answer, problem, setProblem},
	opPacketTooBig:        {"packet-too-big", typePacketTooBig, answer, problem, setProblem},
	opTimeExceeded:        {"time-exceeded", typeTimeExceeded, answer, problem, setProblem},
	opParameterProblem:    {"parameter-problem", typeParameterProblem, answer, problem, setProblem},
	opInformationQuery:    {"information-query", typeInformationQuery, fresh, information, setInformation},
	opInformationReply:    {"information-reply", typeInformationReply, fresh, information, setInformation},
	opAny:                 {"any", 0, open, anything, setAnything},
	opAssigned:            {"assigned", 0, open, assigned, nil},
	opReply:               {"reply", 0, answer, reply, nil},
	opRepeat:              {"repeat", 0, again, repeat, nil},
	opVary:                {"vary", 0, again, vary, nil},

	{"echo-request", typeEchoRequest, fresh, echo, nil},
	{"echo-request", typeEchoRequest, fresh, echo, nil},
	{"neighbor-solicitation", typeSolicitation, fresh, solicitation, nil},
	{"unreachable", typeUnreachable, answer, problem, nil},
	{"any", 0, open, anything, nil},
	{"assigned", 0, open, assigned, nil},
	{"reply", 0, answer, reply, nil},
	{"reply", 0, answer, reply, nil},
	{"reply", 0, answer, reply, nil},
	{"vary", 0, again, vary, nil},
}

func (r row) operation() operation { return operations[r[atOp]&31] }

// port returns where the packet enters that a row makes.
func (o operation) port(r row, past []base) replay.Port {
	usual := replay.Port(1)
	if o.of == answer || o.of == again {
		from := scene{row: r, past: past}.earlier(r[atOwn]).from
		usual = replay.Port(from.near)
		if o.of == answer {
			usual = replay.Port(from.far)
		}
	}
	return r.portOf(usual)
}
