package ovs

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenFlow shows a flow's ufid as text.
type goldenFlow struct {
	UFID string
	Flow
}

// dumps calls do for each pair of dumps in testdata, with their name without
// its end, such as "testdata/debian-11/tc-founding".
func dumps(tb testing.TB, do func(name, flows, conntrack string)) {
	tb.Helper()
	paths, err := filepath.Glob("testdata/debian-*/*.flows")
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no dumps in testdata (%v)", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(path, ".flows")
		flows, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		conntrack, err := os.ReadFile(name + ".conntrack")
		if err != nil {
			tb.Fatal(err)
		}
		do(name, string(flows), string(conntrack))
	}
}

func TestGolden(t *testing.T) {
	dumps(t, func(name, flows, conntrack string) {
		t.Run(strings.TrimPrefix(name, "testdata/"), func(t *testing.T) {
			got := struct {
				Flows     []goldenFlow
				Conntrack []replay.ConntrackEntry
			}{}
			parsed, err := ParseFlows(flows)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range parsed {
				got.Flows = append(got.Flows, goldenFlow{hex.EncodeToString(f.UFID[:]), f})
			}
			if got.Conntrack, err = ParseConntrack(conntrack); err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			encoder.SetIndent("", "\t")
			if err := encoder.Encode(got); err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(name+".json", text.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name + ".json")
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text.String()); diff != "" {
				t.Errorf("(-golden +parsed; -update writes the golden files anew)\n%s", diff)
			}
		})
	})
}

// TestUFIDsOnTheWire compares with what netlink carried: the ids of the flows
// that the packets of the founding trace met, in OVS_FLOW_ATTR_UFID or, for
// flows in TC, in the cookie of an action.
func TestUFIDsOnTheWire(t *testing.T) {
	wire := map[string][]string{
		"debian-11/system":  {"43f72a34204757673784399e39ba311b", "94d5692deb4764d2df2c90a80428e1e9"},
		"debian-11/tc":      {"b119c398954b4f4073be5fb28233a00b", "bda19475a7465450034dffbe9e578a8d", "9312a4fe4b4d699fadd987b1e4289302"},
		"debian-12/system":  {"63fdc6fb134716b664536ca680efcbdd", "9af0ac5f604e47757759ec9db2aa8f4a"},
		"debian-12/tc":      {"31627009ad450b4f64cbedbaeb21a7fc", "657616efd24f6d420e79dc81264fce0a"},
		"debian-13/system":  {"358302fcd246efc52bf52a8f4116d2c5", "78ea936644445380a437c0b023d27372"},
		"debian-13/tc":      {"3a49eac8fa4602563b242da30be504da", "a9a212391d49b374d0064ba0f0e3cdb2"},
		"debian-sid/system": {"6ff273f3a243fdad34b5a3b67bcbaeae", "9648f4fdee4011c07e1607be0748f2d7"},
		"debian-sid/tc":     {"639221d0d4455550e97d4d963653282d", "a4a7694b4c4647f3c5e32cba6fe902fe"},
	}
	for name, want := range wire {
		text, err := os.ReadFile("testdata/" + name + "-founding.flows")
		if err != nil {
			t.Fatal(err)
		}
		flows, err := ParseFlows(string(text))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, f := range flows {
			got[hex.EncodeToString(f.UFID[:])] = true
		}
		for _, id := range want {
			if !got[id] {
				t.Errorf("%s: no flow has the ufid %s; the dump has %v", name, id, got)
			}
		}
	}
}

// TestFoundingDifference reads the difference that the founding report is
// about off the dumps: on Linux 5.10, TC has a flow for packets without
// ct_state, and the kernel datapath has none.
func TestFoundingDifference(t *testing.T) {
	states := func(name string) (list []string) {
		text, err := os.ReadFile("testdata/" + name + "-founding.flows")
		if err != nil {
			t.Fatal(err)
		}
		flows, err := ParseFlows(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range flows {
			if f.RecircID != 0 && f.Packets > 0 {
				list = append(list, f.CTState.String())
			}
		}
		return list
	}
	for name, want := range map[string]string{
		"debian-11/system":  "-new-est+trk",
		"debian-11/netdev":  "-new-est+trk",
		"debian-11/tc":      "-new-est-trk",
		"debian-12/tc":      "-new-est+trk",
		"debian-13/tc":      "-new-est+trk",
		"debian-sid/system": "-new-est+trk",
		"debian-sid/netdev": "-new-est+trk",
		"debian-sid/tc":     "-new-est+trk",
	} {
		if diff := cmp.Diff([]string{want}, states(name)); diff != "" {
			t.Errorf("%s: ct_state of recirculated packets (-want +got)\n%s", name, diff)
		}
	}
}
