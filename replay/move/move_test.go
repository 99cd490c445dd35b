package move

import (
	"math"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
)

func moved(a netip.Addr, m Move) netip.Addr {
	return netip.MustParseAddr(shift(m).text(a.String()))
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct {
		from string
		m    Move
		want string
	}{
		{"2001:db8::1", 0, "2001:db8::1"},
		{"2001:db8::1", 1, "2001:db8::ff:ff00:1"},
		{"2001:db8:0:f101::1", 1 << 16, "2001:db8:0:f101:ff:ff00:0:1"},
		{"2001:db8::1", math.MaxUint32, "2001:db8:0:ff:feff:ff00:100:1"},
		{"2001:db8:0:ffff:ffff:ffff:ff00:1", 1, "2001:db8:1::ff:fe00:1"},
		{"2001:dbff:ffff:ffff:ffff:ffff:ffff:ffff", 1, "2001:dbff:ff00::ff:ffff"},
		{"fc00::", 1, "fc00::ff:ff00:0"},
		{"fe80::1", 16_777_472 - 1, "fe80::ffff:feff:100:1"},
		{"fe80::1", 16_777_472, "fe80::ffff:ffff:0:1"}, // of some sums there is one more
		{"fe80::1", 16_777_472 + 1, "fe80::1"},
		{"fe80::1:0:1", 16_777_472, "fe80::1:0:1"},
		{"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, "febf:ffff:ffff:ffff::ffff:ffff"},
		{"fec0::1", 1, "fec0::ff:ff00:1"},
		{"0:0:0:0:100::1", 1, "0:0:0:0:100::1"},
		{"::1:0:0:0:0:1", 1, "::1:0:0:0:0:1"},
		{"0:0:100:0:0:0:0:1", 1, "::100:0:0:ff:ff00:1"},
		{"::", 1, "::"},
		{"::1", 1, "::1"},
		{"::1.2.3.4", 1, "::1.2.3.4"},
		{"::ffff:192.0.2.1", 1, "::ffff:192.0.2.1"},
		{"ff02::1:ff00:1", 1, "ff02::1:ff00:1"},

		{"10.0.0.1", 1, "10.1.0.0"},
		{"10.0.0.1", 56_831 - 1, "9.254.0.3"},
		{"1.0.223.0", 56_831, "1.0.223.0"},
		{"126.255.0.1", 1, "128.0.254.255"},
		{"128.0.254.255", 1, "128.1.254.254"},
		{"223.255.255.255", 1, "1.0.222.255"},
		{"0.0.0.0", 1, "0.0.0.0"},
		{"0.255.255.255", 1, "0.255.255.255"},
		{"127.0.0.1", 1, "127.0.0.1"},
		{"128.0.254.254", 1, "128.0.254.254"},
		{"224.0.0.1", 1, "224.0.0.1"},
		{"255.255.255.255", 1, "255.255.255.255"},

		{"fe80::1%eth0", 1, "fe80::1%eth0"},
		{"nobody", 1, "nobody"},
	} {
		got := shift(test.m).text(test.from)
		if got != test.want {
			t.Errorf("%s moved %d is %s, want %s", test.from, test.m, got, test.want)
		}
	}
}

func TestEntry(t *testing.T) {
	e := replay.ConntrackEntry{
		Proto: "icmpv6", Orig: "2001:db8::ff:ff00:1 > ff02::1 id=7 type=128 code=0", Reply: "ff02::1 > 2001:db8::ff:ff00:1",
		Zone: 1, Mark: 2, Labels: "0x1", Status: []string{"CONFIRMED"}, State: "NONE", Timeout: 3, Helper: "none",
	}
	want := e
	want.Orig, want.Reply = "2001:db8::1 > ff02::1 id=7 type=128 code=0", "ff02::1 > 2001:db8::1"
	if diff := cmp.Diff(want, Move(1).Entry(e)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(e, Move(0).Entry(e)); diff != "" {
		t.Errorf("Move(0): (-want +got)\n%s", diff)
	}
	const other = "10.1.0.0 < 10.1.0.0"
	if got := Move(1).Entry(replay.ConntrackEntry{Orig: other}).Orig; got != other {
		t.Errorf("got %q", got)
	}
}
