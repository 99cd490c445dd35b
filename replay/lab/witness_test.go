package lab

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

func TestWitness(t *testing.T) {
	tests := []struct {
		name     string
		in, want replay.Pipeline
	}{
		{"founding", oracletest.Pipeline(), replay.Pipeline{
			"table=0,in_port=1,ct_state=-trk,ipv6,actions=ct(table=253)",
			"table=0,in_port=2,ct_state=-trk,ipv6,actions=ct(table=253)",
			"table=1,in_port=1,ct_state=+trk+new,ipv6,actions=ct(commit),output:2",
			"table=1,in_port=2,ct_state=+trk+new,ipv6,actions=ct(commit),output:1",
			"table=1,in_port=1,ct_state=+trk+est,ipv6,actions=output:2",
			"table=1,in_port=2,ct_state=+trk+est,ipv6,actions=output:1",
			"table=253,priority=65535,ct_state=+new+est+rel+rpl+inv+trk,actions=drop",
			"table=253,priority=0,actions=resubmit(,1)",
		}},
		{
			"table after other arguments, tables of ours in use",
			replay.Pipeline{
				`table=253,actions=p1,p2,"p3",resubmit(p1,250)`,
				"priority=5,ip actions=ct(commit,zone=1,nat(src=10.0.0.1),exec(learn(a,table=7),set_field:1->ct_mark),table=3),clone(ct(zone=2,table=3),output:p4)",
			},
			replay.Pipeline{
				`table=253,actions=1,2,3,resubmit(1,250)`,
				"priority=5,ip actions=ct(commit,zone=1,nat(src=10.0.0.1),exec(learn(a,table=7),set_field:1->ct_mark),table=252),clone(ct(zone=2,table=252),output:4)",
				"table=252,priority=65535,ct_state=+new+est+rel+rpl+inv+trk,actions=drop",
				"table=252,priority=0,actions=resubmit(,3)",
			},
		},
		{
			"no conntrack, names that only look like ports",
			replay.Pipeline{"ip,actions=set_field:1->reg1,ct_clear,p1,learn(table=9,p1_x=1)"},
			replay.Pipeline{"ip,actions=set_field:1->reg1,ct_clear,1,learn(table=9,p1_x=1)"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := witness(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWitnessWithoutFreeTable(t *testing.T) {
	var p replay.Pipeline
	for i := range tables {
		p = append(p, "table="+string(rune('0'+i/100))+string(rune('0'+i/10%10))+string(rune('0'+i%10))+",actions=ct(table=1)")
	}
	if _, err := witness(p); err == nil {
		t.Error("want an error")
	}
}
