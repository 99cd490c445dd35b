// Package reduce makes a trace as small and as plain as it can be while it
// still shows what it is kept for: delta debugging (Zeller and Hildebrandt,
// "Simplifying and Isolating Failure-Inducing Input").
//
// What a trace is kept for is a [Predicate], such as "the bridges diverge with
// the same signature". [Reduce] knows nothing of bridges, so that it can be
// tested, and used, with any other.
//
// It goes round these passes until none of them changes anything:
//
//	packets  fewer of them; the times of those that stay are kept
//	fields   towards plain values, see below
//	gaps     towards 0
//	rules    fewer of them, but at least one
//
// Plain values are these. Where it says "in the whole trace", what is the same
// in several packets stays the same; every other field is tried in all packets
// at once, then in each, together with those that are like it.
//
//	packets              copies of one another
//	bridge ports         p1, p2, … in the order in which they are used, and as
//	                     few as will do, in the whole trace
//	ICMPv6 messages      an echo request, or else a neighbor solicitation
//	addresses            2001:db8::1 for sources, 2001:db8::2 for others;
//	                     10.0.0.1 and 10.0.0.2; in the whole trace, its
//	                     rules included
//	TCP and UDP ports    1001 for sources, 1002 for others; in the whole trace
//	VLAN tags, extension headers, IP options, Ethernet trailers
//	                     none; a tag that has to stay has id 1
//	payload              none, or else as short as will do, and zeros
//	hop limit, TTL       255 for neighbor discovery, 1 for MLD, else 64
//	traffic class, flow label, TOS, IPv4's id and flags
//	                     0; don't fragment
//	ICMP code, id, sequence number
//	                     0, 1, 1
//	TCP sequence numbers, window, urgent pointer, options
//	                     0, 65535, 0, none
//	lengths, checksums   right; one that was right before a change is right after
//	MAC addresses        those that package tracetext leaves out
//
// So counterexamples of one fault that come from different captures are likely
// to be reduced to one and the same trace.
package reduce
