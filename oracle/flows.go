package oracle

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
)

// ethernetHeader is what TC leaves out of a flow's byte count, for each packet.
const ethernetHeader = 14

// A station is where flows are met: a port's packets at one recirculation.
type station struct {
	port   string
	recirc int
}

func (s station) String() string {
	if s.port == "" {
		return fmt.Sprintf("recirculation %d", s.recirc)
	}
	return fmt.Sprintf("%s at recirculation %d", s.port, s.recirc)
}

func stations(o replay.Observation) map[station][]replay.Flow {
	m := map[station][]replay.Flow{}
	for _, f := range o.Flows {
		if f.Recirc >= 0 {
			s := station{f.InPort, f.Recirc}
			m[s] = append(m[s], f)
		}
	}
	return m
}

func ordered(m map[station][]replay.Flow) []station {
	return slices.SortedFunc(maps.Keys(m), func(x, y station) int {
		return strings.Compare(fmt.Sprintf("%05d%s", x.recirc, x.port), fmt.Sprintf("%05d%s", y.recirc, y.port))
	})
}

// flows compares the datapath flows of each station. What a flow matches on
// came with a packet: a ct_zone, ct_mark or ct_label that contradicts each flow
// of the other bridge was that of no packet there.
func (p *pair) flows() {
	a, b := stations(p.a), stations(p.b)
	for _, s := range ordered(a) {
		if len(b[s]) == 0 {
			continue
		}
		lone := false
		for _, name := range []string{"ct_zone", "ct_mark", "ct_label"} {
			lone = p.metadata(s, name, a[s], b[s]) || lone
		}
		if !lone && actionsText(a[s]) != actionsText(b[s]) {
			p.add(found{
				Difference: Difference{
					Kind: Flows, Packet: -1, Recirc: s.recirc, Step: -1, Subject: "actions",
					Text: fmt.Sprintf("the flows for %s have other actions in %s than in %s", s, p.nameA, p.nameB),
				},
				token: "actions", entry: s.String(),
				show: func(o replay.Observation) string { return actionsText(stations(o)[s]) },
			}, RuleFlows)
		}
	}
}

// metadata compares the matches on one field that conntrack sets, and reports
// whether they contradict each other.
func (p *pair) metadata(s station, name string, a, b []replay.Flow) bool {
	if !contradicts(name, a, b) && !contradicts(name, b, a) {
		return false
	}
	p.add(found{
		Difference: Difference{
			Kind: Flows, Packet: -1, Recirc: s.recirc, Step: -1, Subject: name,
			Text: fmt.Sprintf("packets for %s have %s %s in %s but %s in %s", s, name, matchesText(name, a), p.nameA, matchesText(name, b), p.nameB),
		},
		token: name, entry: s.String(),
		show: func(o replay.Observation) string { return matchesText(name, stations(o)[s]) },
	}, "")
	return true
}

// contradicts reports whether a has a flow that no packet of any flow in b
// could match.
func contradicts(name string, a, b []replay.Flow) bool {
	return slices.ContainsFunc(a, func(x replay.Flow) bool {
		return !slices.ContainsFunc(b, func(y replay.Flow) bool { return compatible(flowField(x, name), flowField(y, name)) })
	})
}

func flowField(f replay.Flow, name string) string {
	switch name {
	case "ct_zone":
		return f.Zone
	case "ct_mark":
		return f.Mark
	}
	return f.Label
}

// compatible reports whether one value can match both of two "value/mask". What
// it cannot read it takes to be compatible.
func compatible(a, b string) bool {
	valueA, maskA, okA := parseMasked(a)
	valueB, maskB, okB := parseMasked(b)
	if !okA || !okB {
		return true
	}
	differ := new(big.Int).Xor(valueA, valueB)
	return differ.And(differ, maskA).And(differ, maskB).Sign() == 0
}

func parseMasked(text string) (value, mask *big.Int, ok bool) {
	v, m, masked := strings.Cut(text, "/")
	if value, ok = new(big.Int).SetString(v, 0); !ok {
		return nil, nil, false
	}
	if !masked {
		// ct_label, the widest field, has 128 bits.
		all := new(big.Int).Lsh(big.NewInt(1), 128)
		return value, all.Sub(all, big.NewInt(1)), true
	}
	mask, ok = new(big.Int).SetString(m, 0)
	return value, mask, ok
}

func matchesText(name string, flows []replay.Flow) string {
	var values []string
	for _, f := range flows {
		if v := flowField(f, name); v != "" {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return orNone(strings.Join(slices.Compact(values), ", "))
}

func actionsText(flows []replay.Flow) string {
	var actions []string
	for _, f := range flows {
		actions = append(actions, f.Actions)
	}
	slices.Sort(actions)
	return orNone(strings.Join(slices.Compact(actions), " | "))
}

// statistics compares what the flows of each station counted together.
func (p *pair) statistics() {
	a, b := stations(p.a), stations(p.b)
	for _, s := range ordered(a) {
		if len(b[s]) == 0 {
			continue
		}
		token, rule := counted(a[s], b[s])
		if token == "" || rule == RuleByteCount && p.applies(rule) {
			continue
		}
		p.add(found{
			Difference: Difference{
				Kind: Statistics, Packet: -1, Recirc: s.recirc, Step: -1, Subject: "counters",
				Text: fmt.Sprintf("the flows for %s counted otherwise in %s than in %s", s, p.nameA, p.nameB),
			},
			token: token, entry: s.String(),
			show: func(o replay.Observation) string {
				packets, octets, headers := count(stations(o)[s])
				if p.applies(RuleByteCount) {
					octets += headers
				}
				return fmt.Sprintf("%d packets, %d bytes", packets, octets)
			},
		}, rule)
	}
}

// counted says in which way the flows of a station counted otherwise, and which
// rule allows that.
func counted(a, b []replay.Flow) (token, rule string) {
	packetsA, bytesA, headersA := count(a)
	packetsB, bytesB, headersB := count(b)
	switch {
	case packetsA != packetsB:
		return "packets", RuleStatistics
	case bytesA+headersA != bytesB+headersB:
		return "bytes", RuleStatistics
	case bytesA != bytesB:
		return "tc-bytes", RuleByteCount
	}
	return "", ""
}

// count returns what flows counted, and what TC left out of the bytes.
func count(flows []replay.Flow) (packets, octets, headers uint64) {
	for _, f := range flows {
		packets += f.Packets
		octets += f.Bytes
		if f.DP == "tc" {
			headers += f.Packets * ethernetHeader
		}
	}
	return packets, octets, headers
}

// offload tells of a bridge that has flows in TC and others that are not, and
// of one called "tc" that has none there: a comparison with such a bridge says
// little.
func (p *pair) offload(o replay.Observation, name string) {
	in, all := inTC(o), len(o.Flows)
	f := found{
		Difference: Difference{Kind: Offload, Packet: -1, Recirc: -1, Step: -1, Subject: "offload"},
		entry:      name,
		show:       func(o replay.Observation) string { return fmt.Sprintf("%d of %d flows in TC", inTC(o), len(o.Flows)) },
	}
	switch {
	case in > 0 && in < all:
		f.token = o.Bridge + "/partly"
		f.Text = fmt.Sprintf("in %s, TC took %d of %d flows; the others stayed in the kernel datapath", name, in, all)
	case o.Bridge == "tc" && in == 0 && all > 0:
		f.token = o.Bridge + "/none"
		f.Text = fmt.Sprintf("in %s, TC took no flow: the packets went through the kernel datapath", name)
	default:
		return
	}
	p.add(f, RuleOffload)
}

func inTC(o replay.Observation) int {
	n := 0
	for _, f := range o.Flows {
		if f.DP == "tc" {
			n++
		}
	}
	return n
}
