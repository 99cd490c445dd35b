package export_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/corpus/corpustest"
	"github.com/ctdiff/ctdiff/corpus/export"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracetext"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// replayed is a case as two replays on debian-11 show it.
func replayed(c oracletest.Case) export.Case {
	return export.Case{
		Name: c.Name, Trace: c.Trace, Profile: "debian-11", Level: replay.Purged,
		Bridges: c.Obs, Verdict: oracle.Confirm(c.Trace, [][]replay.Observation{c.Obs, c.Obs}),
	}
}

// solicitation is the packet of the founding report, with its checksum.
func solicitation() []byte {
	const text = "p1 +0s icmp6 ns 2001:db8:0:f101::1 > ff02::1:ff00:2 target 2001:db8:0:f101::2"
	t, err := tracetext.Parse(strings.NewReader(text))
	if err != nil {
		panic(err) // the text is constant
	}
	return t.Packets[0].Frame
}

// founding is the case of the founding report, as the lab showed it.
func founding() export.Case {
	f := corpustest.Founding()
	f.Dir = "findings/founding"
	return export.FromFinding(f)
}

func write(t *testing.T, format func(io.Writer, export.Case) error, c export.Case) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := format(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestShell(t *testing.T) {
	c := founding()
	golden(t, "founding.sh", write(t, export.Shell, c))
	golden(t, "trace.sh", write(t, export.Shell, export.Case{Trace: c.Trace}))
	golden(t, "witness.sh", write(t, export.Shell, replayed(oracletest.WitnessOnly())))
	long := c
	long.Trace = oracletest.Trace(1, make([]byte, replay.MaxFrame))
	golden(t, "long.sh", write(t, export.Shell, long))
}

// tool runs a program that the test needs.
func tool(t *testing.T, input []byte, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func TestShellcheck(t *testing.T) {
	for _, c := range []export.Case{founding(), replayed(oracletest.WitnessOnly()), hostile()} {
		tool(t, write(t, export.Shell, c), "shellcheck", "--shell=sh", "-")
	}
}

// hostile is a case in which everything that is text tries to be run.
func hostile() export.Case {
	c := founding()
	evil := "x\n$(touch hacked) `touch hacked` ' \" \r\u2028\ufffe]) m4_esyscmd([touch hacked]) dnl"
	c.Name, c.Profile = evil, evil
	c.Trace.Pipeline = append(replay.Pipeline{"END", "END_", "touch hacked", "$(touch hacked)", "m4_esyscmd([touch hacked])", "```", "]]>"}, c.Trace.Pipeline...)
	for i := range c.Bridges {
		c.Bridges[i].Kernel, c.Bridges[i].OVS = evil, evil
	}
	c.Verdict.Signature = "system~tc/" + evil
	for i, d := range c.Verdict.Differences {
		d.Text += evil
		c.Verdict.Differences[i] = d
	}
	return c
}

// A script that is run by someone else than root, or of a hostile trace, does
// nothing: here it has no root, or no Open vSwitch.
func TestShellQuotes(t *testing.T) {
	dir := t.TempDir()
	text := write(t, export.Shell, hostile())
	// What creates devices is left out: the quoting of the rest is run.
	fake := "id() { echo 0; }\novs-vsctl() { case $1 in br-exists) return 2 ;; esac; }\novs-ofctl() { cat >>got; }\n"
	fake += "ovs-appctl() { :; }\nip() { :; }\nsleep() { :; }\n"
	fake = strings.ReplaceAll(fake, "ovs-ofctl() { cat >>got; }", `ovs-ofctl() { case $1 in --bundle) cat >got ;; esac; }`)
	cmd := exec.Command("bash", "-c", fake+string(text), "repro.sh", "system")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "hacked")); err == nil {
		t.Error("the trace ran a command")
	}
	got, err := os.ReadFile(filepath.Join(dir, "got"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Join(hostile().Trace.Pipeline, "\n")+"\n", string(got)); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

func TestMarkdown(t *testing.T) {
	golden(t, "founding.md", write(t, export.Markdown, founding()))
	text := string(write(t, export.Markdown, hostile()))
	if strings.Count(text, "\n````\n") != 3 {
		t.Errorf("a rule ends its code block:\n%s", text)
	}
}

func TestGoFuzz(t *testing.T) {
	var b bytes.Buffer
	if err := export.GoFuzz(&b, []byte("\x02\x00\"a`\n")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("go test fuzz v1\n[]byte(\"\\x02\\x00\\\"a`\\n\")\n", b.String()); diff != "" {
		t.Error(diff)
	}
}

// What is no divergence is no bug report.
func TestNothingToShow(t *testing.T) {
	agreeing := replayed(oracletest.Fixed())
	flickering := founding()
	flickering.Verdict = oracle.Confirm(flickering.Trace, [][]replay.Observation{flickering.Bridges, oracletest.Fixed().Obs})
	norules := founding()
	norules.Trace.Pipeline = nil
	newline := founding()
	newline.Trace.Pipeline = replay.Pipeline{"actions=drop\ntouch hacked"}
	empty := founding()
	empty.Trace.Packets = nil
	unquotable := founding()
	unquotable.Trace.Pipeline = append(unquotable.Trace.Pipeline, "]] [[")
	macro := founding()
	macro.Trace.Pipeline = append(macro.Trace.Pipeline, "actions=m4_esyscmd(touch hacked)")
	end := founding()
	end.Trace.Pipeline = append(end.Trace.Pipeline, "_ATEOF")
	for _, tt := range []struct {
		name    string
		formats string
		c       export.Case
		want    string
	}{
		{"agree", "at md", agreeing, "the bridges agree: there is nothing to show"},
		{"inconclusive", "at md", flickering, "inconclusive: "},
		{"not replayed", "at md junit", export.Case{Trace: agreeing.Trace}, "the trace was not replayed"},
		{"no rules", "at md sh", norules, "no rules"},
		{"a rule of two lines", "at md sh", newline, "rule"},
		{"no packets", "at md sh", empty, "trace has no packets"},
		{"a macro", "at", macro, `rule "actions=m4_esyscmd(touch hacked)" cannot be quoted for m4`},
		{"the end of the rules", "at", end, `rule "_ATEOF" cannot be quoted for m4`},
		{"brackets", "at", unquotable, `rule "]] [[" cannot be quoted for m4`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, format := range map[string]func(io.Writer, export.Case) error{
				"at": export.Autotest, "md": export.Markdown, "sh": export.Shell,
				"junit": func(w io.Writer, c export.Case) error { return export.JUnit(w, []export.Case{c}) },
			} {
				if !strings.Contains(tt.formats, name) {
					continue
				}
				var b bytes.Buffer
				err := format(&b, tt.c)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: error %v, want %q", name, err, tt.want)
				}
				if b.Len() > 0 {
					t.Errorf("%s: %d bytes of output", name, b.Len())
				}
			}
		})
	}
}
