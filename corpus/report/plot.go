package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/corpus"
)

// A plot shows one number over time.
type plot struct {
	Name, Desc string
	// Path is that of the line, Area what is below it.
	Path, Area string
	// Max and End are what stands at the ends of the axes.
	Max, End string
}

// The measures of a plot, in pixels.
const (
	plotWidth  = 300
	plotHeight = 110
	plotPoints = 150
)

// A moment is how far a campaign was at a time.
type moment struct {
	corpus.Sample
	// Signatures counts those confirmed so far.
	Signatures uint64
}

// moments returns a campaign's samples, and when signatures were first seen.
func moments(c corpus.Campaign) []moment {
	var seen []float64
	for _, s := range c.Signatures {
		if s.Status != corpus.Inconclusive {
			seen = append(seen, s.FirstSeen)
		}
	}
	slices.Sort(seen)
	list := []moment{{}}
	n := 0
	for _, s := range c.Samples {
		for n < len(seen) && seen[n] <= s.Seconds {
			n++
			list = append(list, moment{between(list[len(list)-1].Sample, s, seen[n-1]), uint64(n)})
		}
		list = append(list, moment{s, uint64(n)})
	}
	for ; n < len(seen); n++ {
		last := list[len(list)-1]
		last.Seconds, last.Signatures = seen[n], uint64(n+1)
		list = append(list, last)
	}
	return list
}

// between returns how far a campaign was at a time between two samples.
func between(a, b corpus.Sample, at float64) corpus.Sample {
	if b.Seconds <= a.Seconds || b.Traces < a.Traces || b.Coverage < a.Coverage {
		return a
	}
	part := (at - a.Seconds) / (b.Seconds - a.Seconds)
	mid := func(x, y uint64) uint64 { return x + uint64(part*float64(y-x)) }
	return corpus.Sample{Seconds: at, Traces: mid(a.Traces, b.Traces), Coverage: mid(a.Coverage, b.Coverage), Restarts: a.Restarts}
}

// plots draws what a campaign measured.
func plots(list []moment) []plot {
	if len(list) < 3 {
		return nil
	}
	var out []plot
	for _, p := range []struct {
		name  string
		value func(moment) uint64
		steps bool
	}{
		{"Traces replayed", func(m moment) uint64 { return m.Traces }, false},
		{"Places in the kernels reached", func(m moment) uint64 { return m.Coverage }, false},
		{"Signatures confirmed", func(m moment) uint64 { return m.Signatures }, true},
	} {
		if p.value(list[len(list)-1]) > 0 {
			out = append(out, newPlot(p.name, list, p.value, p.steps))
		}
	}
	return out
}

func newPlot(name string, list []moment, value func(moment) uint64, steps bool) plot {
	end := list[len(list)-1].Seconds
	var most uint64
	for _, m := range list {
		most = max(most, value(m))
	}
	var path strings.Builder
	last := ""
	for i, m := range thin(list, plotPoints) {
		x := 0.0
		if end > 0 {
			x = m.Seconds / end * plotWidth
		}
		y := fmt.Sprintf("%.1f", plotHeight*(1-float64(value(m))/float64(most)))
		switch {
		case i == 0:
			fmt.Fprintf(&path, "M%.1f %s", x, y)
		case steps && y != last:
			fmt.Fprintf(&path, "H%.1fV%s", x, y)
		default:
			fmt.Fprintf(&path, "L%.1f %s", x, y)
		}
		last = y
	}
	first := value(list[min(1, len(list)-1)])
	return plot{
		Name: name, Path: path.String(), Area: path.String() + fmt.Sprintf("V%dH0Z", plotHeight),
		Max: thousands(most), End: duration(end),
		Desc: fmt.Sprintf("From %s to %s in %s.", thousands(min(first, most)), thousands(value(list[len(list)-1])), duration(end)),
	}
}

// thin leaves about n of a list, evenly in time, with the first, the last, and
// all that have a new signature.
func thin(list []moment, n int) []moment {
	end := list[len(list)-1].Seconds
	var out []moment
	next := 0.0
	for i, m := range list {
		news := i > 0 && m.Signatures != list[i-1].Signatures && n == plotPoints
		if i == 0 || i == len(list)-1 || news || m.Seconds >= next {
			out = append(out, m)
			for next <= m.Seconds && end > 0 {
				next += end / float64(n)
			}
		}
	}
	return out
}

// thousands groups a number's digits: "123,456".
func thousands(n uint64) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// duration returns seconds for people: "4.2 s", "1 min 30 s", "2 h 5 min".
func duration(seconds float64) string {
	n := uint64(seconds)
	switch {
	case seconds < 60:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", seconds), ".0") + " s"
	case n < 3600:
		return parts(n/60, "min", n%60, "s")
	}
	return parts(n/3600, "h", n/60%60, "min")
}

func parts(a uint64, unitA string, b uint64, unitB string) string {
	text := thousands(a) + " " + unitA
	if b > 0 {
		text += fmt.Sprintf(" %d %s", b, unitB)
	}
	return text
}
