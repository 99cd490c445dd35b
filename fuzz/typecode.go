package fuzz

import "slices"

// Message returns a frame with an ICMPv6 message of any type and code, from one
// host to another: docs/grammar.md says which addresses host N has. All else is
// as the grammar has it by default: addresses, hop limit and options are those
// that the RFC of the type asks for, lengths and the checksum are right. A type
// that has no operation of its own carries an id of 1 and a sequence number of 1,
// as an echo does.
//
// Errors, which are the types below 128, quote the packet in the frame about, and
// a redirect has it in its option, as the receiver of that packet sends them.
// Without about they quote an echo request that nobody has sent.
func Message(kind, code, from, to uint8, about []byte) []byte {
	s := scene{side: side{from, to}}
	if about != nil {
		s.past = []base{{sideOf(1), about}}
	}
	m := s.given(kind)
	m.body[1] = code
	return s.assemble(m).frame
}

// given returns the message of a type, with code 0.
func (s scene) given(kind uint8) message {
	if kind < firstInformational {
		return problem(s, kind)
	}
	if kind == typeRedirect {
		s.row[atOwn+firstOption] = optionGiven | redirected
	}
	i := slices.IndexFunc(operations[:], func(o operation) bool { return o.kind == kind })
	if i < 0 {
		s.row[atOwn], s.row[atOwn+2], s.row[atOwn+4] = kind, 1, 1
		return anything(s, kind)
	}
	return operations[i].build(s, kind)
}

// firstInformational is the first type that is no error (RFC 4443, section 2.1).
const firstInformational = 128
