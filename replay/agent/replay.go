package agent

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay/wire"
)

// dumpBefore is the length of a gap from which on flows are dumped before it:
// an unused flow expires after 10 s (other_config:max-idle), and ovs-vswitchd
// looks every half second.
const dumpBefore = 5 * time.Second

// replay replays a trace through the rules as given, then through their
// witness copy.
func (g *guest) replay(m *wire.Replay) *wire.Replayed {
	answer := &wire.Replayed{}
	err := g.replayBoth(m, answer)
	answer.Died = died(g.vswitchd, "ovs-vswitchd")
	answer.KernelLog = g.log.read()
	var refused *refusal
	if errors.As(err, &refused) {
		answer.Refused = &refused.Refusal
	} else if err != nil {
		answer.Error = err.Error()
	}
	return answer
}

func (g *guest) replayBoth(m *wire.Replay, answer *wire.Replayed) error {
	for _, part := range []struct {
		bridge *bridge
		rules  []string
		run    *wire.Run
	}{
		{&g.given, m.Rules, &answer.Given},
		{&g.witness, m.Witness, &answer.Witness},
	} {
		if err := part.bridge.load(part.rules); err != nil {
			return err
		}
		if err := g.purge(); err != nil {
			return err
		}
		if err := g.runThrough(part.bridge, m.Packets, part.run); err != nil {
			return err
		}
	}
	return nil
}

// runThrough sends the packets at their times and dumps what there is after.
func (g *guest) runThrough(b *bridge, packets []wire.Packet, run *wire.Run) error {
	buf := make([]byte, 65536)
	due := time.Duration(0)
	start, err := monotonic()
	if err != nil {
		return err
	}
	for _, p := range packets {
		due += p.Gap
		if p.Gap >= dumpBefore {
			if err := g.dumpFlows(run); err != nil {
				return err
			}
		}
		if err := sleepUntil(start + due); err != nil {
			return err
		}
		sent, err := g.sendOne(b, p, buf)
		if err != nil {
			return err
		}
		run.Packets = append(run.Packets, sent)
	}
	if err := g.dumpFlows(run); err != nil {
		return err
	}
	run.Conntrack, err = control("dpctl/dump-conntrack", "-m")
	return err
}

func (g *guest) sendOne(b *bridge, p wire.Packet, buf []byte) (wire.Sent, error) {
	if err := b.send(p.Port, p.Frame); err != nil {
		return wire.Sent{}, err
	}
	outputs, err := b.receive(buf)
	if err != nil {
		return wire.Sent{}, err
	}
	hits, err := g.counter.hits(b.index[p.Port-1])
	return wire.Sent{Hits: hits, Outputs: outputs}, err
}

func (g *guest) dumpFlows(run *wire.Run) error {
	text, err := control("dpctl/dump-flows", "-m", "--names")
	run.Flows = append(run.Flows, text)
	return err
}

// purgeTries bounds the tries of purge: flows that TC took can come back once
// while ovs-vswitchd revalidates.
const purgeTries = 20

// purge removes all flows and connections, and returns when none is left.
func (g *guest) purge() error {
	left := ""
	for range purgeTries {
		if _, err := control("revalidator/purge"); err != nil {
			return err
		}
		if err := netlink.ConntrackTableFlush(netlink.ConntrackTable); err != nil {
			return fmt.Errorf("flush conntrack: %w", err)
		}
		flows, err := g.counter.read(append(g.given.index[:], g.witness.index[:]...)...)
		if err != nil {
			return err
		}
		entries, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
		if err != nil {
			return err
		}
		count := strings.TrimSpace(string(entries))
		if len(flows) == 0 && count == "0" {
			clear(g.counter.counts)
			return g.dropOutputs()
		}
		left = fmt.Sprintf("%d flows, %s conntrack entries", len(flows), count)
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("purge: still %s after %d tries", left, purgeTries)
}

// dropOutputs throws away what is queued at the ports.
func (g *guest) dropOutputs() error {
	buf := make([]byte, 65536)
	for _, b := range []*bridge{&g.given, &g.witness} {
		if _, err := b.receive(buf); err != nil {
			return err
		}
	}
	return nil
}

func monotonic() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0, fmt.Errorf("read the clock: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

func sleepUntil(when time.Duration) error {
	t := unix.NsecToTimespec(int64(when))
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &t, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
