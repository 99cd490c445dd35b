package ovs

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
)

func TestParseConntrack(t *testing.T) {
	const tuples = "orig=(src=10.0.0.1,dst=10.0.0.2,sport=1234,dport=80),reply=(src=10.0.0.2,dst=10.0.0.1,sport=80,dport=1234)"
	const orig, reply = "10.0.0.1 > 10.0.0.2 sport=1234 dport=80", "10.0.0.2 > 10.0.0.1 sport=80 dport=1234"
	for _, test := range []struct {
		name, dump string
		want       []replay.ConntrackEntry
	}{
		{"none", "", nil},
		{
			"ICMPv6",
			"icmpv6,orig=(src=fe80::1,dst=fe80::2,id=1,type=128,code=0),reply=(src=fe80::2,dst=fe80::1,id=1,type=129,code=0),zone=1,mark=5,labels=0x1,status=SEEN_REPLY|CONFIRMED,timeout=30\n",
			[]replay.ConntrackEntry{{
				Proto: "icmpv6", Orig: "fe80::1 > fe80::2 id=1 type=128 code=0", Reply: "fe80::2 > fe80::1 id=1 type=129 code=0",
				Zone: 1, Mark: 5, Labels: "0x1", Status: []string{"CONFIRMED", "SEEN_REPLY"}, Timeout: 30,
			}},
		},
		{
			"everything that OVS prints",
			"tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1234,dport=80,packets=3,bytes=180),reply=(src=10.0.0.2,dst=10.0.0.1,sport=80,dport=1234,packets=1,bytes=60),start=2026-01-02T03:04:05.678,stop=2026-01-02T03:04:06.789," +
				"id=2667785,zone=65535,status=EXPECTED|SEEN_REPLY|ASSURED|CONFIRMED|0x2000,timeout=432000,mark=4294967295,labels=0x1234000000000000000000000000abcd," +
				"protoinfo=(state_orig=ESTABLISHED,state_reply=ESTABLISHED,wscale_orig=7,wscale_reply=7,flags_orig=WINDOW_SCALE|SACK_PERM,flags_reply=WINDOW_SCALE),helper=ftp,parent=(src=10.0.0.1,dst=10.0.0.2,sport=1,dport=2)\n",
			[]replay.ConntrackEntry{{
				Proto: "tcp", Orig: orig, Reply: reply, Zone: 65535, Mark: 4294967295, Labels: "0x1234000000000000000000000000abcd",
				Status: []string{"0x2000", "ASSURED", "CONFIRMED", "EXPECTED", "SEEN_REPLY"}, State: "ESTABLISHED", Timeout: 432000, Helper: "ftp",
			}},
		},
		{
			"the userspace datapath has two states, and no status",
			"tcp," + tuples + ",id=0,status=,timeout=29,protoinfo=(state_orig=ESTABLISHED,state_reply=SYN_SENT,flags_orig=,flags_reply=)\n" +
				"sctp," + tuples + ",status=0,protoinfo=(state=COOKIE_WAIT,vtag_orig=1,vtag_reply=2)\n",
			[]replay.ConntrackEntry{
				{Proto: "sctp", Orig: orig, Reply: reply, State: "COOKIE_WAIT"},
				{Proto: "tcp", Orig: orig, Reply: reply, State: "ESTABLISHED/SYN_SENT", Timeout: 29},
			},
		},
		{
			"a protocol without a name, and a field that no version has yet",
			"47,orig=(src=10.0.0.1,dst=10.0.0.2,sport=0,dport=0),reply=(src=10.0.0.2,dst=10.0.0.1,sport=0,dport=0),labels=0,colour=(red,green)\n",
			[]replay.ConntrackEntry{{Proto: "47", Orig: "10.0.0.1 > 10.0.0.2 sport=0 dport=0", Reply: "10.0.0.2 > 10.0.0.1 sport=0 dport=0"}},
		},
		{
			"order",
			"udp," + tuples + ",zone=2\n\ntcp," + tuples + "\nudp," + tuples + ",zone=1\n",
			[]replay.ConntrackEntry{
				{Proto: "tcp", Orig: orig, Reply: reply}, {Proto: "udp", Orig: orig, Reply: reply, Zone: 1}, {Proto: "udp", Orig: orig, Reply: reply, Zone: 2},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseConntrack(test.dump)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseConntrackErrors(t *testing.T) {
	const good = "udp,orig=(src=10.0.0.1,dst=10.0.0.2),reply=(src=10.0.0.2,dst=10.0.0.1)"
	for _, test := range []struct{ name, line, want string }{
		{"no protocol", "orig=(src=10.0.0.1,dst=10.0.0.2)", `line 2: "orig=(src=10.0.0.1,dst=10.0.0.2)": no protocol`},
		{"no reply", "udp,orig=(src=10.0.0.1,dst=10.0.0.2)", `line 2: "udp,orig=(src=10.0.0.1,dst=10.0.0.2)": no reply`},
		{"no parentheses", "udp,orig=1,reply=2", `line 2: orig: "1": want (…)`},
		{"no address", "udp,orig=(src=10.0.0,dst=10.0.0.2),reply=()", `line 2: orig: "src=10.0.0": want src=address`},
		{"an address with a scope", "udp,orig=(src=fe80::1%eth0,dst=fe80::2),reply=()", `line 2: orig: "src=fe80::1%eth0": want src=address`},
		{"no dst", "udp,orig=(src=10.0.0.1),reply=()", `line 2: orig: "(src=10.0.0.1)": want src=… and dst=…`},
		{"another family", "255,orig=(Unsupported address family: 9. HEX:", `line 2: "255,orig=(Unsupported address family: 9. HEX:": a closing parenthesis is missing`},
		{"a port that is none", "udp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=http),reply=()", `line 2: orig: "sport": "http" is no number`},
		{"zone", good + ",zone=65536", `line 2: zone: "65536" has more than 16 bits`},
		{"mark", good + ",mark=-1", `line 2: mark: "-1" is no number`},
		{"labels", good + ",labels=0x123456789012345678901234567890123", `line 2: labels: "0x123456789012345678901234567890123" is no hexadecimal number of 128 bits`},
		{"timeout", good + ",timeout=5s", `line 2: timeout: "5s" is no number`},
		{"protoinfo", good + ",protoinfo=(state)", `line 2: protoinfo: "state": want name=value`},
		{"twice", good + ",zone=1,zone=1", `line 2: "zone" twice`},
		{"no name", good + ",=1", `line 2: "=1": want name=value`},
		{"control characters", good + ",helper=\x00", "line 2: byte 0x00 at column 79 is no printable ASCII"},
	} {
		t.Run(test.name, func(t *testing.T) {
			entries, err := ParseConntrack(good + "\n" + test.line + "\n")
			if err == nil || err.Error() != test.want || entries != nil {
				t.Errorf("got %v, %v\nwant error %s", entries, err, test.want)
			}
		})
	}
}
