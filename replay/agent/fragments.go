package agent

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/wire"
)

// The kernel keeps fragments of a packet that does not become whole for so long
// (Documentation/networking/ip-sysctl.rst and nf_conntrack-sysctl.rst), and no
// call takes them away. In a trace that is shorter it does not matter for how
// long, and they are kept for so short that one can wait for their end.
var fragmentTimes = []struct {
	setting string
	usual   int // seconds
}{
	{"/proc/sys/net/netfilter/nf_conntrack_frag6_timeout", 60},
	{"/proc/sys/net/ipv4/ipfrag_time", 30},
}

const shortFragmentTime = time.Second

// fragments is what the guest does with those that wait for others.
type fragments struct {
	waiting bool // some may wait
	short   bool // for shortFragmentTime only
}

// keepFragments has fragments kept as long as packets may see.
func (g *guest) keepFragments(packets []wire.Packet) error {
	f := &g.fragments
	f.waiting = f.waiting || slices.ContainsFunc(packets, func(p wire.Packet) bool {
		_, is := replay.ParseFragment(p.Frame)
		return is
	})
	short := duration(packets) < shortFragmentTime/2
	if !f.waiting || short == f.short {
		return nil
	}
	for _, t := range fragmentTimes {
		seconds := t.usual
		if short {
			seconds = int(shortFragmentTime / time.Second)
		}
		if err := os.WriteFile(t.setting, []byte(strconv.Itoa(seconds)), 0); err != nil {
			return fmt.Errorf("time that fragments are kept: %w", err)
		}
	}
	f.short = short
	return nil
}

// dropFragments waits until no fragment waits any more.
func (g *guest) dropFragments() error {
	if !g.fragments.waiting {
		return nil
	}
	longest := shortFragmentTime
	if !g.fragments.short {
		longest = time.Duration(fragmentTimes[0].usual) * time.Second
	}
	// Timers are rounded up to the next tick of 10 ms.
	return pass(longest + 100*time.Millisecond)
}
