package export

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"io"
	"strings"

	"github.com/ctdiff/ctdiff/corpus/report"
	"github.com/ctdiff/ctdiff/oracle"
)

// The elements are those of the schema that Jenkins' xUnit plugin has for JUnit
// (junit-10.xsd), which GitLab and GitHub's actions read too.
type (
	xmlSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suites  []xmlSuite `xml:"testsuite"`
	}
	xmlSuite struct {
		Name     string    `xml:"name,attr"`
		Tests    int       `xml:"tests,attr"`
		Failures int       `xml:"failures,attr"`
		Errors   int       `xml:"errors,attr"`
		Skipped  int       `xml:"skipped,attr"`
		Cases    []xmlCase `xml:"testcase"`
	}
	xmlCase struct {
		Name    string      `xml:"name,attr"`
		Class   string      `xml:"classname,attr"`
		Skipped *xmlMessage `xml:"skipped"`
		Failure *xmlMessage `xml:"failure"`
	}
	xmlMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",cdata"`
	}
)

// JUnit writes cases, which have to have been replayed, as a JUnit XML report
// with one testcase each. A divergence is a failure, of the type of its
// signature and with the table of the bridges side by side; an inconclusive case
// is skipped.
func JUnit(w io.Writer, cases []Case) error {
	suite := xmlSuite{Name: "ctdiff", Tests: len(cases)}
	for _, c := range cases {
		x, err := junitCase(c)
		if err != nil {
			return err
		}
		if x.Failure != nil {
			suite.Failures++
		}
		if x.Skipped != nil {
			suite.Skipped++
		}
		suite.Cases = append(suite.Cases, x)
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(xmlSuites{Suites: []xmlSuite{suite}}); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

func junitCase(c Case) (xmlCase, error) {
	x := xmlCase{Name: cmp.Or(c.Name, c.hash()), Class: "ctdiff." + cmp.Or(c.Profile, "own-image")}
	switch c.Verdict.Outcome {
	case oracle.Agree:
	case oracle.Inconclusive:
		x.Skipped = &xmlMessage{Message: "inconclusive: " + c.Verdict.Reason}
	case oracle.Diverge:
		var table strings.Builder
		if err := report.Table(&table, c.Trace, c.Bridges, c.Verdict, report.Options{}); err != nil {
			return x, err
		}
		x.Failure = &xmlMessage{
			Message: report.Explain(c.Trace, c.Bridges, c.Verdict),
			Type:    c.Verdict.Signature,
			Text:    "\n" + characters(table.String()),
		}
	default:
		return x, c.diverges()
	}
	return x, nil
}

// characters leaves out what no XML document may have, not even quoted (XML 1.0,
// section 2.2): package xml checks attributes, but not what is in a CDATA section.
func characters(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == '\ufffe' || r == '\uffff' {
			return -1
		}
		return r
	}, text)
}
