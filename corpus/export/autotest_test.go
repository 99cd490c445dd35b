package export_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/corpus/export"
	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/oracletest"
	"github.com/ctdiff/ctdiff/replay"
)

// autotests are a case for each thing that a test can look at.
func autotests() map[string]export.Case {
	nat := replayed(oracletest.NAT())
	nat.Trace.Pipeline = append(nat.Trace.Pipeline,
		`table=2,in_port="p4",actions=move:NXM_NX_REG0[]->NXM_NX_REG1[],output:p3,p4,p1`, "table=3,actions=esyscmd(touch hacked),$(touch hacked)")
	ports := replayed(oracletest.Founding(solicitation()))
	ports.Bridges[1].Packets[1].Outputs = []replay.Output{{Port: 2, Frame: solicitation()}}
	ports.Bridges[1].Packets[1].Steps, ports.Bridges[1].Packets[2].Steps = ports.Bridges[0].Packets[1].Steps, ports.Bridges[0].Packets[2].Steps
	ports.Bridges[1].Packets[1].Witness, ports.Bridges[1].Packets[2].Witness = ports.Bridges[0].Packets[1].Witness, ports.Bridges[0].Packets[2].Witness
	ports = replayed(oracletest.Case{Name: "ports", Trace: ports.Trace, Obs: ports.Bridges})
	long := founding()
	long.Trace.Packets = append(long.Trace.Packets, replay.Packet{Port: 2, Frame: make([]byte, replay.MaxFrame)})
	return map[string]export.Case{
		"founding": founding(),
		"witness":  replayed(oracletest.WitnessOnly()),
		"missing":  replayed(oracletest.MissingEntry()),
		"label":    replayed(oracletest.ChangedEntry("label", func(e *replay.ConntrackEntry) { e.Labels = "" })),
		"loop":     replayed(oracletest.Loop()),
		"nat":      nat,
		"ports":    ports,
		"long":     long,
		"crash":    replayed(oracletest.Crashed()),
	}
}

func TestAutotest(t *testing.T) {
	for name, c := range autotests() {
		t.Run(name, func(t *testing.T) { golden(t, name+".at", write(t, export.Autotest, c)) })
	}
}

// A case of which no test of the suite can show anything is refused.
func TestAutotestCannotShow(t *testing.T) {
	unseen := founding()
	for i := range unseen.Bridges {
		unseen.Bridges[i].Flows = nil
	}
	ports := replayed(oracletest.MissingEntry())
	ports.Verdict.Notes = append(ports.Verdict.Notes, oracle.Difference{Kind: oracle.VerdictKind, Packet: 0, Rule: oracle.RuleNATPort})
	bytes := autotests()["nat"]
	bytes.Verdict.Notes = ports.Verdict.Notes
	for _, tt := range []struct {
		kind string
		c    export.Case
	}{
		{"ct_state", unseen},
		{"conntrack", replayed(oracletest.ChangedEntry("helper", func(e *replay.ConntrackEntry) { e.Helper = "ftp" }))},
		{"conntrack", ports},
		{"verdict", bytes},
	} {
		err := export.Autotest(new(strings.Builder), tt.c)
		if want := "a difference in " + tt.kind + " that a test of Open vSwitch's suite does not show"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// suite makes a test suite of a case with autom4te, as tests/automake.mk of Open
// vSwitch does, with macros that only note what they are called with.
func suite(t *testing.T, c export.Case) string {
	t.Helper()
	dir := t.TempDir()
	macros, err := filepath.Abs("testdata/macros.m4")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("m4_include([%s])\nAT_INIT\n%s", macros, write(t, export.Autotest, c))
	for name, text := range map[string]string{"suite.at": text, "atconfig": "", "atlocal": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, nil, "autom4te", "-l", "autotest", "-C", filepath.Join(dir, "cache"), "-o", filepath.Join(dir, "suite"), filepath.Join(dir, "suite.at"))
	return dir
}

// fakes are programs that print what a bridge left behind.
func fakes(t *testing.T, dir string, o replay.Observation, witness bool) {
	t.Helper()
	var flows, connections strings.Builder
	for _, f := range o.Flows {
		if !witness {
			fmt.Fprintf(&flows, "ct_state(%s),recirc_id(%#x),in_port(ovs-%s),eth(), packets:%d, actions:%s\n", f.CTState, f.Recirc, f.InPort, f.Packets, f.Actions)
		}
	}
	for _, p := range o.Packets {
		for i, s := range p.Witness {
			if witness {
				fmt.Fprintf(&flows, "recirc_id(%#x),in_port(ovs-%s),ct_state(%s),eth(), packets:1, actions:drop\n", i, p.Port, s.CTState)
			}
		}
	}
	if i := strings.Index(flows.String(), "recirc_id(0x0)"); i >= 0 {
		text := strings.ReplaceAll(flows.String(), "recirc_id(0x0)", "recirc_id(0)")
		flows.Reset()
		flows.WriteString(text)
	}
	for _, e := range o.Conntrack {
		tuple := func(s string) string {
			return "(src=" + strings.NewReplacer(" > ", ",dst=", " ", ",").Replace(s) + ")"
		}
		fmt.Fprintf(&connections, "%s,orig=%s,reply=%s,zone=%d,mark=%d", e.Proto, tuple(e.Orig), tuple(e.Reply), e.Zone, e.Mark)
		if e.Labels != "" {
			fmt.Fprintf(&connections, ",labels=%s", e.Labels)
		}
		connections.WriteString(",protoinfo=(state=ESTABLISHED),helper=ftp\n")
	}
	connections.WriteString("tcp,orig=(src=192.0.2.1,dst=192.0.2.2,sport=1,dport=2),reply=(src=192.0.2.2,dst=192.0.2.1,sport=2,dport=1)\n")
	left := map[string]string{}
	for _, p := range o.Packets {
		for _, out := range p.Outputs {
			left[out.Port.String()] += fmt.Sprintf("%x\n", out.Frame)
		}
	}
	files := map[string]string{
		"flows": flows.String(), "connections": connections.String(),
		"ovs-appctl": "#!/bin/sh\ncase $1 in dpctl/dump-flows) cat \"$FAKE/flows\" ;; dpctl/dump-conntrack) cat \"$FAKE/connections\" ;; esac\n",
		"ovs-pcap":   "#!/bin/sh\ncat \"$FAKE/$1\" 2>/dev/null || :\n",
		"ovs-ofctl":  "#!/bin/sh\n", "ovs-vsctl": "#!/bin/sh\n", "ip": "#!/bin/sh\n",
	}
	for port, text := range left {
		files[port+".pcap"] = text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// Each test passes if the bridge does what the reference did, and fails if it
// does what the other did.
func TestAutotestRuns(t *testing.T) {
	for name, c := range autotests() {
		if name == "crash" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := suite(t, c)
			for i, o := range c.Bridges {
				fake := t.TempDir()
				fakes(t, fake, o, name == "witness")
				cmd := exec.Command("sh", "./suite")
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "FAKE="+fake, "PATH="+fake+":"+os.Getenv("PATH"))
				out, err := cmd.CombinedOutput()
				if (err == nil) != (i == 0) || !strings.Contains(string(out), "1 test") {
					log, _ := os.ReadFile(filepath.Join(dir, "suite.log"))
					t.Fatalf("as bridge %s, the test ends with %v\n%s%s", o.Bridge, err, out, log)
				}
				if i > 0 {
					continue
				}
				called(t, fake, c)
				if _, err := os.Stat(filepath.Join(dir, "hacked")); err == nil {
					t.Error("m4 ran a command of a rule")
				}
			}
		})
	}
}

// called compares what macros were called with.
func called(t *testing.T, fake string, c export.Case) {
	t.Helper()
	calls, err := os.ReadFile(filepath.Join(fake, "called"))
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for line := range strings.Lines(string(calls)) {
		if _, frame, ok := strings.Cut(line, "sendpkt.py "); ok {
			got = append(got, strings.TrimSpace(frame))
		}
	}
	for _, p := range c.Trace.Packets {
		want = append(want, fmt.Sprintf("%s % x", p.Port, p.Frame))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	rules, err := os.ReadFile(filepath.Join(fake, "flows.txt"))
	if err != nil {
		t.Fatal(err)
	}
	ports := strings.NewReplacer(`"p4"`, "4", "=p", "=", ":p", ":", ",p4,p1", ",4,1")
	for i, rule := range c.Trace.Pipeline {
		if got := strings.Split(string(rules), "\n")[i]; got != ports.Replace(rule) {
			t.Errorf("rule %q became %q", rule, got)
		}
	}
}
