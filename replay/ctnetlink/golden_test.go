package ctnetlink

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/ovs"
)

// dumps calls do for each pair in testdata, which a guest made of one table at
// one moment. Each profile has three: "traffic" and "nat" are of packets, with
// mark, labels, NAT, and a helper, on either bridge; "made" has connections
// that were made over netlink, for what packets do not come to: all states of
// TCP, protocols without ports, all forms of IPv6 addresses.
func dumps(tb testing.TB, do func(name string, netlink []byte, text string)) {
	tb.Helper()
	paths, err := filepath.Glob("testdata/debian-*/*.netlink")
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no dumps in testdata (%v)", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(path, ".netlink")
		netlink, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		text, err := os.ReadFile(name + ".conntrack")
		if err != nil {
			tb.Fatal(err)
		}
		do(strings.TrimPrefix(name, "testdata/"), netlink, string(text))
	}
}

func isOffload(flag string) bool { return flag == "OFFLOAD" || flag == "HW_OFFLOAD" }

func TestSameAsText(t *testing.T) {
	dumps(t, func(name string, netlink []byte, text string) {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(netlink)
			if err != nil {
				t.Fatal(err)
			}
			want, err := ovs.ParseConntrack(text)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				got[i].Status = slices.DeleteFunc(got[i].Status, isOffload)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-text +netlink)\n%s", diff)
			}
		})
	})
}

// TestOffload looks at what only netlink shows: which connections are in
// act_ct's flow table.
func TestOffload(t *testing.T) {
	dumps(t, func(name string, netlink []byte, _ string) {
		want := 0
		switch {
		case strings.HasSuffix(name, "/tc-traffic"):
			want = 2 // TCP and UDP with a reply
		case strings.HasSuffix(name, "/tc-nat"):
			want = 1 // UDP with a reply, and not that with a helper
		}
		entries, err := Parse(netlink)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []replay.ConntrackEntry
		for _, e := range entries {
			if slices.ContainsFunc(e.Status, isOffload) {
				got = append(got, e)
			}
		}
		if len(got) != want {
			t.Errorf("%s: %d connections in the flow table, want %d: %+v", name, len(got), want, got)
		}
	})
}
