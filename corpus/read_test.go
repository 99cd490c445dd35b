package corpus_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/corpustest"
)

// Bad input of other teams: each fault is named, and the rest is read.
func TestFaults(t *testing.T) {
	const founding = "findings/system-tc-ct_state-recirc1-inv-trk-icmpv6-fd305064"
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
		want  string // of the fault, %s being the directory
	}{
		{"another version", replaceIn(founding+"/finding.json", `"version": 1`, `"version": 2`), founding + "/finding.json: version: it is of version 2, and this ctdiff reads 1"},
		{"no version", replaceIn(founding+"/finding.json", `"version": 1,`, ``), founding + "/finding.json: version: it is of version 0, and this ctdiff reads 1"},
		{"no JSON", replaceIn(founding+"/finding.json", `"status":`, `status:`), founding + "/finding.json: line 4: invalid character 's' looking for beginning of object key string"},
		{"wrong type", replaceIn(founding+"/finding.json", `"after_s": 4.2`, `"after_s": "x"`), founding + "/finding.json: line 6: json: cannot unmarshal string into Go struct field findingForm.Finding.after_s of type float64"},
		{"negative time", replaceIn(founding+"/finding.json", `"after_s": 4.2`, `"after_s": -1`), founding + "/finding.json: -1 seconds: not 0 to 1e+10"},
		{"status", replaceIn(founding+"/finding.json", `"status": "new"`, `"status": "odd"`), founding + `/finding.json: status "odd": not one of new, known, inconclusive`},
		{"no finding.json", remove(founding + "/finding.json"), founding + "/finding.json: no such file or directory"},
		{"no trace", remove(founding + "/trace.pcapng"), founding + "/trace.pcapng: no such file or directory"},
		{"no observations", remove(founding + "/observations.json"), founding + "/observations.json: no such file or directory"},
		{"link out of a finding", link(founding+"/finding.json", "/etc/passwd"), founding + "/finding.json: path escapes from parent"},
		{"relative link", link(founding+"/observations.json", "../../../secret"), founding + "/observations.json: path escapes from parent"},
		{"link for a finding", link(founding, "/etc"), founding + ": a symbolic link: it is not followed"},
		{"link for all", link("inconclusive", "/etc"), "inconclusive: path escapes from parent"},
		{"directory for a file", directory(founding + "/finding.json"), founding + "/finding.json: not a regular file"},
		{"pipe for a file", pipe(founding + "/finding.json"), founding + "/finding.json: not a regular file"},
		{"too large", truncate(founding+"/finding.json", 65<<20), founding + "/finding.json: 68157440 bytes: more than 67108864"},
		{"twice", copied(founding, "findings/again"), founding + ": it has the signature of %s/findings/again as well"},
		{"spoilt line", spoilLine(2), "journal-*.jsonl: line 2: invalid character 'x' looking for beginning of value"},
		{"no start", spoilLine(1), "journal-*.jsonl: line 1: invalid character 'x' looking for beginning of value"},
		{"journal of another version", replaceIn("journal-*.jsonl", `"version":1`, `"version":3`), "journal-*.jsonl: line 1: it is of version 3, and this ctdiff reads 1"},
		{"bad count", replaceIn("journal-*.jsonl", `"count":1`, `"count":-1`), "journal-*.jsonl: line 2: json: cannot unmarshal number -1 into Go struct field seen.seen.count of type uint64"},
		{"long line", replaceIn("journal-*.jsonl", `"count":1`, strings.Repeat(" ", 70_000)), "journal-*.jsonl: line 2: longer than 65536 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "campaign")
			corpustest.Write(t, dir, corpustest.Findings()...)
			must(t, c.spoil(dir))
			campaign := read(t, dir)
			if len(campaign.Faults) != 1 {
				t.Fatalf("faults: %v", campaign.Faults)
			}
			if _, ok := errors.AsType[*corpus.InputError](campaign.Faults[0]); !ok {
				t.Errorf("error of type %T", campaign.Faults[0])
			}
			pid := regexp.MustCompile(`journal-[0-9]+-[0-9a-f]+\.jsonl`)
			got := pid.ReplaceAllString(campaign.Faults[0].Error(), "journal-*.jsonl")
			if diff := cmp.Diff(dir+"/"+strings.ReplaceAll(c.want, "%s", dir), got); diff != "" {
				t.Error(diff)
			}
			if len(campaign.Findings) < 2 || len(campaign.Signatures) != 3 {
				t.Errorf("%d findings, %d signatures left", len(campaign.Findings), len(campaign.Signatures))
			}
		})
	}
}

func replaceIn(pattern, old, with string) func(string) error {
	return func(dir string) error {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(names) != 1 {
			return errors.Join(err, fmt.Errorf("%q: %q", pattern, names))
		}
		text, err := os.ReadFile(names[0])
		if err != nil || !strings.Contains(string(text), old) {
			return fmt.Errorf("%s: no %s: %w", pattern, old, err)
		}
		return os.WriteFile(names[0], []byte(strings.Replace(string(text), old, with, 1)), 0o666)
	}
}

func spoilLine(n int) func(string) error {
	return func(dir string) error {
		names, _ := filepath.Glob(filepath.Join(dir, "journal-*.jsonl"))
		text, err := os.ReadFile(names[0])
		if err != nil {
			return err
		}
		lines := strings.SplitAfter(string(text), "\n")
		lines[n-1] = "x" + lines[n-1]
		return os.WriteFile(names[0], []byte(strings.Join(lines, "")), 0o666)
	}
}

func remove(name string) func(string) error {
	return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
}

func link(name, target string) func(string) error {
	return func(dir string) error {
		path := filepath.Join(dir, name)
		if err := os.Rename(path, filepath.Join(dir, "elsewhere")); err != nil {
			return err
		}
		return os.Symlink(target, path)
	}
}

func directory(name string) func(string) error {
	return func(dir string) error {
		return errors.Join(os.Remove(filepath.Join(dir, name)), os.Mkdir(filepath.Join(dir, name), 0o777))
	}
}

func pipe(name string) func(string) error {
	return func(dir string) error {
		return errors.Join(os.Remove(filepath.Join(dir, name)), exec.Command("mkfifo", filepath.Join(dir, name)).Run())
	}
}

func truncate(name string, size int64) func(string) error {
	return func(dir string) error { return os.Truncate(filepath.Join(dir, name), size) }
}

func copied(from, to string) func(string) error {
	return func(dir string) error {
		return os.CopyFS(filepath.Join(dir, to), os.DirFS(filepath.Join(dir, from)))
	}
}

// What stands in a finding's other files is checked when it is read whole.
func TestReadFindingFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
		want  string
	}{
		{"another trace", copyFile("original.pcapng", "trace.pcapng"), `trace.pcapng: the trace's hash is 2a3bb9621e86, and finding.json says "f8855cc5c00e"`},
		{"cut off", truncate("trace.pcapng", 200), "trace.pcapng: block 1"},
		{"no trace", replaceIn("observations.json", "[", "["), ""},
		{"other bridge", replaceIn("observations.json", `"name": "tc"`, `"name": "netdev"`), `observations.json: observation 1 is of bridge "netdev", not of "tc"`},
		{"cut off observations", truncate("observations.json", 100), "observations.json: line "},
		{"hints", replaceIn("hints.json", `"title"`, `title`), "hints.json: line 3: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "campaign")
			corpustest.Write(t, dir, corpustest.Findings()...)
			place := read(t, dir).Findings[0].Dir
			must(t, c.spoil(place))
			_, err := corpus.ReadFinding(place)
			if c.want == "" {
				must(t, err)
				return
			}
			if _, ok := errors.AsType[*corpus.InputError](err); !ok || !strings.HasPrefix(err.Error(), filepath.Join(place, c.want[:5])) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

func copyFile(from, to string) func(string) error {
	return func(dir string) error {
		text, err := os.ReadFile(filepath.Join(dir, from))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, to), text, 0o666)
	}
}

func TestReadOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "campaign")
	corpustest.Write(t, dir, corpustest.Findings()...)
	for place, want := range map[string]int{"": 3, "findings": 2, "inconclusive": 1} {
		if c := read(t, filepath.Join(dir, place)); len(c.Findings) != want || len(c.Signatures) != want {
			t.Errorf("%q: %d findings, %d signatures, want %d", place, len(c.Findings), len(c.Signatures), want)
		}
	}
	if c := read(t, read(t, dir).Findings[0].Dir); len(c.Findings) != 1 {
		t.Errorf("one finding: %v", c.Findings)
	}
	empty := t.TempDir()
	for _, place := range []string{empty, filepath.Join(empty, "none"), filepath.Join(dir, "campaign.json")} {
		_, err := corpus.Read(place)
		if _, ok := errors.AsType[*corpus.InputError](err); !ok || !strings.HasPrefix(err.Error(), place+": ") {
			t.Errorf("%s: %v", place, err)
		}
	}
	must(t, replaceIn("campaign.json", `"version": 1`, `"version": 2`)(dir))
	for _, open := range []func() error{
		func() error { _, err := corpus.Read(dir); return err },
		func() error { _, err := corpus.Open(dir); return err },
	} {
		if err := open(); err == nil || !strings.HasSuffix(err.Error(), "campaign.json: version: it is of version 2, and this ctdiff reads 1") {
			t.Error(err)
		}
	}
}

// 10,000 findings are read in seconds.
func TestReadMany(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "campaign")
	corpustest.Write(t, dir, corpustest.Findings()[0])
	first := read(t, dir).Findings[0]
	text, err := os.ReadFile(filepath.Join(first.Dir, "finding.json"))
	must(t, err)
	for i := range 9_999 {
		place := filepath.Join(dir, "findings", fmt.Sprintf("n%d", i))
		must(t, os.Mkdir(place, 0o777))
		for _, file := range []string{"trace.pcapng", "original.pcapng", "observations.json"} {
			must(t, os.Link(filepath.Join(first.Dir, file), filepath.Join(place, file)))
		}
		other := strings.Replace(string(text), first.Signature, fmt.Sprintf("signature %d", i), 1)
		must(t, os.WriteFile(filepath.Join(place, "finding.json"), []byte(other), 0o666))
	}
	start := time.Now()
	c := read(t, dir)
	if len(c.Findings) != 10_000 || len(c.Faults) > 0 {
		t.Errorf("%d findings, %v", len(c.Findings), c.Faults)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	} else {
		t.Logf("took %v", took)
	}
}

// The documentation has every field of the files.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/findings.md")
	must(t, err)
	dir := filepath.Join(t.TempDir(), "campaign")
	corpustest.Write(t, dir, corpustest.Findings()...)
	files := append(journals(t, dir), filepath.Join(dir, "campaign.json"))
	more, err := filepath.Glob(filepath.Join(dir, "*/*/finding.json"))
	must(t, err)
	field := regexp.MustCompile(`"(\w+)": ?[\[{"\dtfn]`)
	for _, file := range append(files, more...) {
		content, err := os.ReadFile(file)
		must(t, err)
		// What is in a verdict is documented elsewhere.
		before, _, _ := strings.Cut(string(content), "\n\t\"verdict\": {")
		_, after, _ := strings.Cut(string(content), "\n\t\"reduction\": {")
		for _, m := range field.FindAllStringSubmatch(before+after, -1) {
			if !strings.Contains(string(text), "`"+m[1]+"`") && m[1] != "parallel" {
				t.Errorf("docs/findings.md has no %s", m[1])
			}
		}
	}
}
