package ctnetlink

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay"
)

const origText, replyText = "10.0.0.1 > 10.0.0.2 sport=1234 dport=80", "10.0.0.2 > 10.0.0.1 sport=80 dport=1234"

func TestParse(t *testing.T) {
	const v4, v6 = unix.AF_INET, unix.AF_INET6
	udp := replay.ConntrackEntry{Proto: "udp", Orig: origText, Reply: replyText}
	withZone := func(zone uint16) replay.ConntrackEntry {
		e := udp
		e.Zone = zone
		return e
	}
	for _, test := range []struct {
		name string
		dump [][]byte
		want []replay.ConntrackEntry
	}{
		{"nothing", nil, nil},
		{"an empty table", [][]byte{message(unix.NLMSG_DONE, unix.NLM_F_MULTI, code(0)...)}, nil},
		{"no end", [][]byte{connection(v4, both(unix.IPPROTO_UDP))}, []replay.ConntrackEntry{udp}},
		{"acknowledged", [][]byte{message(unix.NLMSG_ERROR, 0, code(0)...), connection(v4, both(unix.IPPROTO_UDP))}, []replay.ConntrackEntry{udp}},
		{
			"all attributes, and some that do not count",
			[][]byte{
				connection(v4, num16(nl.CTA_ZONE, 65535), both(unix.IPPROTO_TCP), num32(nl.CTA_STATUS, 0xffffffff),
					nest(nl.CTA_PROTOINFO, nest(nl.CTA_PROTOINFO_TCP, num8(nl.CTA_PROTOINFO_TCP_STATE, 3), num8(nl.CTA_PROTOINFO_TCP_WSCALE_REPLY, 7))),
					nest(ctaHelp, attr(ctaHelpName, []byte("ftp\x00")...), attr(2, 1, 2, 3)),
					num32(nl.CTA_TIMEOUT, 432000), num32(nl.CTA_MARK, 0xdeadbeef), attr(nl.CTA_LABELS, 0xcd, 0xab, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12),
					num32(nl.CTA_ID, 7), num32(nl.CTA_USE, 1), nest(nl.CTA_TIMESTAMP, attr(1)), attr(100, 1), nest(101, attr(1, 2))),
				message(unix.NLMSG_DONE, unix.NLM_F_MULTI, code(0)...),
			},
			[]replay.ConntrackEntry{{
				Proto: "tcp", Orig: origText, Reply: replyText, Zone: 65535, Mark: 0xdeadbeef, Labels: "0x1234000000000000000000000000abcd",
				Status: []string{
					"ASSURED", "CONFIRMED", "DST_NAT", "DST_NAT_DONE", "DYING", "EXPECTED", "FIXED_TIMEOUT", "HW_OFFLOAD", "OFFLOAD",
					"SEEN_REPLY", "SEQ_ADJUST", "SRC_NAT", "SRC_NAT_DONE", "TEMPLATE", "UNTRACKED",
				},
				State: "ESTABLISHED", Timeout: 432000, Helper: "ftp",
			}},
		},
		{
			"attributes in a tuple that do not count",
			[][]byte{connection(v4, both(unix.IPPROTO_UDP), nest(nl.CTA_TUPLE_REPLY,
				nest(nl.CTA_TUPLE_IP, attr(nl.CTA_IP_V4_SRC, 10, 0, 0, 2), attr(nl.CTA_IP_V4_DST, 10, 0, 0, 1), attr(9, 1, 2)),
				nest(nl.CTA_TUPLE_PROTO, ports(unix.IPPROTO_UDP, 80, 1234), attr(99, 1)),
				num16(3, 7), attr(9)))},
			[]replay.ConntrackEntry{udp},
		},
		{
			"zero",
			[][]byte{connection(v4, both(unix.IPPROTO_UDP), num32(nl.CTA_STATUS, 1<<13), num32(nl.CTA_MARK, 0), num16(nl.CTA_ZONE, 0), attr(nl.CTA_LABELS, make([]byte, 16)...),
				nest(nl.CTA_PROTOINFO), nest(ctaHelp, attr(ctaHelpName, 0)))},
			[]replay.ConntrackEntry{udp},
		},
		{
			"ICMP, and ICMPv6 over IPv4, of which OVS shows nothing",
			[][]byte{
				connection(v4, direction(nl.CTA_TUPLE_ORIG, "10.0.0.1", "10.0.0.2", icmp(1, ctaProtoICMPID, 9, 8, 1)), direction(nl.CTA_TUPLE_REPLY, "10.0.0.2", "10.0.0.1", icmp(1, ctaProtoICMPID, 9, 0, 2))),
				connection(v4, direction(nl.CTA_TUPLE_ORIG, "10.0.0.1", "10.0.0.2", icmp(58, ctaProtoICMPv6ID, 9, 128, 1)), direction(nl.CTA_TUPLE_REPLY, "10.0.0.2", "10.0.0.1", icmp(58, ctaProtoICMPv6ID, 9, 129, 2))),
			},
			[]replay.ConntrackEntry{
				{Proto: "icmp", Orig: "10.0.0.1 > 10.0.0.2 id=9 type=8 code=1", Reply: "10.0.0.2 > 10.0.0.1 id=9 type=0 code=2"},
				{Proto: "icmpv6", Orig: "10.0.0.1 > 10.0.0.2 id=0 type=0 code=0", Reply: "10.0.0.2 > 10.0.0.1 id=0 type=0 code=0"},
			},
		},
		{
			"ICMPv6, and ICMP over IPv6, of which OVS shows nothing",
			[][]byte{
				connection(v6, direction(nl.CTA_TUPLE_ORIG, "2001:db8::1", "::1.2.3.4", icmp(58, ctaProtoICMPv6ID, 65535, 128, 1)), direction(nl.CTA_TUPLE_REPLY, "::ffff:1.2.3.4", "::1", icmp(58, ctaProtoICMPv6ID, 65535, 129, 2))),
				connection(v6, direction(nl.CTA_TUPLE_ORIG, "::", "::1:0", icmp(1, ctaProtoICMPID, 9, 8, 1)), direction(nl.CTA_TUPLE_REPLY, "::ffff", "fd00::1", icmp(1, ctaProtoICMPID, 9, 0, 2))),
			},
			[]replay.ConntrackEntry{
				{Proto: "icmp", Orig: ":: > ::0.1.0.0 id=0 type=0 code=0", Reply: "::ffff > fd00::1 id=0 type=0 code=0"},
				{Proto: "icmpv6", Orig: "2001:db8::1 > ::1.2.3.4 id=65535 type=128 code=1", Reply: "::ffff:1.2.3.4 > ::1 id=65535 type=129 code=2"},
			},
		},
		{
			"order",
			[][]byte{connection(v4, both(17), num16(nl.CTA_ZONE, 2)), connection(v4, both(17), num16(nl.CTA_ZONE, 10)), connection(v4, both(6)), connection(v4, both(17), num16(nl.CTA_ZONE, 1))},
			[]replay.ConntrackEntry{{Proto: "tcp", Orig: origText, Reply: replyText}, withZone(1), withZone(2), withZone(10)},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(slices.Concat(test.dump...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestProtocols(t *testing.T) {
	names := map[int]string{1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "icmpv6", 132: "sctp", 136: "udplite"}
	for proto := range 256 {
		want := names[proto]
		if want == "" {
			want = fmt.Sprint(proto)
		}
		// Protocols without ports have no attribute for them.
		entries, err := Parse(connection(unix.AF_INET,
			direction(nl.CTA_TUPLE_ORIG, "10.0.0.1", "10.0.0.2", num8(nl.CTA_PROTO_NUM, uint8(proto))),
			direction(nl.CTA_TUPLE_REPLY, "10.0.0.2", "10.0.0.1", num8(nl.CTA_PROTO_NUM, uint8(proto)))))
		if err != nil {
			t.Fatal(err)
		}
		end := " sport=0 dport=0"
		if proto == 1 || proto == 58 {
			end = " id=0 type=0 code=0"
		}
		if e := entries[0]; e.Proto != want || !strings.HasSuffix(e.Orig, end) || !strings.HasSuffix(e.Reply, end) {
			t.Errorf("protocol %d: %+v, want %s and %s", proto, e, want, end)
		}
	}
}

func TestStates(t *testing.T) {
	for _, test := range []struct {
		protocol, attribute uint16
		want                string // state by state, and the last for any other
	}{
		{nl.CTA_PROTOINFO_TCP, nl.CTA_PROTOINFO_TCP_STATE, "CLOSED SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT_1 CLOSE_WAIT LAST_ACK TIME_WAIT CLOSING SYN_SENT CLOSED"},
		{nl.CTA_PROTOINFO_SCTP, ctaProtoinfoSCTPState, "CLOSED CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT HEARTBEAT_ACKED CLOSED"},
		{nl.CTA_PROTOINFO_DCCP, 1, ""},
	} {
		want := strings.Split(test.want, " ")
		for state := range 256 {
			entries, err := Parse(connection(unix.AF_INET, both(6), nest(nl.CTA_PROTOINFO, nest(test.protocol, num8(test.attribute, uint8(state))))))
			if err != nil {
				t.Fatal(err)
			}
			if want := want[min(state, len(want)-1)]; entries[0].State != want {
				t.Errorf("protoinfo %d: state %d is %q, want %q", test.protocol, state, entries[0].State, want)
			}
		}
	}
}

// with is a connection with one more attribute.
func with(attributes ...[]byte) []byte {
	return connection(unix.AF_INET, both(6), slices.Concat(attributes...))
}

func TestParseErrors(t *testing.T) {
	tupleOf := func(parts ...[]byte) []byte { return connection(unix.AF_INET, nest(nl.CTA_TUPLE_ORIG, parts...)) }
	long := func(n int) []byte { return append([]byte{unix.AF_INET, 0, 0, 0}, make([]byte, n)...) }
	for _, test := range []struct {
		name string
		dump []byte
		want string
	}{
		{"too long", make([]byte, maxDump+1), "16777217 bytes, more than 16777216"},
		{"shorter than its header", make([]byte, 16), "split into messages: invalid argument"},
		{"cut off", with()[:40], "split into messages: invalid argument"},
		{"bytes after the end", append(with(), make([]byte, 15)...), "the last 15 bytes are no message"},
		{"bytes only", make([]byte, 15), "the last 15 bytes are no message"},
		{"messages after the end", append(message(unix.NLMSG_DONE, 0, code(0)...), with()...), "message 1: after the last one"},
		{"a message that is too long", message(typeNew, 0, long(maxMessage)...), "message 0: 32772 bytes, more than 32768"},
		{"another type", message(typeNew+2, 0, long(0)...), "message 0: type 0x102 is no connection's"},
		{"another subsystem", message(0x200, 0, long(0)...), "message 0: type 0x200 is no connection's"},
		{"refused", message(unix.NLMSG_ERROR, 0, code(-int32(unix.EPERM))...), "message 0: the kernel's error -1: operation not permitted"},
		{"failed in the middle", append(with(), message(unix.NLMSG_DONE, 0, code(-int32(unix.ENOBUFS))...)...), "message 1: the kernel's error -105: no buffer space available"},
		{"no error code", message(unix.NLMSG_ERROR, 0, 0, 0), "message 0: 2 bytes have no error code"},
		{"interrupted", append(with(), message(typeNew, unix.NLM_F_DUMP_INTR)...), "message 1: the dump was interrupted"},
		{"interrupted at the end", message(unix.NLMSG_DONE, unix.NLM_F_DUMP_INTR, code(0)...), "message 0: the dump was interrupted"},
		{"no nfgenmsg", message(typeNew, 0, 2, 0), "message 0: 2 bytes have no struct nfgenmsg"},
		{"another family", connection(unix.AF_BRIDGE), "message 0: address family 7 is neither IPv4 nor IPv6"},
		{"no reply", connection(unix.AF_INET, direction(nl.CTA_TUPLE_ORIG, "10.0.0.1", "10.0.0.2", ports(6, 1, 2))), "message 0: connection: a direction is missing"},
		{"attributes without padding", message(typeNew, 0, append(long(0), 5, 0, 1, 0, 9)...), "message 0: connection: attributes of 5 bytes"},
		{"an attribute that is too long", message(typeNew, 0, append(long(0), 9, 0, 1, 0, 0, 0, 0, 0)...), "message 0: connection: split into attributes: invalid argument"},
		{"an attribute that is too short", message(typeNew, 0, append(long(0), 3, 0, 1, 0)...), "message 0: connection: split into attributes: invalid argument"},
		{"a nest without padding", with(attr(nl.CTA_PROTOINFO, 5, 0, 1, 0, 9)), "message 0: connection: attribute 4: protoinfo: attributes of 5 bytes"},
		{"no addresses", tupleOf(nest(nl.CTA_TUPLE_PROTO, ports(6, 1, 2))), "message 0: connection: attribute 1: tuple: an address or the protocol is missing"},
		{"an IPv6 address", tupleOf(nest(nl.CTA_TUPLE_IP, attr(nl.CTA_IP_V6_SRC, make([]byte, 16)...))), "message 0: connection: attribute 1: tuple: attribute 1: addresses: attribute 3: 16 bytes are no address of family 2"},
		{"half an address", tupleOf(nest(nl.CTA_TUPLE_IP, attr(nl.CTA_IP_V4_DST, 1, 2))), "message 0: connection: attribute 1: tuple: attribute 1: addresses: attribute 2: 2 bytes are no address of family 2"},
		{"no protocol", tupleOf(nest(nl.CTA_TUPLE_IP, attr(nl.CTA_IP_V4_SRC, 1, 2, 3, 4), attr(nl.CTA_IP_V4_DST, 1, 2, 3, 4))), "message 0: connection: attribute 1: tuple: an address or the protocol is missing"},
		{"a port", tupleOf(nest(nl.CTA_TUPLE_PROTO, attr(nl.CTA_PROTO_SRC_PORT, 1))), "message 0: connection: attribute 1: tuple: attribute 2: protocol: attribute 2: 1 bytes, want 2"},
		{"status", with(attr(nl.CTA_STATUS, 1, 2)), "message 0: connection: attribute 3: 2 bytes, want 4"},
		{"labels", with(attr(nl.CTA_LABELS, make([]byte, 20)...)), "message 0: connection: attribute 22: 20 bytes, want 16"},
		{"a state", with(nest(nl.CTA_PROTOINFO, nest(nl.CTA_PROTOINFO_TCP, num16(nl.CTA_PROTOINFO_TCP_STATE, 1)))), "message 0: connection: attribute 4: protoinfo: attribute 1: tcp: attribute 1: 2 bytes, want 1"},
		{"a helper without end", with(nest(ctaHelp, attr(ctaHelpName, []byte("ftp")...))), `message 0: connection: attribute 5: helper: attribute 1: "ftp" is no name`},
		{"a helper with a control character", with(nest(ctaHelp, attr(ctaHelpName, []byte("\x1b[m\x00")...))), `message 0: connection: attribute 5: helper: attribute 1: "\x1b[m\x00" is no name`},
		{"a helper with an end in the middle", with(nest(ctaHelp, attr(ctaHelpName, []byte("f\x00tp\x00")...))), `message 0: connection: attribute 5: helper: attribute 1: "f\x00tp\x00" is no name`},
	} {
		t.Run(test.name, func(t *testing.T) {
			entries, err := Parse(test.dump)
			if err == nil || err.Error() != test.want || entries != nil {
				t.Errorf("got %v, %v\nwant error %s", entries, err, test.want)
			}
			if interrupted := strings.HasPrefix(test.name, "interrupted"); errors.Is(err, ErrInterrupted) != interrupted {
				t.Errorf("%v is ErrInterrupted: %t, want %t", err, !interrupted, interrupted)
			}
		})
	}
	if _, err := Parse(message(unix.NLMSG_ERROR, 0, code(-int32(unix.EPERM))...)); !errors.Is(err, unix.EPERM) {
		t.Errorf("%v is not EPERM", err)
	}
}
