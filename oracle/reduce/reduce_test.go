package reduce_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/oracle/reduce"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

func parse(t testing.TB, text string) replay.Trace {
	t.Helper()
	trace, err := tracetext.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func format(t testing.TB, trace replay.Trace) string {
	t.Helper()
	var b strings.Builder
	if err := tracetext.Format(&b, trace); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// noise returns a trace of n packets, some of them the needles given, with the
// founding pipeline.
func noise(t testing.TB, seed uint64, n int, needles ...string) replay.Trace {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, seed))
	var lines []string
	for range n - len(needles) {
		host, port := r.IntN(250)+1, r.IntN(4)+1
		lines = append(lines, fmt.Sprintf([]string{
			"p%d +%dms icmp6 echo-request 2001:db8:1::%x > 2001:db8:2::%x id %d",
			"p%d +%dms udp6 2001:db8:1::%x 4000 > 2001:db8:2::%x 53 payload %04x",
			"p%d +%dms tcp6 2001:db8:1::%x 4000 > 2001:db8:2::%x 80 seq %d",
			"p%d +%dms udp 10.1.0.%d 4000 > 10.2.0.%d 53 ip-id %d",
		}[r.IntN(4)], port, r.IntN(900), host, r.IntN(250)+1, r.IntN(1000)+1000))
	}
	at := r.Perm(n - len(needles))[:len(needles)]
	slices.Sort(at)
	for i, needle := range needles {
		lines = slices.Insert(lines, at[i]+i, needle)
	}
	text := ""
	for _, rule := range oracletest.Pipeline() {
		text += "rule " + rule + "\n"
	}
	return parse(t, text+strings.Join(lines, "\n"))
}

// twoSolicitations holds for two neighbor solicitations of one source at one
// port, and a rule with ct.
func twoSolicitations(_ context.Context, t replay.Trace) (bool, error) {
	if !slices.ContainsFunc(t.Pipeline, func(rule string) bool { return strings.Contains(rule, "ct(") }) {
		return false, nil
	}
	seen := map[string]bool{}
	for _, p := range t.Packets {
		h := oracle.ParseHeaders(p.Frame)
		if h.Proto != oracle.ProtoICMPv6 || h.L4 < 0 || p.Frame[h.L4] != 135 {
			continue
		}
		key := fmt.Sprint(p.Port, h.Src)
		if seen[key] {
			return true, nil
		}
		seen[key] = true
	}
	return false, nil
}

func TestSameResultFromDifferentStarts(t *testing.T) {
	const want = `rule table=1,in_port=p2,ct_state=+trk+new,ipv6,actions=ct(commit),output:p1
p1 +0s icmp6 ns 2001:db8::1 > 2001:db8::2 target 2001:db8::2 sll none
p1 +0s icmp6 ns 2001:db8::1 > 2001:db8::2 target 2001:db8::2 sll none
`
	for seed, needles := range [][]string{
		{"p1 +800ms icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2", "p1 +800ms icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2"},
		{"p1 +0s icmp6 ns fe80::1 > ff02::1:ff00:9 target fe80::9 hlim 7", "p1 +1h icmp6 ns fe80::1 > fe80::9 target fe80::9 payload 0e01aabbccddeeff"},
		{"p3 +2us icmp6 ns 2001:db8::2 > 2001:db8::1 target 2001:db8::1 tclass 3", "p3 +0s icmp6 ns 2001:db8::2 > 2001:db8::1 target 2001:db8::1 flow-label 9"},
		{"p4 +5s icmp6 ns ::1 > ::2 target ::3 router-alert 0", "p4 +5s icmp6 ns ::1 > ::5 target ::6 eth-src 0a:0b:0c:0d:0e:0f", "p4 +5s icmp6 ns ::1 > ::7 target ::8"},
		{"p2 +5s icmp6 ns fd00::1 > fd00::2 target fd00::2 sll none trailer 0000", "p2 +5s icmp6 ns fd00::1 > fd00::3 target fd00::2 code 3"},
	} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			start := noise(t, uint64(seed), 200, needles...)
			before := format(t, start)
			got, err := reduce.Reduce(t.Context(), start, twoSolicitations, reduce.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, format(t, got.Trace)); diff != "" {
				t.Error(diff)
			}
			if !got.Minimal {
				t.Error("not minimal")
			}
			if diff := cmp.Diff(before, format(t, start)); diff != "" {
				t.Errorf("the start has changed: %s", diff)
			}
			t.Logf("%d steps, %+v", got.Steps, got.Tried)
		})
	}
}

// Of packets, rules and gaps, what stays is what any one less of would not do.
func TestMinimal(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 0))
		start := noise(t, seed, 60)
		// Frames that must all be there, which a field change may not touch.
		var want []string
		for _, i := range r.Perm(len(start.Packets))[:1+r.IntN(5)] {
			want = append(want, string(start.Packets[i].Frame))
		}
		rules := r.Perm(6)[:1+r.IntN(3)]
		holds := func(_ context.Context, c replay.Trace) (bool, error) {
			var have []string
			for _, p := range c.Packets {
				have = append(have, string(p.Frame))
			}
			for _, f := range want {
				if !slices.Contains(have, f) {
					return false, nil
				}
			}
			for _, i := range rules {
				if !slices.Contains(c.Pipeline, start.Pipeline[i]) {
					return false, nil
				}
			}
			return true, nil
		}
		got, err := reduce.Reduce(t.Context(), start, holds, reduce.Options{})
		if err != nil || !got.Minimal {
			t.Fatalf("seed %d: minimal %v, %v", seed, got.Minimal, err)
		}
		slices.Sort(want)
		want = slices.Compact(want)
		if len(got.Trace.Packets) != len(want) || len(got.Trace.Pipeline) != len(rules) {
			t.Errorf("seed %d: %d packets of %d, %d rules of %d", seed, len(got.Trace.Packets), len(want), len(got.Trace.Pipeline), len(rules))
		}
		for i, p := range got.Trace.Packets {
			if p.Gap != 0 || p.Port != 1 {
				t.Errorf("seed %d: packet %d: gap %v, port %v", seed, i, p.Gap, p.Port)
			}
		}
	}
}

// When a packet goes, those after it keep their time.
func TestGaps(t *testing.T) {
	start := parse(t, `rule actions=drop
p1 +0s udp 10.0.0.1 1001 > 10.0.0.2 1002
p1 +20s udp 10.0.0.1 1001 > 10.0.0.2 1002 payload 00
p1 +15s udp 10.0.0.1 1001 > 10.0.0.2 1002
`)
	holds := func(_ context.Context, c replay.Trace) (bool, error) {
		var last time.Duration
		for _, p := range c.Packets[1:] {
			last += p.Gap
		}
		return len(c.Packets) > 1 && last >= 30*time.Second, nil
	}
	got, err := reduce.Reduce(t.Context(), start, holds, reduce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const want = `rule actions=drop
p1 +0s udp 10.0.0.1 1001 > 10.0.0.2 1002
p1 +35s udp 10.0.0.1 1001 > 10.0.0.2 1002
`
	if diff := cmp.Diff(want, format(t, got.Trace)); diff != "" {
		t.Error(diff)
	}
}

func TestBudget(t *testing.T) {
	start := noise(t, 1, 200, "p1 +0s icmp6 ns ::1 > ::2 target ::3", "p1 +0s icmp6 ns ::1 > ::2 target ::3")
	full, err := reduce.Reduce(t.Context(), start, twoSolicitations, reduce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, steps := range []int{1, 2, 10, full.Steps - 1, full.Steps, full.Steps + 1} {
		calls := 0
		var last reduce.Step
		got, err := reduce.Reduce(t.Context(), start, func(ctx context.Context, c replay.Trace) (bool, error) {
			calls++
			return twoSolicitations(ctx, c)
		}, reduce.Options{Steps: steps, Progress: func(s reduce.Step) { last = s }})
		if err != nil {
			t.Fatal(err)
		}
		if ok, _ := twoSolicitations(t.Context(), got.Trace); !ok {
			t.Errorf("%d steps: the result does not hold", steps)
		}
		want := min(steps, full.Steps)
		if calls != want || got.Steps != want || last.N != want || got.Minimal != (steps >= full.Steps) {
			t.Errorf("%d steps: %d calls, %d steps, step %d, minimal %v; a full reduction has %d", steps, calls, got.Steps, last.N, got.Minimal, full.Steps)
		}
		if last.Packets != len(got.Trace.Packets) || last.Rules != len(got.Trace.Pipeline) {
			t.Errorf("%d steps: the last was %+v", steps, last)
		}
	}
}

func TestErrors(t *testing.T) {
	start := noise(t, 1, 50, "p1 +0s icmp6 ns ::1 > ::2 target ::3", "p1 +0s icmp6 ns ::1 > ::2 target ::3")
	broken := errors.New("broken")
	calls := 0
	got, err := reduce.Reduce(t.Context(), start, func(ctx context.Context, c replay.Trace) (bool, error) {
		if calls++; calls == 20 {
			return false, broken
		}
		return twoSolicitations(ctx, c)
	}, reduce.Options{})
	if !errors.Is(err, broken) || got.Minimal || got.Steps != 20 {
		t.Errorf("%v, minimal %v, %d steps", err, got.Minimal, got.Steps)
	}
	if ok, _ := twoSolicitations(t.Context(), got.Trace); !ok || len(got.Trace.Packets) >= 50 {
		t.Errorf("best so far: holds %v, %d packets", ok, len(got.Trace.Packets))
	}
	never := func(context.Context, replay.Trace) (bool, error) { return false, nil }
	if _, err := reduce.Reduce(t.Context(), start, never, reduce.Options{}); !errors.Is(err, reduce.ErrNotShown) {
		t.Errorf("not shown: %v", err)
	}
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	if _, err := reduce.Reduce(ended, start, twoSolicitations, reduce.Options{}); !errors.Is(err, broken) {
		t.Errorf("ended: %v", err)
	}
	if _, err := reduce.Reduce(t.Context(), replay.Trace{}, twoSolicitations, reduce.Options{}); err == nil {
		t.Error("no error for a trace without packets")
	}
}

func TestDeterministicWithoutRepeats(t *testing.T) {
	start := noise(t, 3, 100, "p1 +0s icmp6 ns ::1 > ::2 target ::3", "p1 +0s icmp6 ns ::1 > ::2 target ::3")
	var runs [2][]string
	for i := range runs {
		_, err := reduce.Reduce(t.Context(), start, func(ctx context.Context, c replay.Trace) (bool, error) {
			text := format(t, c)
			if slices.Contains(runs[i], text) {
				t.Errorf("tried twice: %s", text)
			}
			runs[i] = append(runs[i], text)
			return twoSolicitations(ctx, c)
		}, reduce.Options{})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(runs[0], runs[1]); diff != "" {
		t.Error(diff)
	}
}

// The recorded founding divergence, with an oracle in the place of bridges.
func ExampleReduce() {
	c := oracletest.Founding(oracletest.NeighborSolicitation())
	signature := oracle.Compare(c.Trace, c.Obs).Signature
	same := func(_ context.Context, t replay.Trace) (bool, error) {
		obs := []replay.Observation{c.Obs[0], c.Obs[1]}
		for b := range obs {
			obs[b].Packets = obs[b].Packets[:len(t.Packets)]
		}
		return oracle.Compare(t, obs).Signature == signature, nil
	}
	result, err := reduce.Reduce(context.Background(), c.Trace, same, reduce.Options{})
	fmt.Println(len(result.Trace.Packets), "packets, minimal:", result.Minimal, err)
	// Output: 2 packets, minimal: true <nil>
}
