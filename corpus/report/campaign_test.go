package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/chromedp/chromedp"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/corpustest"
	"github.com/ctdiff/ctdiff/corpus/report"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

// campaign reads what corpustest writes, as if it were in a directory "out".
func campaign(t *testing.T, findings ...corpus.Finding) corpus.Campaign {
	t.Helper()
	t.Chdir(t.TempDir())
	corpustest.Write(t, "out", findings...)
	c, err := corpus.Read("out")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Faults) > 0 {
		t.Fatal(c.Faults)
	}
	// A journal has the time of the test.
	for i := range c.Signatures {
		c.Signatures[i].FirstSeen = c.Findings[i].Seconds
	}
	return c
}

// running is a campaign with figures over time.
func running(t *testing.T) corpus.Campaign {
	t.Helper()
	c := campaign(t, corpustest.Findings()...)
	c.Samples = nil
	for s := 0.0; s <= 62; s += 2 {
		c.Samples = append(c.Samples, corpus.Sample{Seconds: s, Traces: uint64(2050 * s), Coverage: uint64(1450 * s / (s + 6)), Restarts: uint64(s / 40)})
	}
	for i := range c.Signatures {
		c.Signatures[i].FirstSeen, c.Signatures[i].Count = 4.2+11*float64(i), uint64(51234/(1+1000*i))
		c.Findings[i].Seconds, c.Findings[i].Count = c.Signatures[i].FirstSeen, c.Signatures[i].Count
	}
	c.Sweep = swept(t, t.TempDir()).Sweep
	return c
}

func html(t *testing.T, p *report.Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func markdown(t *testing.T, p *report.Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPage(t *testing.T) {
	p := report.NewPage(running(t))
	if len(p.Faults) > 0 {
		t.Error(p.Faults)
	}
	t.Chdir(home)
	golden(t, "page.html", []byte(html(t, p)))
	golden(t, "page.md", []byte(markdown(t, p)))
}

// home is where the tests begin.
var home, _ = os.Getwd()

// Of each case that package oracletest knows a page can be made.
func TestPageCases(t *testing.T) {
	titles := map[string]string{
		"founding":          "Packet 1 is +trk in system but -trk in tc",
		"loop":              "Packet 1 is +trk in system but -trk in tc, and goes round",
		"nat":               "Packet 1 leaves p2 with other bytes in system than in tc: ip_src",
		"conntrack-missing": "system has a connection udp 10.0.0.1 &gt; 10.0.0.2 sport=5000 dport=53 in zone 7, tc has none",
		"crash":             "tc died: BUG: KASAN: use-after-free in tcf_ct_act+0x1f/0x2b0",
		"witness-only":      "Packet 1 is +inv in system but -inv in tc",
		"three":             "Packet 1 is +trk in system but -trk in tc",
	}
	for _, c := range oracletest.Cases() {
		want, ok := titles[c.Name]
		if !ok {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			p := report.NewPage(campaign(t, corpustest.Finding(c)))
			if len(p.Faults) > 0 {
				t.Error(p.Faults)
			}
			if text := html(t, p); !strings.Contains(text, `<h2 id="c1-1">`+strings.ReplaceAll(want, "+", "&#43;")+`</h2>`) {
				_, after, _ := strings.Cut(text, `<h2 id="c1-1">`)
				t.Errorf("title %.200s", after)
			}
			if text := markdown(t, p); strings.Contains(text, "\n\n\n") || strings.Contains(text, "<no value>") {
				t.Errorf("Markdown:\n%s", text)
			}
		})
	}
}

// Whatever another team writes into a finding is shown as it is, and does
// nothing.
func TestPageEscapes(t *testing.T) {
	const evil = `</title></code></text></svg><script>alert(1)</script><img src="http://example.com/x">"'` + "`|``` &amp;\x1b[2J"
	f := corpustest.Findings()[1]
	f.Reason, f.Link, f.Profile, f.Ctdiff, f.Reduction.Note = evil, "javascript:alert(1)", evil, evil, evil
	f.Hints = []corpus.Hint{{Title: evil, Text: evil + "\n```\n# not a heading"}}
	f.Verdict.Differences[0].Text = evil
	for i := range f.Observations {
		o := &f.Observations[i]
		o.Kernel, o.Crash, o.KernelLog = evil, evil, []string{evil}
		for j := range o.Flows {
			o.Flows[j].Actions, o.Flows[j].DP = evil, evil
		}
		o.Conntrack = append(o.Conntrack, replay.ConntrackEntry{Proto: evil, Orig: evil})
		for j := range o.Packets {
			o.Packets[j].Steps[0].DP = evil
		}
	}
	f.Observations[1].Bridge = evil
	c := campaign(t, f)
	way := corpus.SweepWay{Packets: []string{evil}, Before: []string{evil}, Connections: []string{evil}}
	c.Sweep = &corpus.Sweep{Bridges: []corpus.Bridge{{Name: evil}, {Name: evil}}, Notes: []string{evil}, Classes: []corpus.SweepClass{
		{Types: []string{evil}, Verdict: "known", Signature: evil, Note: evil, Link: "javascript:alert(1)", Bridges: []corpus.SweepWay{way, {Crash: evil}}},
	}}
	p := report.NewPage(c)
	p.Faults = append(p.Faults, errors.New(evil))
	text := html(t, p)
	for _, bad := range []string{"<script", "<img", `src="http`, `href="javascript`, "<no value>"} {
		if strings.Contains(text, bad) {
			t.Errorf("HTML has %s", bad)
		}
	}
	if strings.Count(text, "&lt;script&gt;") < 10 {
		t.Error("the texts are not shown")
	}
	b := open(t, text)
	b.none(t, "script or picture", `[...document.querySelectorAll("script, img, a[href^=javascript]")].map(e => e.outerHTML)`)
	b.none(t, "structure", structure)
	b.do(t, chromedp.EmulateViewport(360, 740))
	evaluate[int](t, b, openAll)
	b.none(t, "wider than the window", wide)

	md := markdown(t, p)
	fenced := ""
	for line := range strings.Lines(md) {
		marks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fenced == "" && len(marks) >= 3:
			fenced = marks
		case fenced != "" && line == fenced+"\n":
			fenced = ""
		case fenced == "" && strings.Contains(codeOrEscaped.ReplaceAllString(line, ""), "<"):
			t.Errorf("Markdown has HTML: %s", line)
		}
	}
	if fenced != "" || strings.Contains(md, "\x1b") {
		t.Error("a block of Markdown is not closed, or a text commands the terminal")
	}
}

// codeOrEscaped is what Markdown shows as it is.
var codeOrEscaped = regexp.MustCompile("`+[^`]*`+|\\\\.")

func TestPageFaults(t *testing.T) {
	campaign(t, corpustest.Findings()...)
	c, err := corpus.Read("out")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Findings[0].Dir, "observations.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := report.NewPage(c)
	if len(p.Faults) != 1 || !strings.Contains(p.Faults[0].Error(), "observations.json: line 1: ") {
		t.Errorf("faults %v", p.Faults)
	}
	for _, text := range []string{html(t, p), markdown(t, p)} {
		if !strings.Contains(text, "Not everything could be read") || !strings.Contains(text, "observations.json: line 1: ") ||
			!strings.Contains(text, "goes round") || !strings.Contains(text, c.Findings[0].Signature) {
			t.Error("the page has not the fault and the rest")
		}
	}
}

// A page of very many findings is made in seconds, and can be opened.
func TestPageMany(t *testing.T) {
	c := campaign(t, corpustest.Findings()...)
	for i := range 10_000 {
		f := c.Findings[0]
		f.Signature = fmt.Sprintf("signature %d", i)
		c.Findings = append(c.Findings, f)
		c.Signatures = append(c.Signatures, corpus.Signature{Signature: f.Signature, Status: corpus.New, Count: 1})
	}
	start := time.Now()
	text := html(t, report.NewPage(c))
	if took := time.Since(start); took > 10*time.Second || len(text) > 8<<20 {
		t.Errorf("%d bytes in %v", len(text), took)
	}
	if !strings.Contains(text, "Of 9953 more findings only the signatures are shown.") {
		t.Error("it does not say what is left out")
	}
}

func TestPageNothing(t *testing.T) {
	c := campaign(t)
	if text := html(t, report.NewPage(c)); !strings.Contains(text, "No disagreement was confirmed.") {
		t.Errorf("%s", text)
	}
}

// FuzzPage makes pages of findings that others wrote.
func FuzzPage(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "out")
	corpustest.Write(f, dir, corpustest.Findings()...)
	c, err := corpus.Read(dir)
	if err != nil {
		f.Fatal(err)
	}
	files := []string{"finding.json", "observations.json", "hints.json"}
	for _, finding := range c.Findings {
		var texts [3][]byte
		for i, name := range files {
			texts[i], _ = os.ReadFile(filepath.Join(finding.Dir, name)) // not all have hints
		}
		f.Add(texts[0], texts[1], texts[2])
	}
	place := c.Findings[0].Dir
	f.Fuzz(func(t *testing.T, finding, observations, hints []byte) {
		for i, text := range [][]byte{finding, observations, hints} {
			if err := os.WriteFile(filepath.Join(place, files[i]), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		c, err := corpus.Read(place)
		if err != nil {
			if _, ok := errors.AsType[*corpus.InputError](err); !ok {
				t.Errorf("error of type %T: %v", err, err)
			}
			return
		}
		p := report.NewPage(c)
		for _, text := range []string{html(t, p), markdown(t, p)} {
			if !utf8.ValidString(text) {
				t.Error("no UTF-8")
			}
		}
	})
}
