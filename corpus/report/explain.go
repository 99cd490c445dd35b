package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// Explain says in a few sentences what the verdict v is about: which packet
// differs, what each bridge says of it, and what becomes of it.
func Explain(t replay.Trace, obs []replay.Observation, v oracle.Verdict) string {
	switch {
	case v.Outcome == oracle.Agree:
		return agreeing(t, obs, v)
	case v.Outcome == oracle.Inconclusive:
		return "This shows nothing: " + v.Reason + "."
	case len(v.Differences) == 0:
		return ""
	}
	d := v.Differences[0]
	sentences := []string{capital(located(t, d), oracle.Labels(obs)...) + "."}
	if d.Packet >= 0 {
		sentences = append(sentences, witnessed(v, d), fate(obs, d))
	}
	if v.Outlier != "" {
		sentences = append(sentences, fmt.Sprintf("The odd one out is %s: the other bridges agree with each other.", v.Outlier))
	}
	sentences = append(sentences, rest(v, d))
	return strings.Join(nonEmpty(sentences), " ")
}

func agreeing(t replay.Trace, obs []replay.Observation, v oracle.Verdict) string {
	text := fmt.Sprintf("%s treat %s alike.", and(oracle.Labels(obs)), count(len(t.Packets), "packet"))
	for _, d := range v.Notes {
		if d.Kind == oracle.Offload {
			text += " " + capital(d.Text) + "."
		}
	}
	return text
}

// located returns the difference's sentence with the packet it is about told
// in a line.
func located(t replay.Trace, d oracle.Difference) string {
	if d.Packet < 0 || d.Packet >= len(t.Packets) {
		return d.Text
	}
	packet := fmt.Sprintf("packet %d", d.Packet)
	told := fmt.Sprintf("%s (%s)", packet, Describe(t.Packets[d.Packet].Frame))
	return strings.Replace(d.Text, packet, told, 1)
}

// witnessed says what the witness adds to a difference of bits that the rules
// show.
func witnessed(v oracle.Verdict, d oracle.Difference) string {
	for _, w := range v.Differences {
		if d.Kind == oracle.CTState && !d.Witness && w.Witness && w.Packet == d.Packet && w.Step == d.Step {
			return fmt.Sprintf("With all bits looked at, %s.", strings.NewReplacer(
				fmt.Sprintf("packet %d ", d.Packet), "it ", " (witness)", "").Replace(w.Text))
		}
	}
	return ""
}

// fate says what became of the packet on each bridge, unless that is what the
// difference says already.
func fate(obs []replay.Observation, d oracle.Difference) string {
	if d.Subject == "ports" || d.Subject == "bytes" {
		return ""
	}
	var fates []string
	same := true
	for i, o := range obs {
		if d.Packet >= len(o.Packets) {
			return ""
		}
		fates = append(fates, becomes(o.Packets[d.Packet]))
		same = same && fates[i] == fates[0]
	}
	if same {
		return fmt.Sprintf("On all bridges it %s.", fates[0])
	}
	var parts []string
	for i, name := range oracle.Labels(obs) {
		parts = append(parts, fmt.Sprintf("in %s it %s", name, fates[i]))
	}
	return capital(and(parts)) + "."
}

// capital begins a sentence; a bridge's name, at its beginning, stays as it is.
func capital(text string, names ...string) string {
	first, _, _ := strings.Cut(text, " ")
	if text == "" || slices.Contains(names, first) {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func becomes(w replay.PacketWay) string {
	switch {
	case w.Looped:
		return "goes round until the limit of recirculations ends it"
	case len(w.Outputs) == 0:
		return "is dropped"
	}
	var ports []string
	for _, o := range w.Outputs {
		port := o.Port.String()
		if o.Changed {
			port += " (changed)"
		}
		ports = append(ports, port)
	}
	return "leaves by " + and(ports)
}

// rest says how many differences are not told.
func rest(v oracle.Verdict, first oracle.Difference) string {
	packets := map[int]bool{}
	tables := 0
	for _, d := range v.Differences[1:] {
		switch {
		case d.Packet < 0:
			tables++
		case d.Packet != first.Packet:
			packets[d.Packet] = true
		}
	}
	var parts []string
	if len(packets) > 0 {
		parts = append(parts, count(len(packets), "more packet"))
	}
	if tables > 0 {
		parts = append(parts, count(tables, "line")+" of tables and logs")
	}
	switch {
	case len(parts) == 0:
		return ""
	case len(packets)+tables == 1:
		return capital(parts[0]) + " differs as well."
	}
	return capital(and(parts)) + " differ as well."
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func and(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

func nonEmpty(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}
