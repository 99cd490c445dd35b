package fuzz

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle/oracletest"
)

func TestFounding(t *testing.T) {
	const solicitation = " icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2"
	want := parse(t, "p1 +0s"+solicitation, "p1 +800ms"+solicitation, "p1 +800ms"+solicitation)
	want.Pipeline = oracletest.Pipeline()
	if diff := cmp.Diff(want, Decode(Seeds()[0], Founding())); diff != "" {
		t.Errorf("the first seed (-want +got):\n%s", diff)
	}
	data, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Seeds()[0], data); diff != "" {
		t.Errorf("its encoding (-want +got):\n%s", diff)
	}
}

// A seed has no opcode whose meaning may change.
func TestSeedsLast(t *testing.T) {
	for i, data := range Seeds() {
		for _, code := range opcodes(data) {
			if code > opVary {
				t.Errorf("seed %d has opcode %#02x", i, code)
			}
		}
		encode(t, Decode(data, Founding()))
	}
}
