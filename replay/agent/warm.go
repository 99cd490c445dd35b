package agent

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/wire"
)

// markPort is the port of the marked bridge at which the copies of a packet
// leave that show its ct_state.
const markPort = replay.Ports + 1

// tidyAfter is after how many traces at level warm it is looked at how many
// flows there are, and maxFlows how many may be: then all are purged.
const (
	tidyAfter = 1000
	maxFlows  = 400
)

// warming is what replays at level warm need, and others do not.
type warming struct {
	ring        *ring
	connections *connections
	recorder    *recorder // nil until coverage is wanted
	rules       *wire.Rules
	// deaf says that nobody can read what the ports put out: the ring shows
	// it.
	deaf   bool
	traces int
	// watched is the kernel's log and ovs-vswitchd.
	watched [2]unix.PollFd
}

func (g *guest) openWarming() error {
	w := &g.warming
	var err error
	if w.connections, err = openConnections(); err != nil {
		return err
	}
	mark := g.marked.index[markPort-1]
	if w.ring, err = openRing(g.given.index[0], g.given.index[replay.Ports-1], mark); err != nil {
		return err
	}
	for i, device := range g.given.index {
		w.ring.ports[device] = uint8(i + 1)
	}
	w.ring.ports[mark] = markPort
	process, err := unix.PidfdOpen(g.vswitchd, 0)
	if err != nil {
		return fmt.Errorf("watch ovs-vswitchd: %w", err)
	}
	w.watched = [2]unix.PollFd{{Fd: int32(g.log.fd), Events: unix.POLLIN}, {Fd: int32(process), Events: unix.POLLIN}}
	return nil
}

// replayWarm replays a trace, whose addresses no earlier one had, through the
// rules as given, and moved again through their marked copy.
func (g *guest) replayWarm(m *wire.Warm) *wire.Warmed {
	answer := &wire.Warmed{}
	err := g.warmBoth(m, answer)
	// One call of the kernel says that there is nothing to ask it for.
	watched := g.warming.watched[:]
	if n, _ := unix.Poll(watched, 0); n != 0 {
		answer.KernelLog = g.log.read()
		answer.Died = died(g.vswitchd, "ovs-vswitchd")
	}
	if refused, ok := errors.AsType[*refusal](err); ok {
		answer.Refused = &refused.Refusal
	} else if err != nil {
		answer.Error = err.Error()
	}
	return answer
}

func (g *guest) warmBoth(m *wire.Warm, answer *wire.Warmed) error {
	if err := g.warmUp(m); err != nil {
		return err
	}
	w := &g.warming
	var cover *recorder
	if m.Cover {
		cover = w.recorder
		cover.newList()
	}
	w.ring.skip()
	silent := false
	for _, p := range m.Given {
		if err := pass(p.Gap); err != nil {
			return err
		}
		outputs, covered, err := g.warmOne(&g.given, p, cover)
		if err != nil {
			return err
		}
		silent = silent || len(outputs) == 0
		answer.Given = append(answer.Given, wire.Left{Outputs: outputs, Covered: covered})
	}
	if silent {
		// A packet that is dropped is not to be told from one whose upcall
		// is late but by waiting.
		if err := settle(); err != nil {
			return err
		}
		answer.Late = len(w.ring.take()) > 0
	}
	var err error
	if answer.Conntrack, err = w.connections.take(len(m.Given) <= ctFirstFew); err != nil {
		return err
	}
	for _, p := range m.Marked {
		if err := pass(p.Gap); err != nil {
			return err
		}
		marks, covered, err := g.warmOne(&g.marked, p, cover)
		if err != nil {
			return err
		}
		if len(marks) == 0 {
			if err := settle(); err != nil {
				return err
			}
			marks = w.ring.take()
		}
		answer.Marked = append(answer.Marked, wire.Left{Outputs: marks, Covered: covered})
	}
	return w.connections.flush()
}

// warmOne sends one packet, and returns what left the bridge by then and what
// the kernel did that it had not done for the packets before.
func (g *guest) warmOne(b *bridge, p wire.Packet, cover *recorder) (outputs []wire.Output, covered []byte, err error) {
	if cover != nil {
		cover.begin()
	}
	if err := b.send(p.Port, p.Frame); err != nil {
		return nil, nil, err
	}
	if cover != nil {
		covered = cover.add(nil)
	}
	return g.warming.ring.take(), covered, nil
}

// warmUp has everything ready for a trace.
func (g *guest) warmUp(m *wire.Warm) (err error) {
	w := &g.warming
	if m.Rules != nil {
		w.rules = m.Rules
	}
	if w.rules == nil {
		return errors.New("a warm replay without rules")
	}
	if err := g.given.load(w.rules.Given); err != nil {
		return err
	}
	if err := g.marked.load(w.rules.Copy); err != nil {
		return err
	}
	if m.Cover && w.recorder == nil {
		if w.recorder, err = record(); err != nil {
			return err
		}
	}
	if !w.deaf {
		if err := g.purge(); err != nil {
			return err
		}
		if err := g.deafen(true); err != nil {
			return err
		}
	}
	if w.traces++; w.traces%tidyAfter == 0 {
		if err := g.tidy(); err != nil {
			return err
		}
	}
	return g.keepFragments(m.Given)
}

// deafen has the ports' far ends get nothing any more, or all again: what is not
// read would fill their queues.
func (g *guest) deafen(deaf bool) error {
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	program := unix.SockFprog{Len: 1, Filter: &nothing[0]}
	request, argument := uintptr(unix.TUNDETACHFILTER), unsafe.Pointer(&program)
	if deaf {
		request = unix.TUNATTACHFILTER
	}
	for _, b := range g.bridges() {
		for i, fd := range b.taps {
			if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(argument)); errno != 0 {
				return fmt.Errorf("filter of port %s: %w", b.portName(i), errno)
			}
			g.used[b.index[i]] = true
		}
	}
	g.warming.deaf = deaf
	return nil
}

// tidy has fragments forgotten, and purges when there are many flows: each packet
// is compared with them.
func (g *guest) tidy() error {
	if err := g.dropFragments(); err != nil {
		return err
	}
	g.fragments.waiting = false
	flows, err := g.counter.read()
	if err != nil || len(flows) <= maxFlows {
		return err
	}
	return g.purge()
}
