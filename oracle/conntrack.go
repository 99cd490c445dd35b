package oracle

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
)

// timeoutSlack is what [RuleTimeoutSlack] allows, in seconds.
const timeoutSlack = 5

// conntrack compares the connection tables.
func (p *pair) conntrack() {
	pairs, onlyA, onlyB := pairEntries(p.a.Conntrack, p.b.Conntrack)
	for _, e := range onlyA {
		p.lonely(e, "missing", p.nameA, p.nameB)
	}
	for _, e := range onlyB {
		p.lonely(e, "extra", p.nameB, p.nameA)
	}
	for _, both := range pairs {
		p.entry(both[0], both[1])
	}
}

// pairEntries says which entries of two tables are the same connection: first
// those with the same tuples and zone, then, of what is left, those that NAT
// translated otherwise, or that went into another zone.
func pairEntries(a, b []replay.ConntrackEntry) (pairs [][2]replay.ConntrackEntry, onlyA, onlyB []replay.ConntrackEntry) {
	onlyA, onlyB = slices.Clone(a), slices.Clone(b)
	for _, same := range []func(x, y replay.ConntrackEntry) bool{
		func(x, y replay.ConntrackEntry) bool {
			return x.Orig == y.Orig && x.Zone == y.Zone && x.Reply == y.Reply
		},
		func(x, y replay.ConntrackEntry) bool { return x.Orig == y.Orig && x.Zone == y.Zone },
		func(x, y replay.ConntrackEntry) bool { return x.Orig == y.Orig },
		func(x, y replay.ConntrackEntry) bool { return x.Reply == y.Reply && x.Zone == y.Zone },
	} {
		var left []replay.ConntrackEntry
		for _, x := range onlyA {
			j := slices.IndexFunc(onlyB, func(y replay.ConntrackEntry) bool { return x.Proto == y.Proto && same(x, y) })
			if j < 0 {
				left = append(left, x)
				continue
			}
			pairs = append(pairs, [2]replay.ConntrackEntry{x, onlyB[j]})
			onlyB = slices.Delete(onlyB, j, j+1)
		}
		onlyA = left
	}
	return pairs, onlyA, onlyB
}

func entryText(e replay.ConntrackEntry) string { return e.Proto + " " + e.Orig }

// newEntry returns a difference of connection e.
func (p *pair) newEntry(e replay.ConntrackEntry, subject string) found {
	return found{
		Difference: Difference{Kind: Conntrack, Packet: -1, Recirc: -1, Step: -1, Subject: subject},
		token:      subject,
		class:      e.Proto,
		entry:      fmt.Sprint(e.Proto, e.Orig, e.Zone),
		show: func(o replay.Observation) string {
			pairs, _, _ := pairEntries([]replay.ConntrackEntry{e}, o.Conntrack)
			if len(pairs) == 0 {
				return "no entry"
			}
			return entryField(pairs[0][1], subject)
		},
	}
}

func (p *pair) lonely(e replay.ConntrackEntry, token, has, lacks string) {
	f := p.newEntry(e, "entry")
	f.token = token
	f.Text = fmt.Sprintf("%s has a connection %s in zone %d, %s has none", has, entryText(e), e.Zone, lacks)
	f.Values = map[string]string{has: entryField(e, "entry"), lacks: "no entry"}
	rule := ""
	if e.Timeout <= timeoutSlack {
		rule = RuleTimeoutSlack
	}
	p.add(f, rule)
}

// entryFields are the fields that must be equal, in the order in which one
// explains the next.
var entryFields = []string{"zone", "orig", "reply", "mark", "labels", "helper", "state", "status", "timeout"}

func entryField(e replay.ConntrackEntry, name string) string {
	switch name {
	case "zone":
		return strconv.Itoa(int(e.Zone))
	case "orig":
		return e.Orig
	case "reply":
		return e.Reply
	case "mark":
		return fmt.Sprintf("%#x", e.Mark)
	case "labels":
		return withoutZero(e.Labels)
	case "helper":
		return orNone(e.Helper)
	case "state":
		return orNone(e.State)
	case "status":
		return orNone(strings.Join(e.Status, ","))
	case "timeout":
		return fmt.Sprintf("%d s", e.Timeout)
	}
	return fmt.Sprintf("%s, zone %d", e.Orig, e.Zone)
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// withoutZero writes a label the way a bridge does that leaves a zero one out.
func withoutZero(label string) string {
	if strings.Trim(label, "0x") == "" {
		return "none"
	}
	return label
}

func (p *pair) entry(x, y replay.ConntrackEntry) {
	for _, name := range entryFields {
		a, b := entryField(x, name), entryField(y, name)
		if a == b {
			continue
		}
		f := p.newEntry(x, name)
		if name == "status" {
			f.token = "status" + statusChange(x.Status, y.Status)
		}
		f.Text = fmt.Sprintf("connection %s has %s %s in %s but %s in %s", entryText(x), name, a, p.nameA, b, p.nameB)
		f.Values = map[string]string{p.nameA: a, p.nameB: b}
		p.add(f, p.entryExcuse(x, y, name))
	}
}

// entryExcuse returns the rule that allows a field of a connection to differ.
func (p *pair) entryExcuse(x, y replay.ConntrackEntry, name string) string {
	switch name {
	case "reply":
		if natChoseEntry(x, y) {
			return RuleNATPort
		}
	case "state":
		if x.State == "" || y.State == "" {
			return RuleNoProtoinfo
		}
	case "status":
		return statusExcuse(x, y)
	case "timeout":
		if flowTableTakes(x.Proto) {
			return RuleFlowTimeout
		}
		if max(x.Timeout, y.Timeout)-min(x.Timeout, y.Timeout) <= timeoutSlack {
			return RuleTimeoutSlack
		}
	}
	return ""
}

// flowTableTakes reports whether act_ct puts connections of a protocol into
// its flow table.
func flowTableTakes(proto string) bool {
	return proto == "tcp" || proto == "udp" || proto == "gre"
}

func statusExcuse(x, y replay.ConntrackEntry) string {
	if len(x.Status) == 0 || len(y.Status) == 0 {
		return RuleStatusHidden
	}
	rule := ""
	for _, flag := range append(without(x.Status, y.Status), without(y.Status, x.Status)...) {
		switch {
		case flag == "OFFLOAD" || flag == "HW_OFFLOAD":
			if rule == "" {
				rule = RuleOffloadStatus
			}
		case flag == "ASSURED" && flowTableTakes(x.Proto) && x.Proto != "tcp":
			rule = RuleAssured
		default:
			return ""
		}
	}
	return rule
}

// statusChange writes the flags that y has and x lacks with a plus, and the
// reverse with a minus.
func statusChange(x, y []string) string {
	var b strings.Builder
	for _, flag := range without(y, x) {
		b.WriteString("+" + flag)
	}
	for _, flag := range without(x, y) {
		b.WriteString("-" + flag)
	}
	return b.String()
}

func without(list, remove []string) []string {
	var left []string
	for _, s := range list {
		if !slices.Contains(remove, s) {
			left = append(left, s)
		}
	}
	return left
}

var tuplePort = regexp.MustCompile(`\b(sport|dport|id)=(\d+)`)

// natChoseEntry reports whether the two replies differ only in ports or ICMP
// ids that both bridges changed from those of the original direction.
func natChoseEntry(x, y replay.ConntrackEntry) bool {
	if tuplePort.ReplaceAllString(x.Reply, "$1=") != tuplePort.ReplaceAllString(y.Reply, "$1=") {
		return false
	}
	return portTranslated(x) && portTranslated(y)
}

// portTranslated reports whether an entry's reply has other ports than the
// original direction has, in whichever order.
func portTranslated(e replay.ConntrackEntry) bool {
	return !slices.Equal(tuplePorts(e.Orig), tuplePorts(e.Reply))
}

func tuplePorts(tuple string) []string {
	var ports []string
	for _, m := range tuplePort.FindAllStringSubmatch(tuple, -1) {
		ports = append(ports, m[2])
	}
	slices.Sort(ports)
	return ports
}
