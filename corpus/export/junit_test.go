package export_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"testing"

	"github.com/ctdiff/ctdiff/corpus/export"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

func junitCases() []export.Case {
	fixed := replayed(oracletest.Fixed())
	flickering := founding()
	flickering.Name = "flickering"
	flickering.Verdict = oracle.Confirm(flickering.Trace, [][]replay.Observation{flickering.Bridges, fixed.Bridges})
	return []export.Case{founding(), fixed, flickering}
}

func junit(t *testing.T, cases []export.Case) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := export.JUnit(&b, cases); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// An element is what Jenkins' junit-10.xsd says of one, as far as we write it:
// what it has to have, may have, and may have in it.
type element struct{ required, optional, children []string }

var schema = map[string]element{
	"":           {children: []string{"testsuites"}},
	"testsuites": {optional: []string{"name", "time", "tests", "failures", "errors"}, children: []string{"testsuite"}},
	"testsuite": {required: []string{"name", "tests"}, optional: []string{"failures", "errors", "skipped", "time", "timestamp"},
		children: []string{"properties", "testcase", "system-out", "system-err"}},
	"testcase": {required: []string{"name"}, optional: []string{"classname", "time", "group"},
		children: []string{"skipped", "error", "failure", "system-out", "system-err"}},
	"failure": {optional: []string{"type", "message"}},
	"skipped": {optional: []string{"type", "message"}},
}

// checkSchema walks a document, and returns how many elements it has of each.
func checkSchema(t *testing.T, data []byte) map[string]int {
	t.Helper()
	count := map[string]int{}
	open := []string{""}
	for dec := xml.NewDecoder(bytes.NewReader(data)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return count
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			if !slices.Contains(schema[open[len(open)-1]].children, name) {
				t.Errorf("<%s> in <%s>", name, open[len(open)-1])
			}
			var got []string
			for _, a := range e.Attr {
				got = append(got, a.Name.Local)
				if !slices.Contains(slices.Concat(schema[name].required, schema[name].optional), a.Name.Local) {
					t.Errorf("<%s> has %s", name, a.Name.Local)
				}
			}
			for _, a := range schema[name].required {
				if !slices.Contains(got, a) {
					t.Errorf("<%s> has no %s", name, a)
				}
			}
			count[name]++
			open = append(open, name)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

func TestJUnit(t *testing.T) {
	data := junit(t, junitCases())
	golden(t, "junit.xml", data)
	var read struct {
		Suite struct {
			Tests    string `xml:"tests,attr"`
			Failures string `xml:"failures,attr"`
			Skipped  string `xml:"skipped,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	for name, cases := range map[string][]export.Case{"none": nil, "three": junitCases(), "hostile": {hostile()}} {
		t.Run(name, func(t *testing.T) {
			data := junit(t, cases)
			count := checkSchema(t, data)
			if err := xml.Unmarshal(data, &read); err != nil {
				t.Fatal(err)
			}
			for what, pair := range map[string][2]string{
				"tests":    {read.Suite.Tests, strconv.Itoa(count["testcase"])},
				"failures": {read.Suite.Failures, strconv.Itoa(count["failure"])},
				"skipped":  {read.Suite.Skipped, strconv.Itoa(count["skipped"])},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s is %s, and there are %s", what, pair[0], pair[1])
				}
			}
		})
	}
}
