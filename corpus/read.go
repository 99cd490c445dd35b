package corpus

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Read reads the directory of a campaign or a sweep, a directory of findings, or a
// finding. The error, an [*InputError], says that dir is none of these or is of
// another version; what else cannot be read is in [Campaign.Faults], and the rest
// of the campaign is there.
func Read(dir string) (Campaign, error) {
	r, err := openDir(dir)
	if err != nil {
		return Campaign{}, err
	}
	defer r.close()
	b := builder{reader: r, Campaign: Campaign{Dir: dir}, rows: map[rowKey]*Signature{}}
	switch {
	case r.has(campaignFile):
		if b.Settings, err = r.settings(); err != nil {
			return Campaign{}, err
		}
		b.add(r.journals())
		b.findings(findingsDir)
		b.findings(inconclusiveDir)
	case r.has(findingFile):
		err = b.finding(".")
	case b.findings(".") == 0 && len(b.Faults) == 0 && !r.has(sweepFile):
		err = &InputError{File: dir, Err: errors.New("no campaign and no finding: no campaign.json, sweep.json or finding.json in it, and no finding.json in a directory in it")}
	}
	if r.has(sweepFile) {
		sweep, bad := r.sweep()
		if b.Sweep = sweep; bad != nil {
			b.fault(bad)
		}
	}
	b.order()
	return b.Campaign, err
}

// has reports whether there is anything of a name.
func (r reader) has(name string) bool {
	_, err := r.root.Lstat(name)
	return err == nil
}

// entries lists a directory, as far as a bound, and without names that begin
// with a dot: these have something that is not finished.
func (r reader) entries(dir string, most int) ([]fs.DirEntry, error) {
	f, err := r.root.Open(dir)
	if err != nil {
		return nil, r.bad(dir, "", err)
	}
	defer f.Close()
	list, err := f.ReadDir(most + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, r.bad(dir, "", err)
	}
	if len(list) > most {
		err = r.bad(dir, "", fmt.Errorf("more than %d entries: the rest is not read", most))
		list = list[:most]
	} else {
		err = nil
	}
	list = slices.DeleteFunc(list, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") })
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return list, err
}

// A builder puts a campaign together.
type builder struct {
	Campaign
	reader reader
	rows   map[rowKey]*Signature
}

// A rowKey is what [Campaign.Signatures] has one row of.
type rowKey struct {
	signature    string
	inconclusive bool
}

// row returns the row of a signature, which may be new.
func (b *builder) row(k key, seconds float64) *Signature {
	id := rowKey{k.Signature, k.Status == Inconclusive}
	row := b.rows[id]
	if row == nil {
		row = &Signature{Signature: k.Signature, Status: k.Status, FirstSeen: seconds}
		b.rows[id] = row
	}
	row.FirstSeen = min(row.FirstSeen, seconds)
	return row
}

func (b *builder) fault(err error) { b.Faults = append(b.Faults, err) }

// add takes over what the journals have. Of a signature's statuses the last one
// counts: an issue may have become known.
func (b *builder) add(h history) {
	b.Faults = append(b.Faults, h.faults...)
	b.Samples = merge(h.samples)
	slices.SortStableFunc(h.seen, func(x, y seen) int { return cmp.Compare(x.Seconds, y.Seconds) })
	for _, s := range h.seen {
		row := b.row(s.key, s.Seconds)
		row.Count += s.Count
		row.Status = s.Status
	}
}

// findings reads the findings in a directory, and returns how many directories
// are there.
func (b *builder) findings(dir string) int {
	entries, err := b.reader.entries(dir, maxFindings)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // Git keeps no empty directory
		b.fault(err)
	}
	n := 0
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		switch {
		case e.Type() == fs.ModeSymlink:
			b.fault(b.reader.bad(name, "", errors.New("a symbolic link: it is not followed")))
		case e.IsDir():
			n++
			if err := b.finding(name); err != nil {
				b.fault(err)
			}
		}
	}
	return n
}

func (b *builder) finding(dir string) error {
	form, err := b.reader.finding(dir)
	if err != nil {
		return err
	}
	f := form.Finding
	row := b.row(key{f.Signature, f.Status}, f.Seconds)
	if row.Trace != "" {
		return b.reader.bad(dir, "", fmt.Errorf("it has the signature of %s as well", filepath.Dir(row.Trace)))
	}
	if row.Count == 0 {
		row.Count = 1 // its process ended before it could count
	}
	if err := b.reader.whole(dir); err != nil {
		return err
	}
	row.Trace = filepath.Join(f.Dir, traceFile)
	b.Findings = append(b.Findings, f)
	return nil
}

// order sorts what was read, and tells the findings what the journals know.
func (b *builder) order() {
	for _, row := range b.rows {
		b.Signatures = append(b.Signatures, *row)
	}
	slices.SortFunc(b.Signatures, func(x, y Signature) int {
		return compare(key{x.Signature, x.Status}, key{y.Signature, y.Status}, x.FirstSeen, y.FirstSeen)
	})
	for i := range b.Findings {
		f := &b.Findings[i]
		row := b.rows[rowKey{f.Signature, f.Status == Inconclusive}]
		f.Status, f.Seconds, f.Count = row.Status, row.FirstSeen, row.Count
	}
	slices.SortFunc(b.Findings, func(x, y Finding) int {
		return compare(key{x.Signature, x.Status}, key{y.Signature, y.Status}, x.Seconds, y.Seconds)
	})
}

var statusOrder = []Status{New, Known, Inconclusive}

func compare(x, y key, seenX, seenY float64) int {
	return cmp.Or(
		cmp.Compare(slices.Index(statusOrder, x.Status), slices.Index(statusOrder, y.Status)),
		cmp.Compare(seenX, seenY),
		cmp.Compare(x.Signature, y.Signature),
	)
}
