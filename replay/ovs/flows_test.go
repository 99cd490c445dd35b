package ovs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
)

// line returns a line of a dump with a match.
func line(match string) string {
	return "ufid:00112233-4455-6677-8899-aabbccddeeff, " + match + ", packets:0, bytes:0, used:never, actions:drop\n"
}

var flowCases = []struct {
	name, dump string
	want       Flow
}{
	{
		"all of it",
		"ufid:00112233-4455-6677-8899-aabbccddeeff, skb_priority(0/0),skb_mark(0/0),ct_state(0x2a/0x2b),ct_zone(0x1),ct_mark(0x5),ct_label(0xcd/0xff),recirc_id(0x1f),dp_hash(0/0),in_port(p1),packet_type(ns=0/0,id=0/0)," +
			"eth(src=00:00:00:00:00:00/00:00:00:00:00:00,dst=02:00:00:00:00:02),eth_type(0x0800),ipv4(src=10.0.0.0/255.0.0.0,dst=0.0.0.0/0.0.0.0,proto=6,tos=0/0xfc,ttl=0/0,frag=no),tcp(src=0/0,dst=0/0),tcp_flags(+syn-ack)" +
			", packets:2, bytes:172, used:0.800s, flags:SP., offloaded:yes, dp:tc, actions:ct(commit,zone=1),recirc(0x20)\n",
		Flow{
			RecircID: 0x1f, InPort: "p1", CTState: replay.CTState{Value: 0x2a, Mask: 0x2b}, Zone: "0x1", Mark: "0x5", Label: "0xcd/0xff",
			Match: map[string]string{
				"eth": "dst=02:00:00:00:00:02", "eth_type": "0x0800", "ipv4": "src=10.0.0.0/255.0.0.0,proto=6,tos=0/0xfc,frag=no", "tcp_flags": "+syn-ack",
			},
			Packets: 2, Bytes: 172, Used: "0.800s", DP: "tc", Offloaded: "yes", Actions: "ct(commit,zone=1),recirc(0x20)",
		},
	},
	{
		"nothing matched", line("recirc_id(0),eth(),ct_state(0/0),ct_zone(0x7/0),ct_mark(0/0),ct_label(0/0),in_port(3/0)"),
		Flow{Used: "never", DP: "ovs", Actions: "drop"},
	},
	{
		"value has bits that the mask lacks", line("recirc_id(0),ct_state(0x30/0x23),ct_zone(0x15/0xf0),ct_mark(0x15/0xf0),ct_label(0x1234000000000000000000000000abcd/0xff)"),
		Flow{
			CTState: replay.CTState{Value: 0x20, Mask: 0x23}, Zone: "0x10/0xf0", Mark: "0x10/0xf0", Label: "0xcd/0xff",
			Used: "never", DP: "ovs", Actions: "drop",
		},
	},
	{
		"zero is a value", line("recirc_id(0),ct_zone(0),ct_mark(0),ct_label(0),tcp_flags(0)"),
		Flow{Zone: "0", Mark: "0", Label: "0", Match: map[string]string{"tcp_flags": "0"}, Used: "never", DP: "ovs", Actions: "drop"},
	},
	{
		"userspace datapath",
		"flow-dump from the main thread:\n" + strings.Replace(line("recirc_id(0),packet_type(ns=0,id=0)"), "drop\n", "p2, dp-extra-info:miniflow_bits(4,1)\n", 1),
		Flow{Used: "never", DP: "ovs", Actions: "p2"},
	},
	{
		"not Ethernet", line("recirc_id(0),packet_type(ns=1,id=0x800)"),
		Flow{Match: map[string]string{"packet_type": "ns=1,id=0x800"}, Used: "never", DP: "ovs", Actions: "drop"},
	},
	{
		"tags", line("recirc_id(0),eth_type(0x88a8),vlan(vid=7,pcp=0/0x0),encap(eth_type(0x8100),vlan(vid=3/0x0,pcp=0/0x0,cfi=0),encap(eth_type(0x0800),ipv4(src=0.0.0.0/0.0.0.0,frag=no)))"),
		Flow{
			Match: map[string]string{"eth_type": "0x88a8", "vlan": "vid=7", "encap": "eth_type(0x8100),encap(eth_type(0x0800),ipv4(frag=no))"},
			Used:  "never", DP: "ovs", Actions: "drop",
		},
	},
	{
		"attributes without a name, and masks that are shown in no mask", line("recirc_id(0),key32(00 00/00 00),key33(00 01/ff ff),nd_ext(nd_reserved=0x0,nd_options_type=0/0),mpls(label=100/0xfffff,tc=0/0,ttl=0/0x0,bos=0/0)"),
		Flow{Match: map[string]string{"key33": "00 01/ff ff", "mpls": "label=100/0xfffff"}, Used: "never", DP: "ovs", Actions: "drop"},
	},
}

// TestUnknownAttribute has a line of OVS 2.15 on Linux 6.12.
func TestUnknownAttribute(t *testing.T) {
	const flow = "ufid:09f8f9d8-1456-4099-81dc-d42691e37d66, recirc_id(0),in_port(p1),ct_state(0/0x20),eth_type(0x86dd),ipv6(frag=no)%s, packets:1, bytes:86, used:0.810s, dp:ovs, actions:ct,recirc(0x1)\n"
	want, err := ParseFlows(fmt.Sprintf(flow, ""))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseFlows(fmt.Sprintf(flow, "(bad key length 2, expected -1)(00 00/(bad mask length 2, expected -1)(00 00)"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseFlows(t *testing.T) {
	// The words of the text are little-endian in memory.
	ufid := [16]byte{0x33, 0x22, 0x11, 0x00, 0x77, 0x66, 0x55, 0x44, 0xbb, 0xaa, 0x99, 0x88, 0xff, 0xee, 0xdd, 0xcc}
	for _, test := range flowCases {
		t.Run(test.name, func(t *testing.T) {
			test.want.UFID = ufid
			got, err := ParseFlows(test.dump)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Flow{test.want}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseFlowsErrors(t *testing.T) {
	good := line("recirc_id(0)")
	for _, test := range []struct{ name, dump, want string }{
		{"no actions", "ufid:00112233-4455-6677-8899-aabbccddeeff, recirc_id(0), packets:0, bytes:0, used:never", "line 2: \"ufid:00112233-4455-6677-8899-aabbccddeeff, recirc_id(0), pac\"…: no actions"},
		{"no packets", "recirc_id(0), actions:drop", `line 2: "recirc_id(0), actions:drop": no packets`},
		{"no ufid", strings.TrimPrefix(good, "ufid:00112233-4455-6677-8899-aabbccddeeff, "), `line 2: "recirc_id(0)": no ufid`},
		{"short ufid", strings.Replace(good, "eeff", "ee", 1), `line 2: ufid "00112233-4455-6677-8899-aabbccddee": not of the form of a UUID`},
		{"ufid of other letters", strings.Replace(good, "eeff", "eefg", 1), `line 2: ufid "00112233-4455-6677-8899-aabbccddeefg": encoding/hex: invalid byte: U+0067 'g'`},
		{"no recirc_id", line("in_port(p1)"), "line 2: no recirc_id"},
		{"masked recirc_id", line("recirc_id(0x1/0xff)"), `line 2: recirc_id: "0x1/0xff" is no number`},
		{"large recirc_id", line("recirc_id(0x100000000)"), `line 2: recirc_id: "0x100000000" has more than 32 bits`},
		{"masked port", line("recirc_id(0),in_port(3/0xff)"), `line 2: in_port: "3/0xff": a port with a mask`},
		{"unknown ct_state", line("recirc_id(0),ct_state(+old)"), `line 2: ct_state: ct_state "+old": want each of new, est, rel, rpl, inv, trk, snat, dnat at most once, with + or -`},
		{"large ct_state", line("recirc_id(0),ct_state(0x121)"), `line 2: ct_state: "0x121" has a bit that is none of ct_state's`},
		{"large zone", line("recirc_id(0),ct_zone(0x10000)"), `line 2: ct_zone: "0x10000" has more than 16 bits`},
		{"signed label", line("recirc_id(0),ct_label(0x-1)"), `line 2: ct_label: "0x-1" is no hexadecimal number of 128 bits`},
		{"twice", line("recirc_id(0),eth_type(0x1),eth_type(0x2)"), `line 2: match "eth_type" twice`},
		{"open", line("recirc_id(0),eth(src=1"), `line 2: "recirc_id(0),eth(src=1": a closing parenthesis is missing`},
		{"closed", line("recirc_id(0),eth)("), `line 2: "recirc_id(0),eth)(": a closing parenthesis too many`},
		{"deep", line("recirc_id(0)," + strings.Repeat("a(", 99) + strings.Repeat(")", 99)), `line 2: "recirc_id(0),a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(a(a"…: parentheses nested deeper than 32`},
		{"no key", line("<empty>"), `line 2: match "<empty>": want name(…)`},
		{"bad counter", strings.Replace(good, "packets:0", "packets:-1", 1), `line 2: packets: "-1" is no number`},
		{"counter twice", strings.Replace(good, "bytes:0", "packets:0", 1), `line 2: "packets" twice`},
		{"no bytes", strings.Replace(good, "bytes:0, ", "", 1), "line 2: no bytes or no used after packets"},
		{"control characters", line("recirc_id(0),in_port(\x1b[31m)"), "line 2: byte 0x1b at column 65 is no printable ASCII"},
		{"long", strings.Repeat("x", maxLine+1), "line 2: 524289 bytes, more than 524288"},
	} {
		t.Run(test.name, func(t *testing.T) {
			flows, err := ParseFlows(good + test.dump)
			if err == nil || err.Error() != test.want || flows != nil {
				t.Errorf("got %v, %v\nwant error %s", flows, err, test.want)
			}
		})
	}
	if _, err := ParseFlows(strings.Repeat("\n", maxDump+1)); err == nil {
		t.Error("a dump that is too large is no error")
	}
}

func TestCTState(t *testing.T) {
	for body, want := range map[string]string{
		"":                                   "",
		"0/0":                                "",
		"0/0x23":                             "-new-est-trk",
		"0x20/0x23":                          "-new-est+trk",
		"0x21":                               "+new-est-rel-rpl-inv+trk-snat-dnat",
		"0x21/0xff":                          "+new-est-rel-rpl-inv+trk-snat-dnat",
		"0x21/0xffffffff":                    "+new-est-rel-rpl-inv+trk-snat-dnat",
		"0":                                  "-new-est-rel-rpl-inv-trk-snat-dnat",
		"+new-est+trk":                       "+new-est+trk",
		"+trk-new":                           "-new+trk",
		"new|trk":                            "+new-est-rel-rpl-inv+trk-snat-dnat",
		"est|rpl|trk|snat":                   "-new+est-rel+rpl-inv+trk+snat-dnat",
		"0x1f2a/0x2b":                        "-new+est+rpl+trk",
		"+new+est+rel+rpl+inv+trk+snat+dnat": "+new+est+rel+rpl+inv+trk+snat+dnat",
	} {
		got, err := parseCTState(body)
		if err != nil || got.String() != want {
			t.Errorf("ct_state(%s): got %q, %v, want %q", body, got, err, want)
		}
	}
	for _, body := range []string{"/", "/0x1", "0x", "x", "new|", "|new", "+new/0x1", "new/0x1", "0x1/", "[Unknown]"} {
		if got, err := parseCTState(body); err == nil {
			t.Errorf("ct_state(%s): got %v, want an error", body, got)
		}
	}
}

func TestRecircs(t *testing.T) {
	for _, test := range []struct {
		actions    string
		want       []uint32
		renumbered string
	}{
		{"drop", nil, "drop"},
		{"ct,recirc(0x1f)", []uint32{0x1f}, "ct,recirc(1)"},
		{
			"ct(zone=1),recirc(0x1f),ct(zone=2),recirc(0x20),clone(set(ipv4(dst=10.9.9.9)),ct(zone=3),recirc(0x21))", []uint32{0x1f, 0x20, 0x21},
			"ct(zone=1),recirc(1),ct(zone=2),recirc(2),clone(set(ipv4(dst=10.9.9.9)),ct(zone=3),recirc(3))",
		},
		{
			"check_pkt_len(size=60,gt(ct(zone=8),recirc(0x22)),le(ct(zone=9),recirc(0x1f)))", []uint32{0x22, 0x1f},
			"check_pkt_len(size=60,gt(ct(zone=8),recirc(1)),le(ct(zone=9),recirc(2)))",
		},
		{"sample(sample=50.0%,actions(recirc(0x7),recirc(0x7)))", []uint32{7, 7}, "sample(sample=50.0%,actions(recirc(1),recirc(1)))"},
		{"userspace(pid=1,controller(reason=1,recirc_id=5)),norecirc(0x1),recirc(0x123456789),recirc(4294967296)", nil, "userspace(pid=1,controller(reason=1,recirc_id=5)),norecirc(0x1),recirc(0x123456789),recirc(4294967296)"},
	} {
		if diff := cmp.Diff(test.want, Flow{Actions: test.actions}.Recircs()); diff != "" {
			t.Errorf("%s: recirculations (-want +got)\n%s", test.actions, diff)
		}
		numbers := map[uint32]int{}
		got := RenumberActions(test.actions, func(id uint32) int {
			if numbers[id] == 0 {
				numbers[id] = len(numbers) + 1
			}
			return numbers[id]
		})
		if diff := cmp.Diff(test.renumbered, got); diff != "" {
			t.Errorf("%s: renumbered (-want +got)\n%s", test.actions, diff)
		}
	}
}
