package sweep

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"

	"github.com/ctdiff/ctdiff/corpus"
)

// CSV writes a row for each case: docs/sweep.md says what is in it.
func (t *Table) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{"type", "code", "connection", "name", "class", "verdict", "signature"}
	if err := out.Write(append(head, t.labels()...)); err != nil {
		return err
	}
	for i, c := range t.cases {
		class := t.Classes[t.class[i]]
		row := []string{
			strconv.Itoa(int(c.Type)), strconv.Itoa(int(c.Code)), strconv.FormatBool(c.Connected), typeNames[c.Type],
			strconv.Itoa(t.class[i] + 1), class.Verdict(), class.Signature,
		}
		for n := range t.Bridges {
			text := ""
			if len(class.Ways) > 0 {
				text = class.Ways[n].String()
			}
			row = append(row, text)
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// JSONVersion is the version of the form that [Table.JSON] writes. A field may be
// added in one version; another meaning or a missing field needs the next.
const JSONVersion = 1

type jsonTable struct {
	Version   int             `json:"version"`
	Profile   string          `json:"profile"`
	Bridges   []corpus.Bridge `json:"bridges"`
	Cases     int             `json:"cases"`
	Packets   int             `json:"packets"`
	Seconds   float64         `json:"seconds"`
	PerSecond float64         `json:"packets_per_second"`
	Cold      int             `json:"cold"`
	Notes     []string        `json:"notes"`
	Classes   []jsonClass     `json:"classes"`
}

type jsonClass struct {
	Class      int      `json:"class"`
	Connection bool     `json:"connection"`
	Pairs      int      `json:"pairs"`
	Types      []string `json:"types"`
	Verdict    string   `json:"verdict"`
	Signature  string   `json:"signature"`
	Reason     string   `json:"reason,omitempty"`
	Note       string   `json:"note,omitempty"`
	Link       string   `json:"link,omitempty"`
	Alone      []string `json:"alone"`
	Bridges    []Way    `json:"bridges"`
}

// JSON writes one object: docs/sweep.md says what is in it.
func (t *Table) JSON(w io.Writer) error {
	form := jsonTable{
		Version: JSONVersion, Profile: t.Profile, Bridges: t.Bridges, Cases: len(t.cases),
		Packets: t.Packets, Seconds: t.Seconds, PerSecond: t.rate(),
		Cold: t.Cold, Notes: append([]string{}, t.Notes...), Classes: []jsonClass{},
	}
	for i, c := range t.Classes {
		one := jsonClass{
			Class: i + 1, Connection: c.Connected(), Pairs: len(c.Cases), Types: []string{},
			Verdict: c.Verdict(), Signature: c.Signature, Reason: c.Reason, Note: c.Note, Link: c.Link,
			Alone: append([]string{}, c.Alone...), Bridges: append([]Way{}, c.Ways...),
		}
		for _, b := range blocks(c.Cases) {
			one.Types = append(one.Types, b.String())
		}
		form.Classes = append(form.Classes, one)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(form)
}
