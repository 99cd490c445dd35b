package move

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/ctdiff/ctdiff/replay"
)

func TestMovable(t *testing.T) {
	for _, rule := range []string{
		"table=0,ct_state=-trk,ipv6,actions=ct(table=1)",
		"table=1,in_port=p1,ct_state=+trk+new-est,icmp6,icmp_type=135,actions=ct(commit),output:p2",
		"tcp6,tcp_dst=80,tp_src=0x400/0xfc00,actions=ct(commit,zone=NXM_NX_REG0[0..15],nat,exec(set_field:1->ct_mark))",
		"ip,nw_proto=17,nw_tos=4,nw_ttl=64,ip_frag=later,udp_src=1,ct_tp_src=2,sctp_dst=3,actions=ct(nat,table=2)",
		"dl_src=aa:bb:cc:dd:ee:ff,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=mod_dl_src:aa:bb:cc:dd:ee:ff,normal",
		"actions=ct(commit,nat(src)),move:NXM_OF_ETH_SRC[]->NXM_NX_REG0[0..31],load:0x1->OXM_OF_TCP_DST[]",
		"nd_sll=00:11:22:33:44:55,arp_op=1,actions=push_vlan:0x8100,set_field:4097->vlan_vid,dec_ttl,resubmit(,2)",
		"actions=learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),check_pkt_larger(1500)->NXM_NX_REG0[0]",
	} {
		if reason, ok := Movable(replay.Pipeline{rule}); !ok || reason != "" {
			t.Errorf("%s\n%s, %v", rule, reason, ok)
		}
	}
	if reason, ok := Movable(nil); !ok || reason != "" {
		t.Errorf("no rules: %s, %v", reason, ok)
	}
}

func TestNotMovable(t *testing.T) {
	for _, test := range []struct{ rule, word string }{
		{"ip,nw_src=10.0.0.0/8,actions=drop", "nw_src"},
		{"ip,nw_dst = 10.0.0.1,actions=drop", "nw_dst"},
		{"ip,ip_dst=10,actions=drop", "ip_dst"},
		{"ipv6,ipv6_src=2001:db8::/32,actions=drop", "ipv6_src"},
		{"icmp6,nd_target=fe80::1,actions=drop", "nd_target"},
		{"arp,arp_spa=1,actions=drop", "arp_spa"},
		{"arp,arp_tpa=1,actions=drop", "arp_tpa"},
		{"ip,ct_nw_src=1,actions=drop", "ct_nw_src"},
		{"ipv6,ct_ipv6_dst=1,actions=drop", "ct_ipv6_dst"},
		{"tun_ipv6_src=1,actions=drop", "tun_ipv6_src"},
		{"actions=load:0x1->NXM_OF_IP_SRC[]", "NXM_OF_IP_SRC"},
		{"actions=move:NXM_NX_IPV6_SRC[0..31]->NXM_NX_REG1[]", "NXM_NX_IPV6_SRC"},
		{"actions=push:OXM_OF_IPV4_DST[]", "OXM_OF_IPV4_DST"},
		{"actions=push:nxm_nx_ct_nw_dst[]", "nxm_nx_ct_nw_dst"},
		{"actions=move:OXM_OF_IPV6_ND_TARGET[]->NXM_NX_XXREG0[]", "OXM_OF_IPV6_ND_TARGET"},
		{"actions=move:NXM_OF_ARP_SPA[]->NXM_NX_REG0[]", "NXM_OF_ARP_SPA"},
		{"actions=learn(table=1,NXM_OF_IP_DST[]=NXM_OF_IP_SRC[])", "NXM_OF_IP_DST"},
		{"actions=mod_nw_src:1", "mod_nw_src"},
		{"actions=ct(commit,nat(src=10.0.0.1-10.0.0.9:1-9))", "10.0.0.1"},
		{"actions=ct(commit,nat(src=10.0.0.1:80))", "10.0.0.1:80"},
		{"actions=ct(commit,nat(dst=[2001:db8::1]:80))", "2001:db8::1"},
		{"actions=ct(commit,nat(dst=1:2:3:4:5:6:7:8))", "1:2:3:4:5:6:7:8"},
		{"actions=ct(commit,nat(dst=::))", "::"},
		{"actions=set_field:10.0.0.1->reg0", "set_field:10.0.0.1"},
		{"actions=set_field:1:2:3:4:5:6:7:8->xxreg0", "set_field:1:2:3:4:5:6:7:8"},
		{"x_src_eth_next=1,actions=drop", "x_src_eth_next"},
		{"dp_hash=1,actions=drop", "dp_hash"},
		{"actions=multipath(eth_src,50,modulo_n,4,0,NXM_NX_REG0[])", "multipath"},
		{"actions=bundle_load(eth_src,50,hrw,ofport,NXM_NX_REG0[],slaves:1)", "bundle_load"},
		{"actions=group:1", "group"},
		{"actions=output(port=2,max_len=64)", "max_len"},
		{"tcp,actions=ct(commit,alg=ftp)", "alg"},
		{"mpls,actions=pop_mpls:0x800,ct(table=1)", "mpls"},
		{"actions=decap(),resubmit(,1)", "decap"},
		{"actions=encap(ethernet)", "encap"},
		{"nsh_ttl=1,actions=drop", "nsh_ttl"},
	} {
		reason, ok := Movable(replay.Pipeline{"actions=drop", test.rule})
		if want := fmt.Sprintf("rule 1 has %q", test.word); ok || reason != want {
			t.Errorf("%s\n%s, %v, want %s", test.rule, reason, ok, want)
		}
	}
}

// Wherever in a rule an address stands, it is seen.
func FuzzMovable(f *testing.F) {
	f.Add("actions=ct(commit,nat(src=", ")),output:p2", []byte{10, 0, 0, 1})
	f.Add("ipv6,mod_dl_src:aa:bb:cc:dd:ee:ff,", "-fe80::1", []byte("\x20\x01\x0d\xb8\x00\x01\x00\x02\x00\x03\x00\x04\x00\x05\x00\x06"))
	f.Fuzz(func(t *testing.T, before, after string, address []byte) {
		a, ok := netip.AddrFromSlice(address)
		if !ok {
			return
		}
		rule := before + " " + a.String() + " " + after
		if reason, ok := Movable(replay.Pipeline{rule}); ok || reason == "" {
			t.Errorf("%q is movable: %q", rule, reason)
		}
	})
}
