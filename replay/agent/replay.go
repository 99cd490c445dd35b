package agent

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

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
	if refused, ok := errors.AsType[*refusal](err); ok {
		answer.Refused = &refused.Refusal
	} else if err != nil {
		answer.Error = err.Error()
	}
	return answer
}

// replayBoth purges once: the flows of either bridge are not met by the packets
// of the other, only connections are shared.
func (g *guest) replayBoth(m *wire.Replay, answer *wire.Replayed) error {
	if g.warming.deaf {
		if err := g.deafen(false); err != nil {
			return err
		}
	}
	if err := g.given.load(m.Rules); err != nil {
		return err
	}
	if err := g.witness.load(m.Witness); err != nil {
		return err
	}
	if err := g.purge(); err != nil {
		return err
	}
	if slices.ContainsFunc(m.Rules, learnsAddresses) {
		if _, err := control("fdb/flush"); err != nil {
			return err
		}
	}
	err := g.keepFragments(m.Packets)
	if err != nil {
		return err
	}
	if err := g.runThrough(&g.given, m.Packets, &answer.Given); err != nil {
		return err
	}
	if answer.Given.Conntrack, err = control("dpctl/dump-conntrack", "-m", "-s"); err != nil {
		return err
	}
	if duration(m.Packets) >= dumpBefore {
		// The flows would be gone when the witness has run.
		if err := g.dumpFlows(&answer.Given); err != nil {
			return err
		}
	}
	if err := g.warming.connections.flush(); err != nil {
		return err
	}
	if err := g.dropFragments(); err != nil {
		return err
	}
	if err := g.runThrough(&g.witness, m.Packets, &answer.Witness); err != nil {
		return err
	}
	if err := g.dumpFlows(&answer.Witness); err != nil {
		return err
	}
	if duration(m.Packets) < dumpBefore {
		answer.Given.Flows = append(answer.Given.Flows, answer.Witness.Flows...)
	}
	return nil
}

// duration returns the time from the first packet to the last.
func duration(packets []wire.Packet) (sum time.Duration) {
	for _, p := range packets {
		sum += p.Gap
	}
	return sum
}

// runThrough sends the packets at their times.
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
		if p.Gap > 0 {
			if err := sleepUntil(start + due); err != nil {
				return err
			}
			if err := g.counter.forget(slices.Collect(maps.Keys(g.used))...); err != nil {
				return err
			}
		}
		sent, err := g.sendOne(b, p, buf)
		if err != nil {
			return err
		}
		run.Packets = append(run.Packets, sent)
	}
	return nil
}

func (g *guest) sendOne(b *bridge, p wire.Packet, buf []byte) (wire.Sent, error) {
	if err := b.send(p.Port, p.Frame); err != nil {
		return wire.Sent{}, err
	}
	if err := settle(); err != nil {
		return wire.Sent{}, err
	}
	outputs, err := b.receive(buf)
	if err != nil {
		return wire.Sent{}, err
	}
	device := b.index[p.Port-1]
	g.used[device] = true
	hits, err := g.counter.hits(device)
	return wire.Sent{Hits: hits, Outputs: outputs}, err
}

// settleTime is how long a guest's threads may wait for a timer of theirs in the
// middle of an upcall: with a microsecond one upcall in a hundred came late on
// Linux 6.12, with a millisecond none in 600.
const settleTime = 2 * time.Millisecond

// settle returns when nothing is left to run in the guest: only then does its
// time go on. An upcall may have to wait for a thread of ovs-vswitchd that
// waits for another, after a gap above all.
func settle() error {
	t := unix.NsecToTimespec(int64(settleTime))
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &t, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
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
	if err := g.dropFragments(); err != nil {
		return err
	}
	g.fragments.waiting = false
	left := ""
	for range purgeTries {
		// A revalidator that has just dumped flows would bring them back, or
		// keep those to come from being made.
		if err := settle(); err != nil {
			return err
		}
		if _, err := control("revalidator/purge"); err != nil {
			return err
		}
		if err := g.warming.connections.flush(); err != nil {
			return err
		}
		flows, err := g.counter.read(slices.Collect(maps.Keys(g.used))...)
		if err != nil {
			return err
		}
		// The kernel's count of connections will not do: one that something
		// still refers to is counted, though no packet finds it.
		table, err := g.warming.connections.dump()
		if err != nil {
			return err
		}
		if len(flows) == 0 && len(table) == 0 {
			clear(g.counter.counts)
			clear(g.used)
			return g.dropOutputs()
		}
		left = fmt.Sprintf("%d flows, %d bytes of conntrack entries", len(flows), len(table))
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("purge: still %s after %d tries", left, purgeTries)
}

// dropOutputs throws away what is queued at the ports.
func (g *guest) dropOutputs() error {
	buf := make([]byte, 65536)
	for _, b := range g.bridges() {
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

// pass lets time pass.
func pass(gap time.Duration) error {
	if gap == 0 {
		return nil
	}
	now, err := monotonic()
	if err != nil {
		return err
	}
	return sleepUntil(now + gap)
}
