// Package tracefile reads and writes traces as files.
//
// A trace is one pcapng file (draft-ietf-opsawg-pcapng), so that Wireshark and
// tcpdump open it:
//
//   - The interfaces are the bridge's ports, p1 to p4 in that order, named by
//     if_name, of link type Ethernet and with timestamps in nanoseconds.
//   - Each packet is an enhanced packet block, flagged as inbound. Its
//     timestamp is the sum of the gaps up to it, from 0 at the start of the
//     trace.
//   - The section header has one or more comments whose first line is
//     "ctdiff trace 1", where 1 is the version of this format. The lines after
//     it are the pipeline's rules, in order, as ovs-ofctl(8) add-flow takes
//     them. There is more than one such comment only where the rules do not
//     fit into the 65535 bytes of one.
//   - The section header has the section's length, so that a file cut off
//     between two packets is seen to be one.
//
// [Encode] writes one fixed form of that, little-endian, so the same trace is
// always the same bytes, and [Hash] of them names it. [Decode] also takes what
// another program made of such a file: other byte order, further blocks and
// options, another timestamp resolution.
//
// [Import] makes a trace of a capture that somebody else took.
//
// Places in errors count blocks from 1, and packets, as everywhere in ctdiff,
// from 0.
package tracefile
