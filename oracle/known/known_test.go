package known_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/known"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

func read(t testing.TB, text string) known.List {
	t.Helper()
	list, err := known.Read(strings.NewReader(text), "own.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// entry returns the text of an entry, with the lines given behind its
// signature.
func entry(signature string, more ...string) string {
	lines := append([]string{"- signature: \"" + signature + "\""}, more...)
	return strings.Join(append(lines, "reason: because", "link: https://example.com/1"), "\n  ") + "\n"
}

// on returns a bridge with versions, but without an observation.
func on(name, kernel, ovs string) replay.Observation {
	return replay.Observation{Bridge: name, Kernel: kernel, OVS: ovs}
}

func both(kernel, ovs string) []replay.Observation {
	return []replay.Observation{on("system", kernel, ovs), on("tc", kernel, ovs)}
}

func TestReadRefuses(t *testing.T) {
	const good = "- {signature: a~b/c, reason: because, link: 'https://example.com/'"
	for _, c := range []struct{ name, text, want string }{
		{"an unknown key", entry("a~b/c", "kernels: []"), "own.yaml:2: field kernels not found"},
		{"in the second entry", entry("a~b/c") + entry("a~b/c", "fixd: 5"), "own.yaml:5: field fixd not found"},
		{"two faults", entry("a~b/c", "x: 1", "y: 2"), "own.yaml:2: field x not found in type known.Entry\nown.yaml:3: field y not found"},
		{"a key twice", entry("a~b/c", "fixed: x", "fixed: y"), `own.yaml:3: mapping key "fixed" already defined at line 2`},
		{"no list", "signature: a~b/c", "own.yaml:1: cannot construct !!map into"},
		{"no YAML", "- {\n", "own.yaml:2: did not find"},
		{"nothing", "# to do\n", "own.yaml: yaml: no documents in stream"},
		{"two documents", good + "}\n---\n" + good + "}\n", "own.yaml: yaml: expected single document"},
		{"an empty entry", good + "}\n-\n", `own.yaml:2: signature "": does not begin with two bridges`},
		{"no bridges", entry("ct_state/recirc1"), `own.yaml:1: signature "ct_state/recirc1": does not begin with two bridges`},
		{"bridges alone", entry("system~tc"), "does not begin with two bridges"},
		{"a bad pattern", entry("system~tc/[a/b"), "own.yaml:1: signature \"system~tc/[a/b\": syntax error in pattern"},
		{"a range that is no list", entry("a~b/c", "kernel: \">=5\""), "own.yaml:2: cannot construct !!str"},
		{"a bad range", entry("a~b/c", "kernel:", "  - \">=5\"", "  - \">=six\""), `own.yaml:4: range ">=six": version "six"`},
		{"fixed nowhere", entry("a~b/c", "fixed: in 5.10"), "own.yaml:1: fixed \"in 5.10\": but no range"},
		{"no reason", "- {signature: a~b/c, link: 'https://example.com/'}", "own.yaml:1: reason: not one line"},
		{"a long reason", "- signature: a~b/c\n  link: https://example.com/\n  reason: |\n    one\n    two\n", "own.yaml:1: reason: not one line"},
		{"no link", "- {signature: a~b/c, reason: because}", `own.yaml:1: link ""`},
		{"no address", "- {signature: a~b/c, reason: because, link: see there}", `own.yaml:1: link "see there": not the address`},
		{"a rule that is none", entry("a~b/c", "rule: tc-bytes"), `own.yaml:1: rule "tc-bytes": there is none`},
		{"all rules", entry("a~b/c", "rule: all"), `own.yaml:1: rule "all": there is none`},
		{"too long", strings.Repeat("#", 1<<20+1), "own.yaml: longer than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := known.Read(strings.NewReader(c.text), "own.yaml")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, %v; want %q", list, err, c.want)
			}
		})
	}
}

func TestReadFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "team.yaml")
	if _, err := known.ReadFile(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(file, []byte(entry("system~tc/verdict/dropped/udp")), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := known.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := append(known.Shipped(), list...)
	if j := all.Judge("system~tc/verdict/dropped/udp", both("6.1", "3.1")); !j.Known || j.Entry.String() != "entry 1 of team.yaml, line 1" {
		t.Errorf("%+v", j)
	}
	if list := read(t, "[]"); len(list) != 0 {
		t.Errorf("an empty list has %d entries", len(list))
	}
}

func TestJudge(t *testing.T) {
	const dropped = "system~tc/verdict/dropped/udp"
	fixed := []string{`kernel: [">=5.4, <5.10.30", ">=5.11, <5.12-rc5"]`, `ovs: [">=2.13"]`, "fixed: commit 12345"}
	for _, c := range []struct {
		name      string
		list      string
		signature string
		bridges   []replay.Observation
		known     bool
		text      string
	}{
		{"affected", entry(dropped, fixed...), dropped, both("5.10.29", "2.15.0"), true, "because"},
		{"affected on another branch", entry(dropped, fixed...), dropped, both("5.12.0-rc4", "2.15.0"), true, "because"},
		{"fixed on a stable branch", entry(dropped, fixed...), dropped, both("5.10.223", "2.15.0"), false,
			"entry 1 of own.yaml, line 1 says fixed in commit 12345, but it occurs on Linux 5.10.223, Open vSwitch 2.15.0"},
		{"fixed upstream", entry(dropped, fixed...), dropped, both("7.3.0-rc7", "3.5.0"), false,
			"entry 1 of own.yaml, line 1 says fixed in commit 12345, but it occurs on Linux 7.3.0-rc7, Open vSwitch 3.5.0"},
		{"before the first that is affected", entry(dropped, fixed...), dropped, both("4.19.325", "2.15.0"), false,
			"entry 1 of own.yaml, line 1 names only Linux >=5.4, <5.10.30 and Linux >=5.11, <5.12-rc5 and Open vSwitch >=2.13 as affected, but it occurs on Linux 4.19.325, Open vSwitch 2.15.0"},
		{"not fixed, but on other versions", entry(dropped, `ovs: ["=2.15.0"]`), dropped, both("5.10.29", "3.1.0"), false,
			"entry 1 of own.yaml, line 1 names only Open vSwitch =2.15.0 as affected, but it occurs on Linux 5.10.29, Open vSwitch 3.1.0"},
		{"of unknown version", entry(dropped, fixed...), dropped, both("", "2.15.0"), false,
			"entry 1 of own.yaml, line 1 names only Linux >=5.4, <5.10.30 and Linux >=5.11, <5.12-rc5 and Open vSwitch >=2.13 as affected, but it occurs on Linux of unknown version, Open vSwitch 2.15.0"},
		{"any version", entry(dropped), dropped, both("", ""), true, "because"},
		{"about another", entry(dropped), "system~tc/verdict/dropped/tcp", both("5.10.29", "2.15.0"), false, ""},
		{"pattern", entry("*~tc/verdict/*/udp"), dropped, both("5.10.29", "2.15.0"), true, "because"},
		{"a * is one part", entry("system~tc/verdict/*"), dropped, both("5.10.29", "2.15.0"), false, ""},
		{"the entry that is affected counts", entry(dropped, `kernel: ["<5"]`) + entry(dropped, `kernel: [">=5"]`), dropped, both("5.10.29", "2.15.0"), true, "because"},
		{"the outlier's kernel, the second", entry(dropped, `kernel: ["<5.11"]`), dropped,
			[]replay.Observation{on("system", "6.12.117", "3.5.0"), on("tc", "5.10.223", "2.15.0")}, true, "because"},
		{"not that of the reference", entry(dropped, `kernel: ["<5.11"]`), dropped,
			[]replay.Observation{on("system", "5.10.223", "2.15.0"), on("tc", "6.12.117", "3.5.0")}, false,
			"entry 1 of own.yaml, line 1 names only Linux <5.11 as affected, but it occurs on Linux 6.12.117, Open vSwitch 3.5.0"},
		{"the reference is the outlier", entry("tc~system/verdict/dropped/udp", `kernel: ["<5.11"]`), "tc~system/verdict/dropped/udp",
			[]replay.Observation{on("system", "5.10.223", ""), on("tc", "6.12.117", ""), on("netdev", "6.12.117", "")}, true, "because"},
		{"of two with one name, the second", entry("tc~tc/verdict/dropped/udp", `kernel: ["<5.11"]`), "tc~tc/verdict/dropped/udp",
			[]replay.Observation{on("tc", "6.12.117", ""), on("tc", "5.10.223", "")}, true, "because"},
		{"the one that died", entry("system~tc/crash/system/*", `kernel: ["<5.11"]`), "system~tc/crash/system/bug-1",
			[]replay.Observation{on("system", "5.10.223", ""), on("tc", "6.12.117", "")}, true, "because"},
		{"the one that has the line", entry("system~tc/kernel_log/tc/*", `kernel: ["<5.11"]`), "system~tc/kernel_log/tc/warning-1",
			[]replay.Observation{on("system", "6.12.117", ""), on("tc", "5.10.223", "")}, true, "because"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := read(t, c.list).Judge(c.signature, c.bridges)
			if j.Known != c.known || j.Text != c.text || (j.Entry != nil) != (c.text != "") {
				t.Errorf("known %v, %q, want %v, %q", j.Known, j.Text, c.known, c.text)
			}
		})
	}
}

func TestUnseen(t *testing.T) {
	list := read(t, entry("system~tc/verdict/dropped/udp")+
		entry("system~tc/verdict/dropped/tcp", `kernel: ["<5.11"]`)+
		entry("system~tc/ct_state/*/-trk/*", `kernel: ["<5.11"]`)+
		entry("system~netdev/verdict/dropped/udp")+
		entry("tc~system/verdict/dropped/udp", `kernel: ["<5.11"]`)+
		entry("*~tc/crash/system/*", `kernel: ["<5.11"]`)+
		entry("system~tc/statistics/tc-bytes", "rule: tc-byte-count"))
	numbers := func(list known.List) (all string) {
		for _, e := range list {
			all += strings.Fields(e.String())[1]
		}
		return all
	}
	third := append(both("5.10.223", ""), on("netdev", "6.1", ""))
	for _, c := range []struct {
		name    string
		seen    []string
		bridges []replay.Observation
		strict  []string
		want    string
	}{
		{"none seen", nil, both("5.10.223", ""), nil, "1236"},
		{"one seen, and one by a pattern", []string{"system~tc/verdict/dropped/udp", "system~tc/ct_state/recirc2/-trk/udp"}, both("5.10.223", ""), nil, "26"},
		{"on a kernel that is not affected", nil, both("6.1", ""), nil, "1"},
		{"an old reference", nil, []replay.Observation{on("system", "5.10", ""), on("tc", "6.1", "")}, nil, "16"},
		{"an old outlier", nil, []replay.Observation{on("system", "6.1", ""), on("tc", "5.10", "")}, nil, "123"},
		{"three bridges", nil, third, nil, "123456"},
		{"a strict rule", nil, both("6.1", ""), []string{"tc-byte-count"}, "17"},
		{"one bridge", nil, both("6.1", "")[:1], nil, ""},
		{"no bridge", nil, nil, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, numbers(list.Unseen(c.seen, c.bridges, c.strict...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The shipped list knows the founding divergence of every class, and TC's byte
// counts, and nothing else of what the oracle's cases show.
func TestShipped(t *testing.T) {
	cases := oracletest.Cases()
	for _, class := range oracletest.UntrackedClasses() {
		c := oracletest.Founding(oracletest.Untracked(class, 1))
		c.Name = "founding, " + class
		cases = append(cases, c)
	}
	for _, c := range cases {
		v := oracle.Compare(c.Trace, c.Obs)
		if v.Outcome != oracle.Diverge {
			continue
		}
		want := strings.Contains(v.Signature, "/-inv-trk/")
		if j := known.Shipped().Judge(v.Signature, c.Obs); j.Known != want {
			t.Errorf("%s: %q is known: %v, %s", c.Name, v.Signature, j.Known, j.Text)
		}
		for i := range c.Obs {
			c.Obs[i].Kernel = "6.1.176"
		}
		if j := known.Shipped().Judge(v.Signature, c.Obs); j.Known || strings.Contains(j.Text, "says fixed in Linux 5.12-rc5") != want {
			t.Errorf("%s on a fixed kernel: %+v", c.Name, j)
		}
	}
	c := oracletest.Fixed()
	v := oracle.Compare(c.Trace, c.Obs, oracle.RuleByteCount)
	if j := known.Shipped().Judge(v.Signature, c.Obs); !j.Known {
		t.Errorf("%q: %+v", v.Signature, j)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(entry("system~tc/ct_state/recirc*/-trk/*", `kernel: [">=5.4, <5.12-rc5"]`, "fixed: commit 12345"), "system~tc/ct_state/recirc1/-trk/udp")
	f.Add(entry("a~b/c", "rule: tc-byte-count", "ovs: [<3]"), "a~b/crash/a+b/c")
	f.Add("- &a {signature: a~b/c}\n- *a\n", "~/crash/")
	f.Fuzz(func(t *testing.T, text, signature string) {
		list, err := known.Read(strings.NewReader(text), "own.yaml")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "own.yaml:") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		bridges := both("5.10.223", "2.15.0")
		seen := []string{}
		if list.Judge(signature, bridges).Entry != nil {
			seen = append(seen, signature)
		}
		if unseen := list.Unseen(seen, bridges); len(unseen) > len(list) {
			t.Errorf("%d of %d entries unseen", len(unseen), len(list))
		}
	})
}
