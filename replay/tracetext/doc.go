// Package tracetext reads and writes traces as short text, for people to type
// and to read.
//
// A text has one rule or one packet on each line. Blank lines are skipped, and
// all that follows a "#" is a comment:
//
//	# The rules, in order, as ovs-ofctl add-flow takes them.
//	rule table=0,in_port=p1,ct_state=-trk,ipv6,actions=ct(table=1)
//	rule table=1,ct_state=+trk+new,ipv6,actions=ct(commit),output:p2
//
//	# The packets, in order: port, gap, frame.
//	p1 +0s icmp6 ns 2001:db8::1 > ff02::1:ff00:2 target 2001:db8::2
//	p1 +800ms hex 3333ff000002020000000001...
//
// A packet's gap is a duration as [time.ParseDuration] reads it, with a "+".
// Its frame has one of these forms:
//
//	hex BYTES
//	icmp6 KIND        SRC > DST             [KEY VALUE]...
//	icmp6 type N code N SRC > DST           [KEY VALUE]...
//	icmp KIND         SRC > DST             [KEY VALUE]...
//	icmp type N code N SRC > DST            [KEY VALUE]...
//	udp6 | udp        SRC PORT > DST PORT   [KEY VALUE]...
//	tcp6 | tcp        SRC PORT > DST PORT   [KEY VALUE]...
//
// BYTES are hexadecimal digits; other numbers are decimal, or hexadecimal with
// 0x. The keys, each at most once and in any order:
//
//	eth-src MAC       default 02:00:00:00:00:0N at port N
//	eth-dst MAC       default from DST if that is multicast or broadcast, else
//	                  the other port's of p1 and p2, or of p3 and p4
//	checksum N        of ICMP, TCP or UDP; default the right one
//	payload BYTES     what follows the header and the keys' options
//	trailer BYTES     what follows the IP packet, such as Ethernet padding
//
//	hlim N            IPv6 hop limit; default 255 for neighbor discovery,
//	                  1 for MLD, else 64
//	tclass N          IPv6 traffic class; default 0
//	flow-label N      IPv6; default 0
//	router-alert N    hop-by-hop option, or none; default 0 for MLD, else none
//
//	ttl N             IPv4 time to live; default 64
//	tos N             IPv4; default 0
//	ip-id N           IPv4; default 0
//	ip-flags LETTERS  IPv4: d(on't fragment) m(ore) e(vil); default d
//
// Kinds of icmp6, with keys of their own; all have code N, default 0:
//
//	ns                target ADDRESS; sll MAC or none, default eth-src, but
//	                  none if SRC is ::
//	na                target ADDRESS, default SRC; flags LETTERS r s o, default
//	                  so; tll MAC or none, default eth-src
//	rs                sll as for ns
//	ra                cur-hlim N, default 64; flags LETTERS m o h, default none;
//	                  lifetime N seconds, default 1800; reachable N and
//	                  retrans N milliseconds, default 0; sll as for ns
//	echo-request      id N, seq N; default 1
//	echo-reply        the same
//	mld-query         max-delay N milliseconds, default 10000; group ADDRESS,
//	                  default ::
//	mld-report        max-delay N, default 0; group ADDRESS, default DST
//	mld-done          max-delay N, default 0; group ADDRESS
//	mld2-report       one record of group ADDRESS; record N, its type, default 4
//	unreachable
//	packet-too-big    mtu N, default 1280
//	time-exceeded
//	parameter-problem pointer N, default 0
//
// The kinds of icmp are echo-request and echo-reply, with code N, default 0;
// all of icmp has id N and seq N, the second half of its header: default 1 for
// the kinds, 0 for a type.
//
// tcp6 and tcp have flags LETTERS of F S R P A U E C or none, default S; seq N
// and ack N, default 0; window N, default 65535; urgent N, default 0; options
// BYTES, a multiple of 4.
//
// [Format] writes a packet in words if these words give the very same bytes,
// and in hex otherwise: what it writes, [Parse] reads back as the same trace.
package tracetext
