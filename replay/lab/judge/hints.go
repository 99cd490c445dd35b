package judge

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/fuzz/campaign"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
)

// hints say where to look for the cause of a finding: what Open vSwitch means to
// do with the packet that differs, the filters that TC was given and which of them
// packets hit, and the functions that the kernel of one bridge ran alone. A hint
// that cannot be had is left out.
func (j *Judge) hints(ctx context.Context, f corpus.Finding) []corpus.Hint {
	var list []corpus.Hint
	n := max(0, f.Verdict.Differences[0].Packet)
	packet := f.Trace.Packets[n]
	for i, b := range j.opened {
		list = append(list, traceHint(ctx, b, f.Trace.Pipeline, packet, f.Observations[i], n)...)
	}
	if _, err := replay.All(ctx, j.bridges, f.Trace, replay.Purged); err == nil {
		for i, b := range j.opened {
			list = append(list, filterHint(ctx, b, packet, j.settings.Bridges[i])...)
		}
	}
	return append(list, j.coverageHint(ctx, f)...)
}

// run returns what a program in a guest printed.
func run(ctx context.Context, b *lab.Bridge, rules replay.Pipeline, argv ...string) (string, bool) {
	result, err := b.Exec(ctx, rules, argv...)
	if err != nil || result.Code != 0 {
		return "", false
	}
	text := strings.TrimSpace(string(result.Stdout))
	return text, text != ""
}

// traceHint has ofproto/trace follow the packet at n with the ct_state that it had on
// a bridge.
func traceHint(ctx context.Context, b *lab.Bridge, rules replay.Pipeline, p replay.Packet, o replay.Observation, n int) []corpus.Hint {
	argv := []string{"ovs-appctl", "ofproto/trace", "br0", fmt.Sprintf("in_port=%d", p.Port)}
	if n < len(o.Packets) {
		for _, s := range o.Packets[n].Witness {
			if s.Recirc > 0 && s.CTState.Value != 0 {
				argv = append(argv, "--ct-next", s.CTState.Words())
			}
		}
	}
	text, ok := run(ctx, b, rules, append(argv, hex.EncodeToString(p.Frame))...)
	if !ok {
		return nil
	}
	return []corpus.Hint{{Title: "ofproto/trace of the packet on " + o.Bridge, Text: text}}
}

// filterHint shows the filters of TC at the port that the packet enters, if there
// are some: it is for after a replay, which they are left from.
func filterHint(ctx context.Context, b *lab.Bridge, p replay.Packet, name string) []corpus.Hint {
	text, ok := run(ctx, b, nil, "tc", "-s", "filter", "show", "dev", p.Port.String(), "ingress")
	if !ok {
		return nil
	}
	return []corpus.Hint{{Title: fmt.Sprintf("TC filters at %s on %s, after the trace", p.Port, name), Text: text}}
}

// coverageHint compares what functions the kernels of the first two bridges ran.
func (j *Judge) coverageHint(ctx context.Context, f corpus.Finding) []corpus.Hint {
	if j.symbols == nil || j.settings.Coverage == campaign.CoverageOff || !lab.Warmable(f.Trace.Pipeline) {
		return nil
	}
	obs, err := replay.All(ctx, j.bridges, f.Trace, replay.Warm)
	if err != nil {
		return nil
	}
	first, second := j.symbols.Only(obs[0].Covered, obs[1].Covered)
	if len(first)+len(second) == 0 {
		return nil
	}
	text := fmt.Sprintf("Run by %s alone:\n  %s\nRun by %s alone:\n  %s",
		j.settings.Bridges[0], strings.Join(first, "\n  "), j.settings.Bridges[1], strings.Join(second, "\n  "))
	return []corpus.Hint{{Title: "Functions of the kernel that one bridge ran alone, in their order", Text: text}}
}
