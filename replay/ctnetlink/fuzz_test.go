package ctnetlink

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay"
)

func FuzzParse(f *testing.F) {
	dumps(f, func(_ string, netlink []byte, _ string) {
		// Go spends a minute on each input to shorten it: it gets short ones.
		for len(netlink) > 0 {
			end := binary.NativeEndian.Uint32(netlink)
			f.Add(netlink[:end])
			netlink = netlink[end:]
		}
	})
	f.Fuzz(func(t *testing.T, dump []byte) {
		// Reads past the end would go unseen in a larger array.
		dump = slices.Clip(bytes.Clone(dump))
		entries, err := Parse(dump)
		if err != nil {
			if entries != nil {
				t.Errorf("entries and error %v", err)
			}
			return
		}
		for _, e := range entries {
			checkEntry(t, e)
		}
		if again, err := Parse(append(dump, message(unix.NLMSG_ERROR, 0, code(0)...)...)); err == nil && len(again) != len(entries) {
			t.Errorf("%d entries, %d with an acknowledgement at the end", len(entries), len(again))
		}
		// Messages do not depend on each other.
		if twice, err := Parse(slices.Concat(dump, dump)); err == nil && len(twice) != 2*len(entries) {
			t.Errorf("%d entries, %d of the dump twice", len(entries), len(twice))
		}
	})
}

func checkEntry(t *testing.T, e replay.ConntrackEntry) {
	t.Helper()
	if e.Proto == "" || !strings.Contains(e.Orig, " > ") || !strings.Contains(e.Reply, " > ") {
		t.Errorf("entry without protocol or direction: %+v", e)
	}
	if !slices.IsSorted(e.Status) {
		t.Errorf("status %v is not ordered", e.Status)
	}
	for _, text := range append(e.Status, e.Proto, e.Orig, e.Reply, e.Labels, e.State, e.Helper) {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q is not printable", text)
		}
	}
}
