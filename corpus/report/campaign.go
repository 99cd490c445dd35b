package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/corpus"
)

// A Page is a report on campaigns and findings: see [NewPage].
type Page struct {
	Title string
	// Faults says what could not be read: see [corpus.Campaign].
	Faults    []error
	campaigns []campaignView
}

// A campaignView is what is told of a campaign.
type campaignView struct {
	ID, Name string
	// Words say in sentences what was done and what came of it.
	Words      []string
	Facts      []fact
	Signatures []signatureView
	Plots      []plot
	History    []momentView
	Findings   []findingView
	// NotShown is the number of findings that are not told in full.
	NotShown int
	// Sweep is nil if there was none.
	Sweep *sweepView
}

// A fact is a line of a table that says what something is.
type fact struct{ Name, Value string }

type signatureView struct {
	Signature, Status, Title, Count, FirstSeen string
	// Anchor is where the finding is told; empty if it is not.
	Anchor string
}

type momentView struct{ Time, Traces, Coverage, Signatures, Restarts string }

// The findings of a campaign that are told in full, in the order in which they
// matter; a reader of more is better served by a program.
const mostFindings = 50

// historyRows is the number of lines in which a campaign's progress is told.
const historyRows = 12

// NewPage returns a report on what [corpus.Read] read. Findings are read whole
// for it, and what cannot be read is among its faults.
func NewPage(campaigns ...corpus.Campaign) *Page {
	p := &Page{Title: "What the bridges disagree about"}
	for i, c := range campaigns {
		p.Faults = append(p.Faults, c.Faults...)
		p.campaigns = append(p.campaigns, p.campaign(fmt.Sprintf("c%d", i+1), c))
	}
	if len(p.campaigns) == 1 {
		if profile := profileOf(campaigns[0]); profile != "" {
			p.Title += " on " + profile
		}
	}
	return p
}

func (p *Page) campaign(id string, c corpus.Campaign) campaignView {
	name := filepath.Base(c.Dir)
	if abs, err := filepath.Abs(c.Dir); err == nil {
		name = filepath.Base(abs) // not "."
	}
	v := campaignView{ID: id, Name: name, Words: summary(c), Facts: facts(c), Sweep: newSweepView(id, c.Sweep)}
	anchors, titles := map[string]string{}, map[string]string{}
	for i, f := range c.Findings {
		if i == mostFindings {
			v.NotShown = len(c.Findings) - mostFindings
			break
		}
		whole, err := corpus.ReadFinding(f.Dir)
		if err != nil {
			p.Faults = append(p.Faults, err)
			continue
		}
		whole.Status, whole.Count, whole.Seconds = f.Status, f.Count, f.Seconds
		told := newFindingView(fmt.Sprintf("%s-%d", id, i+1), whole)
		path := filepath.Join(f.Dir, "trace.pcapng")
		anchors[path], titles[path] = told.ID, told.Title
		v.Findings = append(v.Findings, told)
	}
	for _, s := range c.Signatures {
		v.Signatures = append(v.Signatures, signatureView{
			Signature: s.Signature, Status: string(s.Status), Count: thousands(s.Count),
			FirstSeen: duration(s.FirstSeen), Anchor: anchors[s.Trace], Title: titles[s.Trace],
		})
	}
	list := moments(c)
	v.Plots = plots(list)
	if len(v.Plots) > 0 {
		for _, m := range thin(list, historyRows) {
			v.History = append(v.History, momentView{duration(m.Seconds), thousands(m.Traces), thousands(m.Coverage), thousands(m.Signatures), thousands(m.Restarts)})
		}
	}
	return v
}

// isCampaign tells a campaign from findings that were read by themselves.
func isCampaign(c corpus.Campaign) bool { return !c.Settings.Started.IsZero() }

// isSweep tells a sweep that is alone in its directory.
func isSweep(c corpus.Campaign) bool {
	return c.Sweep != nil && !isCampaign(c) && len(c.Findings) == 0
}

func profileOf(c corpus.Campaign) string {
	switch {
	case isCampaign(c):
		return c.Settings.Profile
	case isSweep(c):
		return c.Sweep.Profile
	case len(c.Findings) == 0:
		return ""
	}
	profile := c.Findings[0].Profile
	for _, f := range c.Findings {
		if f.Profile != profile {
			return ""
		}
	}
	return profile
}

// bridgesOf returns the campaign's bridges, with the versions that a finding
// knows if the campaign did not when it began.
func bridgesOf(c corpus.Campaign) []corpus.Bridge {
	if isSweep(c) {
		return c.Sweep.Bridges
	}
	bridges := slices.Clone(c.Settings.Bridges)
	if len(c.Findings) == 0 {
		return bridges
	}
	first := c.Findings[0].Bridges
	if len(bridges) == 0 {
		return first
	}
	for i := range min(len(bridges), len(first)) {
		if bridges[i].Kernel == "" && bridges[i].Name == first[i].Name {
			bridges[i] = first[i]
		}
	}
	return bridges
}

func bridgeText(b corpus.Bridge) string {
	var versions []string
	if b.Kernel != "" {
		versions = append(versions, "Linux "+b.Kernel)
	}
	if b.OVS != "" {
		versions = append(versions, "Open vSwitch "+b.OVS)
	}
	if len(versions) == 0 {
		return b.Name
	}
	return fmt.Sprintf("%s (%s)", b.Name, strings.Join(versions, ", "))
}

// summary says what ran, for how long, and what came of it.
func summary(c corpus.Campaign) []string {
	var bridges []string
	for _, b := range bridgesOf(c) {
		bridges = append(bridges, bridgeText(b))
	}
	var words []string
	last := c.Last()
	if isCampaign(c) {
		text := fmt.Sprintf("In %s, %s replayed on the bridges %s.", duration(c.Seconds()), wasWere(last.Traces, "trace"), and(bridges))
		words = append(words, text)
	} else if len(bridges) > 0 {
		words = append(words, fmt.Sprintf("Bridges: %s.", and(bridges)))
	}
	if isSweep(c) {
		return words
	}
	n := map[corpus.Status]int{}
	for _, s := range c.Signatures {
		n[s.Status]++
	}
	confirmed := n[corpus.New] + n[corpus.Known]
	switch {
	case confirmed == 0:
		words = append(words, "No disagreement was confirmed.")
	case n[corpus.Known] == 0:
		words = append(words, fmt.Sprintf("The bridges disagree in %s that no list of known issues has.", count(confirmed, "way")))
	case n[corpus.New] == 0:
		words = append(words, fmt.Sprintf("The bridges disagree in %s, all of them known.", count(confirmed, "way")))
	default:
		words = append(words, fmt.Sprintf("The bridges disagree in %s: %d new and %d known.", count(confirmed, "way"), n[corpus.New], n[corpus.Known]))
	}
	if odd := n[corpus.Inconclusive]; odd > 0 {
		words = append(words, fmt.Sprintf("%s seen and not confirmed, which says nothing about the bridges.", wasWere(uint64(odd), "more difference")))
	}
	return words
}

func wasWere(n uint64, what string) string {
	if n == 1 {
		return "1 " + what + " was"
	}
	return thousands(n) + " " + what + "s were"
}
