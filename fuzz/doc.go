// Package fuzz turns the bytes of Go's fuzzer into traces, and traces into
// bytes.
//
// [Decode] takes any bytes: rows of 16, each of which is one operation, such as
// "a neighbor solicitation, twice, into p1" or "the reply to the packet before
// the last". Each byte of a row is one field or a few, at the same place in all
// rows, so that a fuzzer that changes a byte changes a field of one packet and
// leaves the others alone. A byte of zero is what is usual: a row of zeros is
// an echo request from p1's host to that of p2, sent twice.
//
// Packets are sent more than once by default because the first of a flow takes
// the upcall path, and only those after it meet the datapath's own flow.
//
// [Encode] is the inverse. A packet that an operation gives byte for byte
// becomes that operation, and any other a raw frame; so every trace, one from a
// capture too, can be a seed.
//
// docs/grammar.md has a table of what the bytes mean. [GrammarVersion] says
// what holds when the grammar grows.
package fuzz
