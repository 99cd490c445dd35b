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

// JSON writes one object, a [corpus.Sweep] with its version: docs/sweep.md says
// what is in it.
func (t *Table) JSON(w io.Writer) error {
	form := corpus.Sweep{
		Profile: t.Profile, Bridges: t.Bridges, Cases: len(t.cases),
		Packets: t.Packets, Seconds: t.Seconds, PerSecond: t.rate(),
		Cold: t.Cold, Notes: append([]string{}, t.Notes...), Classes: []corpus.SweepClass{},
	}
	for i, c := range t.Classes {
		one := corpus.SweepClass{
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
	return enc.Encode(struct {
		Version int `json:"version"`
		corpus.Sweep
	}{corpus.Version, form})
}
