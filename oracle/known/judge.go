package known

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/replay"
)

// A Judgement is what a list says of a divergence.
type Judgement struct {
	// Known says that the divergence is known on these versions: it is
	// counted, and does not fail anything.
	Known bool
	// Entry is the entry that is about the signature; nil if none is.
	Entry *Entry
	// Text is the entry's reason, or, if the divergence is not known all the
	// same, why not. It is empty if no entry is about the signature.
	Text string
}

// Judge says whether a signature is known on the bridges that it was seen on,
// the first being the reference. Of the observations only names and versions
// are looked at. The first entry that names the versions as affected counts,
// and otherwise the first that is about the signature.
func (l List) Judge(signature string, bridges []replay.Observation) Judgement {
	o, _ := blamed(signature, bridges)
	var about *Entry
	for i, e := range l {
		if !e.matches(signature) {
			continue
		}
		if e.affects(o) {
			return Judgement{Known: true, Entry: &l[i], Text: e.Reason}
		}
		if about == nil {
			about = &l[i]
		}
	}
	if about == nil {
		return Judgement{}
	}
	return Judgement{Entry: about, Text: about.contradicted(o)}
}

// Unseen returns the entries that name the versions of these bridges as
// affected, but are about none of the signatures that were seen on them: an
// issue that may be gone, or that what was replayed cannot show. Entries with a
// rule are among them only if the rule was strict.
func (l List) Unseen(seen []string, bridges []replay.Observation, strict ...string) List {
	var unseen List
	for _, e := range l {
		switch {
		case e.Rule != "" && !slices.Contains(strict, e.Rule):
		case !e.concerns(bridges):
		case slices.ContainsFunc(seen, e.matches):
		default:
			unseen = append(unseen, e)
		}
	}
	return unseen
}

func (e Entry) matches(signature string) bool {
	ok, err := path.Match(e.Signature, signature)
	return ok && err == nil
}

// affects reports whether the entry names a bridge's versions.
func (e Entry) affects(o replay.Observation) bool {
	return holds(e.Kernel, o.Kernel) && holds(e.OVS, o.OVS)
}

func holds(list []Range, version string) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(r Range) bool { return r.Holds(version) })
}

// contradicted says in a sentence that the signature occurs on versions that
// the entry does not name.
func (e Entry) contradicted(o replay.Observation) string {
	on := fmt.Sprintf("it occurs on Linux %s, Open vSwitch %s", orUnknown(o.Kernel), orUnknown(o.OVS))
	if e.Fixed != "" && !before(e.Kernel, o.Kernel) && !before(e.OVS, o.OVS) {
		return fmt.Sprintf("%s says fixed in %s, but %s", e, e.Fixed, on)
	}
	return fmt.Sprintf("%s names only %s as affected, but %s", e, e.affected(), on)
}

// before reports whether a version comes before all ranges of a list.
func before(list []Range, version string) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(r Range) bool { return !r.after(version) })
}

// affected tells the entry's ranges.
func (e Entry) affected() string {
	var parts []string
	for _, r := range e.Kernel {
		parts = append(parts, "Linux "+r.String())
	}
	for _, r := range e.OVS {
		parts = append(parts, "Open vSwitch "+r.String())
	}
	return strings.Join(parts, " and ")
}

func orUnknown(version string) string {
	if version == "" {
		return "of unknown version"
	}
	return version
}

// concerns reports whether a comparison of these bridges can have a signature
// of the entry's bridges, on versions that it names.
func (e Entry) concerns(bridges []replay.Observation) bool {
	names, rest, _ := strings.Cut(e.Signature, "/")
	for i := 1; i < len(bridges); i++ {
		pairs := [][]replay.Observation{{bridges[0], bridges[i]}}
		if len(bridges) > 2 {
			// The reference stands second if it is the outlier.
			pairs = append(pairs, []replay.Observation{bridges[i], bridges[0]})
		}
		for _, p := range pairs {
			if ok, _ := path.Match(names, p[0].Bridge+"~"+p[1].Bridge); !ok {
				continue
			}
			if o, ok := blamed(p[0].Bridge+"~"+p[1].Bridge+"/"+rest, p); ok && e.affects(o) {
				return true
			}
		}
	}
	return false
}

// blamed returns the bridge whose versions count for a signature: see the
// package's documentation.
func blamed(signature string, bridges []replay.Observation) (o replay.Observation, ok bool) {
	parts := strings.Split(signature, "/")
	_, name, _ := strings.Cut(parts[0], "~")
	if len(parts) > 2 && slices.Contains([]oracle.Kind{oracle.Crash, oracle.KernelLog, oracle.Offload}, oracle.Kind(parts[1])) {
		name, _, _ = strings.Cut(parts[2], "+")
	}
	// Of two with one name the reference is the first, and agrees with itself.
	for i := range bridges {
		o = bridges[(i+1)%len(bridges)]
		if ok, _ := path.Match(name, o.Bridge); ok {
			return o, true
		}
	}
	return replay.Observation{}, false
}
