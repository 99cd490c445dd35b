package oracle

import (
	"cmp"
	"fmt"
	"slices"
)

// signature names what differs between bridges a and b.
func (c *comparison) signature(a, b int, list []found) string {
	f := slices.MinFunc(list, func(x, y found) int {
		return cmp.Or(
			causes(x.Difference, y.Difference),
			preferWitness(x, y),
			cmp.Compare(x.Step, y.Step),
		)
	})
	s := fmt.Sprintf("%s~%s/%s", c.obs[a].Bridge, c.obs[b].Bridge, f.Kind)
	if f.Kind == CTState {
		s += fmt.Sprintf("/recirc%d", f.Step)
	}
	s += "/" + f.token
	if f.class != "" {
		s += "/" + f.class
	}
	if f.Kind == CTState && slices.ContainsFunc(list, func(o found) bool { return o.Subject == "looped" }) {
		s += "/looped"
	}
	return s
}

// preferWitness orders a difference that the witness shows before one that the
// rules as given show: the bits that these look at vary from trace to trace.
func preferWitness(x, y found) int {
	switch {
	case x.Witness == y.Witness:
		return 0
	case x.Witness:
		return -1
	}
	return 1
}

// StillShows reports whether v, of a trace that was changed, shows what the
// verdict found did: the signature, and if that was seen without the witness
// copy, and so on a bridge that is not ours, so still.
func (v Verdict) StillShows(found Verdict) bool {
	return v.Signature == found.Signature && (v.shownByRules() || !found.shownByRules())
}

// shownByRules reports whether a difference of the kind in the signature is not
// the witness's alone.
func (v Verdict) shownByRules() bool {
	return slices.ContainsFunc(v.Differences, func(d Difference) bool {
		return d.Kind == v.Differences[0].Kind && !d.Witness
	})
}
