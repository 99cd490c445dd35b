package oracle_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

// What is a difference only because its rule is strict has a signature of its
// own, made of its kind.
func TestStrictSignatures(t *testing.T) {
	for _, c := range []struct {
		name   string
		make   func() oracletest.Case
		strict string
		want   string
	}{
		{"TC's byte counts", oracletest.Fixed, oracle.RuleByteCount, "system~tc/statistics/tc-bytes"},
		{"bytes", with(func(tc *replay.Observation) { tc.Flows[1].Bytes++ }), oracle.RuleStatistics, "system~tc/statistics/bytes"},
		{"packets", with(func(tc *replay.Observation) { tc.Flows[1].Packets++ }), oracle.RuleStatistics, "system~tc/statistics/packets"},
		{"TC's byte counts, by another rule", oracletest.Fixed, oracle.RuleStatistics, ""},
		{"bytes, by another rule", with(func(tc *replay.Observation) { tc.Flows[1].Bytes++ }), oracle.RuleOffload, ""},
		{"a flow that is not in TC", oracletest.PartlyOffloaded, oracle.RuleOffload, "system~tc/offload/tc/partly"},
		{"no flow in TC", with(func(tc *replay.Observation) {
			tc.Flows[0].DP, tc.Flows[1].DP = "ovs", "ovs"
		}), oracle.RuleOffload, "system~tc/offload/tc/none"},
		{"masks", oracletest.Masks, oracle.RuleCTMask, "system~tc/ct_state/recirc1/mask/icmpv6"},
		{"flows", excused[oracle.RuleFlows], oracle.RuleFlows, "system~tc/flows/actions"},
		{"upcall", excused[oracle.RuleUpcall], oracle.RuleUpcall, "system~tc/flows/upcall/icmpv6"},
		{"timeout", excused[oracle.RuleTimeoutSlack], oracle.RuleTimeoutSlack, "system~tc/conntrack/timeout/icmpv6"},
		{"all of a case without a difference", oracletest.Fixed, oracle.AllRules, "system~tc/statistics/tc-bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			strict, err := oracle.ParseStrict(c.strict)
			if err != nil {
				t.Fatal(err)
			}
			x := c.make()
			if v := oracle.Compare(x.Trace, x.Obs, strict...); v.Signature != c.want {
				t.Errorf("%s %q, want %q; %+v", v.Outcome, v.Signature, c.want, v.Differences)
			}
			v := oracle.Confirm(x.Trace, [][]replay.Observation{x.Obs, x.Obs}, strict...)
			if v.Signature != c.want || (v.Outcome == oracle.Diverge) != (c.want != "") {
				t.Errorf("confirmed: %s %q, want %q; %s", v.Outcome, v.Signature, c.want, v.Reason)
			}
		})
	}
}

// Being strict must not give a divergence another name, nor tell of it after
// what strict adds.
func TestStrictKeepsSignatures(t *testing.T) {
	strict, err := oracle.ParseStrict(oracle.AllRules)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range oracletest.Cases() {
		v, s := oracle.Compare(c.Trace, c.Obs), oracle.Compare(c.Trace, c.Obs, strict...)
		if v.Outcome != oracle.Diverge {
			continue
		}
		if s.Signature != v.Signature {
			t.Errorf("%s: %q, strict %q", c.Name, v.Signature, s.Signature)
		}
		if diff := cmp.Diff(v.Differences, s.Differences[:len(v.Differences)]); diff != "" {
			t.Errorf("%s: %s", c.Name, diff)
		}
		if len(s.Notes) > 0 {
			t.Errorf("%s: strict has notes: %+v", c.Name, s.Notes)
		}
	}
}

// A line of the log has the same signature at another time and address.
func TestStrictLogSignature(t *testing.T) {
	line := func(text string) string {
		c := with(func(tc *replay.Observation) { tc.KernelLog = []string{text} })()
		return oracle.Compare(c.Trace, c.Obs, oracle.RuleKernelLogPlain, oracle.RuleKernelLogFormat).Signature
	}
	a, b := line("[  1.5] nf_conntrack: table 12 full"), line("<4>[ 77.25] nf_conntrack: table 7 full")
	if a != b || !strings.HasPrefix(a, "system~tc/kernel_log/tc/nf_conntrack-table-full-") {
		t.Errorf("%q and %q", a, b)
	}
}

func TestParseStrict(t *testing.T) {
	for _, c := range []struct {
		list string
		want []string
		err  string
	}{
		{"statistics", []string{"statistics"}, ""},
		{"statistics,offload", []string{"statistics", "offload"}, ""},
		{"statistic", nil, `no rule "statistic": there are ct-mask, statistics, `},
		{"statistics,", nil, `no rule "": there are`},
		{"", nil, `no rule ""`},
	} {
		got, err := oracle.ParseStrict(c.list)
		if !slices.Equal(got, c.want) || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %v, %v; want %v, %q", c.list, got, err, c.want, c.err)
		}
	}
	if all, err := oracle.ParseStrict("all"); err != nil || len(all) != len(oracle.Rules) {
		t.Errorf("all: %d rules of %d, %v", len(all), len(oracle.Rules), err)
	}
}
