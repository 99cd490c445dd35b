package report

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

// facts has the figures of a campaign.
func facts(c corpus.Campaign) []fact {
	if !isCampaign(c) {
		return nil
	}
	s, last := c.Settings, c.Last()
	list := []fact{
		{"profile", cmp.Or(s.Profile, "own kernel or Open vSwitch")},
		{"level", string(s.Level)},
		{"started", s.Started.UTC().Format("2006-01-02 15:04:05 UTC")},
		{"ran for", duration(c.Seconds())},
		{"traces", thousands(last.Traces)},
	}
	if seconds := c.Seconds(); seconds > 0 {
		list = append(list, fact{"traces a second", thousands(uint64(float64(last.Traces) / seconds))})
	}
	if last.Coverage > 0 {
		list = append(list, fact{"places in the kernels reached", thousands(last.Coverage)})
	}
	list = append(list, fact{"guests started anew", thousands(last.Restarts)})
	for _, name := range slices.Sorted(maps.Keys(s.Options)) {
		list = append(list, fact{name, s.Options[name]})
	}
	if n := len(s.Pipeline); n > 0 {
		list = append(list, fact{"rules", thousands(uint64(n))})
	}
	return append(list, fact{"ctdiff", cmp.Or(s.Ctdiff, "unknown version")})
}

// commands reproduces the finding.
func commands(f corpus.Finding) []string {
	replayed := "ctdiff replay"
	var list []string
	names := make([]string, len(f.Bridges))
	for i, b := range f.Bridges {
		names[i] = b.Name
	}
	profiles := strings.Split(f.Profile, ",")
	switch {
	case f.Profile == "":
		list = append(list, "# with the --kernel-src, --kernel-image or --ovs-root that it was found with:")
	case len(profiles) == len(names):
		for i := range names {
			list = append(list, "ctdiff lab build --profile "+quoted(profiles[i]))
			names[i] = profiles[i] + ":" + names[i]
		}
	default:
		list = append(list, "ctdiff lab build --profile "+quoted(f.Profile))
		replayed += " --profile " + quoted(f.Profile)
	}
	if bridges := strings.Join(names, ","); bridges != "system,tc" {
		replayed += " --bridges " + quoted(bridges)
	}
	if f.Level != "" {
		replayed += " --level " + quoted(string(f.Level))
	}
	return append(list, replayed+" "+quoted(filepath.Join(f.Dir, "trace.pcapng")))
}

var safeWord = regexp.MustCompile(`^[\w@%+=:,./][\w@%+=:,./-]*$`)

// quoted returns a word as a shell takes it.
func quoted(word string) string {
	if safeWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(printable(word), "'", `'\''`) + "'"
}

func findingFacts(f corpus.Finding) []fact {
	r := f.Reduction
	ended := fmt.Sprintf("not known to be minimal, %s tried", count(r.Steps, "candidate"))
	if r.Minimal {
		ended = fmt.Sprintf("minimal: nothing more can be left out or made plainer, %s tried", count(r.Steps, "candidate"))
	}
	if r.Steps == 0 {
		ended = "not tried"
	}
	if r.Note != "" {
		ended += "; " + r.Note
	}
	list := []fact{
		{"seen", fmt.Sprintf("%s, first after %s", times(f.Count), duration(f.Seconds))},
		{"found", f.Found.UTC().Format("2006-01-02 15:04:05 UTC")},
		{"profile", cmp.Or(f.Profile, "own kernel or Open vSwitch")},
		{"level", string(f.Level)},
	}
	if f.Verdict.Runs > 0 {
		list = append(list, fact{"replays", fmt.Sprintf("%d of %d diverge", f.Verdict.Diverged, f.Verdict.Runs)})
	}
	return append(list,
		fact{"size", fmt.Sprintf("%s and %s, of %s and %s", count(r.Packets, "packet"), count(r.Rules, "rule"), count(r.OfPackets, "packet"), count(r.OfRules, "rule"))},
		fact{"reduction", ended},
		fact{"trace", tracefile.Hash(f.Trace)},
		fact{"ctdiff", cmp.Or(f.Ctdiff, "unknown version")},
	)
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return thousands(n) + " times"
}
