package export

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// The checks do not look at how flows are printed: masks, counters and where a
// flow is may differ between datapaths that treat packets alike. What is piped
// and sorted is of the C locale, which Autotest sets.

// checkBits looks at the bits of ct_state that differ, in the flows that packets
// of the port met after conntrack.
func (a *autotest) checkBits(c Case) bool {
	i := slices.IndexFunc(c.Verdict.Differences, func(d oracle.Difference) bool {
		return d.Kind == oracle.CTState && d.Witness == c.witnessOnly() && d.Packet >= 0 && d.Packet < len(c.Trace.Packets)
	})
	if i < 0 {
		return false
	}
	port := c.Trace.Packets[c.Verdict.Differences[i].Packet].Port
	want := c.signs(c.Bridges[0], port)
	differ := map[string]bool{}
	for _, o := range c.Bridges[1:] {
		got := c.signs(o, port)
		for bit, signs := range want {
			// A bit that flows of one bridge alone match on is a matter of
			// masks.
			if len(got[bit]) > 0 && !maps.Equal(got[bit], signs) {
				differ[bit] = true
			}
		}
	}
	if len(differ) == 0 {
		return false
	}
	bits := slices.Sorted(maps.Keys(differ))
	var lines []string
	for _, bit := range bits {
		lines = append(lines, slices.Collect(maps.Keys(want[bit]))...)
	}
	slices.Sort(lines)
	a.Checks = append(a.Checks, fmt.Sprintf(`dnl The %s of ct_state after conntrack, in all flows that packets of %s met.
AT_CHECK([ovs-appctl dpctl/dump-flows --names | grep 'in_port(ovs-%s)' | dnl
          grep -v 'recirc_id(0)' | grep -oE '[[+-]](%s)' | sort -u], [0], [dnl
%s])
`, plural(len(bits), "bit"), port, port, strings.Join(bits, "|"), text(lines)))
	return true
}

var sign = regexp.MustCompile(`[+-](\w+)`)

// signs returns, for each bit of ct_state, how it is in the flows after conntrack
// of a bridge for packets of a port.
func (c Case) signs(o replay.Observation, port replay.Port) map[string]map[string]bool {
	signs := map[string]map[string]bool{}
	add := func(s replay.CTState) {
		for _, m := range sign.FindAllStringSubmatch(s.String(), -1) {
			if signs[m[1]] == nil {
				signs[m[1]] = map[string]bool{}
			}
			signs[m[1]][m[0]] = true
		}
	}
	if !c.witnessOnly() {
		for _, f := range o.Flows {
			if f.Recirc != 0 && f.InPort == port.String() {
				add(f.CTState)
			}
		}
		return signs
	}
	for _, p := range o.Packets {
		for i, s := range p.Witness {
			if i > 0 && p.Port == port {
				add(s.CTState)
			}
		}
	}
	return signs
}

// checkOutputs looks at what leaves: at its bytes if these differ, or else at
// the number of frames.
func (a *autotest) checkOutputs(c Case) bool {
	bytes := !c.chosen() && slices.ContainsFunc(c.Verdict.Differences, func(d oracle.Difference) bool { return d.Subject == "bytes" })
	differ := false
	for _, p := range a.Ports {
		want := frames(c.Bridges[0], p.Name)
		for _, o := range c.Bridges[1:] {
			got := frames(o, p.Name)
			differ = differ || len(got) != len(want) || bytes && !slices.Equal(got, want)
		}
	}
	if !differ {
		return false
	}
	a.Captures = a.Ports
	var b strings.Builder
	b.WriteString("dnl What leaves each port.\nsleep 1\n")
	for _, p := range a.Ports {
		want := frames(c.Bridges[0], p.Name)
		if bytes {
			fmt.Fprintf(&b, "AT_CHECK([ovs-pcap %s.pcap | sort], [0], [dnl\n%s])\n", p.Name, text(want))
		} else {
			fmt.Fprintf(&b, "AT_CHECK([ovs-pcap %s.pcap | wc -l], [0], [%d\n])\n", p.Name, len(want))
		}
	}
	a.Checks = append(a.Checks, b.String())
	return true
}

// chosen reports whether there are numbers that a kernel chose at random, and
// will choose otherwise: ports of NAT, ids of fragments.
func (c Case) chosen() bool {
	return slices.ContainsFunc(c.Verdict.Notes, func(d oracle.Difference) bool {
		return d.Rule == oracle.RuleNATPort || d.Rule == oracle.RuleFragmentID
	})
}

// frames returns what leaves by a port, in hexadecimal and sorted.
func frames(o replay.Observation, port string) (list []string) {
	for _, p := range o.Packets {
		for _, out := range p.Outputs {
			if out.Port.String() == port {
				list = append(list, hex.EncodeToString(out.Frame))
			}
		}
	}
	slices.Sort(list)
	return list
}

// checkConnections looks at which connections there are, with zone, mark and
// labels. Connections that act_ct has in its flow table show no protocol state.
func (a *autotest) checkConnections(c Case) bool {
	want, ok := connections(c.Bridges[0])
	ok = ok && !c.chosen()
	for _, o := range c.Bridges[1:] {
		got, readable := connections(o)
		ok = ok && readable && !slices.Equal(got, want)
	}
	if !ok {
		return false
	}
	sources := map[string]bool{}
	for _, o := range c.Bridges {
		for _, e := range o.Conntrack {
			source, _, _ := strings.Cut(e.Orig, " > ")
			sources[source] = true
		}
	}
	var which strings.Builder
	for _, s := range slices.Sorted(maps.Keys(sources)) {
		// No parenthesis without its fellow: m4 would look for it.
		fmt.Fprintf(&which, " -e 'orig=.src=%s,'", strings.ReplaceAll(s, ".", `\.`))
	}
	a.Checks = append(a.Checks, fmt.Sprintf(`dnl The connections.
AT_CHECK([ovs-appctl dpctl/dump-conntrack | grep%s | dnl
          sed 's/,protoinfo=.*//;s/,helper=.*//' | sort], [0], [dnl
%s])
`, which.String(), text(want)))
	return true
}

// tuple is a direction of a connection as [replay.ConntrackEntry] has it.
var tuple = regexp.MustCompile(`^([\da-f.:]+) > ([\da-f.:]+)((?: \w+=\w+)*)$`)

// connections returns connections as dpctl/dump-conntrack prints them
// (ct_dpif_format_entry in lib/ct-dpif.c), without what varies, and sorted; not
// ok if one is of a form that is not known.
func connections(o replay.Observation) (lines []string, ok bool) {
	for _, e := range o.Conntrack {
		orig, reply := tuple.FindStringSubmatch(e.Orig), tuple.FindStringSubmatch(e.Reply)
		if orig == nil || reply == nil || !word.MatchString(e.Proto) || !word.MatchString(cmp.Or(e.Labels, "0")) {
			return nil, false
		}
		line := fmt.Sprintf("%s,orig=(%s),reply=(%s)", e.Proto, dumped(orig), dumped(reply))
		if e.Zone != 0 {
			line += fmt.Sprintf(",zone=%d", e.Zone)
		}
		if e.Mark != 0 {
			line += fmt.Sprintf(",mark=%d", e.Mark)
		}
		if e.Labels != "" {
			line += ",labels=" + e.Labels
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines, true
}

var word = regexp.MustCompile(`^\w+$`)

func dumped(m []string) string {
	return "src=" + m[1] + ",dst=" + m[2] + strings.ReplaceAll(m[3], " ", ",")
}

// checkAlive is there for a case in which the kernel or ovs-vswitchd died.
func (a *autotest) checkAlive(Case) bool {
	a.Checks = append(a.Checks, "dnl The kernel and ovs-vswitchd still work.\nAT_CHECK([ovs-appctl dpctl/dump-flows], [0], [ignore])\n")
	return true
}

// text returns lines with their ends.
func text(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

func plural(n int, what string) string {
	if n == 1 {
		return what
	}
	return what + "s"
}
