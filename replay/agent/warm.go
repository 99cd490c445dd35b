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

// lookAfter is after how many traces it is looked how much memory is left, and
// littleMemory how much is too little. Some kernels lose some with each fragment
// that act_ct sees (before Linux 3f14b377d01d).
const (
	lookAfter    = 100
	littleMemory = 12 << 20
)

// warming is what replays at level warm need, and others do not.
type warming struct {
	batch       *batch
	watcher     *watcher
	separator   *separator
	connections *connections
	misses      *missCounter
	recorder    *recorder // nil until coverage is wanted
	rules       *wire.Rules
	// deaf says that nobody can read what the ports put out: the watcher
	// shows it.
	deaf   bool
	traces int
	// watched is the kernel's log and ovs-vswitchd.
	watched [2]unix.PollFd
}

func (g *guest) openWarming() (err error) {
	w := &g.warming
	if w.batch, err = openBatch(); err != nil {
		return err
	}
	if w.connections, err = openConnections(); err != nil {
		return err
	}
	if w.misses, err = openMissCounter(g.counter.datapath); err != nil {
		return err
	}
	if w.separator, err = openSeparator(); err != nil {
		return err
	}
	ports := map[int]uint8{w.separator.device: separatorPort, g.marked.index[markPort-1]: markPort}
	for i, device := range g.given.index {
		ports[device] = uint8(i + 1)
	}
	if w.watcher, err = openWatcher(ports); err != nil {
		return err
	}
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
	err := g.warmUp(m)
	if err == nil {
		err = g.warmBoth(m, answer)
	}
	if g.warming.traces%lookAfter == 0 {
		var info unix.Sysinfo_t
		if unix.Sysinfo(&info) == nil {
			answer.Tired = info.Freeram*uint64(info.Unit) < littleMemory
		}
	}
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

// warmBoth has the kernel do all that a trace needs in one system call, if it has
// no gaps and is short.
func (g *guest) warmBoth(m *wire.Warm, answer *wire.Warmed) error {
	w := &g.warming
	run := warmRun{guest: g, batch: w.batch, slow: m.Slow}
	if m.Cover != wire.CoverNothing {
		run.cover, run.each = w.recorder, m.Cover == wire.CoverPackets
		run.cover.newList()
		run.cover.begin()
	}
	w.watcher.skip()
	run.send(&g.given, m.Given)
	few := len(m.Given) <= ctFirstFew && !run.each && !run.slow
	if few {
		dump := w.connections.queue(w.batch)
		run.dump = &dump
	} else if run.flush(); run.err == nil {
		answer.Conntrack, run.err = w.connections.take()
	}
	run.send(&g.marked, m.Marked)
	w.connections.queueFlush(w.batch)
	read := w.misses.queue(w.batch)
	if run.flush(); run.err != nil {
		return run.err
	}
	if few {
		answer.Conntrack = run.conntrack
	}
	answer.Given, answer.Marked, answer.Covered = run.left[:len(m.Given)], run.left[len(m.Given):], run.covered
	missed, err := w.misses.result(w.batch, read)
	if answer.Late = missed && !run.slow || run.lost; answer.Late {
		// Upcalls have yet to be taken, and flows to be made.
		err = errors.Join(err, settle(), w.connections.flush())
	}
	return err
}

// A warmRun is the packets of one trace.
type warmRun struct {
	guest   *guest
	batch   *batch
	cover   *recorder // nil if coverage is not wanted
	each    bool      // of each packet on its own
	slow    bool      // upcalls are taken at once
	covered []byte
	left    []wire.Left
	// dump is waited for, and conntrack what it was.
	dump      *pendingDump
	conntrack []byte
	// sent is the number of packets whose separators were not seen yet.
	sent int
	lost bool // frames were lost
	err  error
}

// opsForPacket is how many operations a packet needs, and what follows the last
// one.
const opsForPacket = 2 + 8

func (r *warmRun) send(b *bridge, packets []wire.Packet) {
	for _, p := range packets {
		if p.Gap > 0 || r.each || r.batch.room() < opsForPacket {
			r.flush()
		}
		if r.err != nil {
			return
		}
		if p.Gap > 0 {
			if r.err = pass(p.Gap); r.err != nil {
				return
			}
		}
		r.batch.write(b.taps[p.Port-1], p.Frame)
		if r.slow {
			r.settle()
		}
		r.guest.warming.separator.queue(r.batch)
		r.sent++
	}
}

// settle waits until nothing more comes of what was put off.
func (r *warmRun) settle() {
	if r.run(); r.err == nil {
		r.err = settle()
	}
}

// run has the kernel do what was put off.
func (r *warmRun) run() {
	if r.err = r.batch.run(); r.err == nil && r.dump != nil {
		r.conntrack, r.err = r.dump.result(r.batch)
		r.dump = nil
	}
}

// flush has the kernel do what was put off, and takes what left the bridges.
func (r *warmRun) flush() {
	if r.err != nil {
		return
	}
	if r.run(); r.err != nil {
		return
	}
	var covered []byte
	switch {
	case r.each:
		covered = r.cover.add(nil)
		r.cover.begin()
	case r.cover != nil:
		r.covered = r.cover.add(r.covered)
		r.cover.begin()
	}
	before := len(r.left)
	if r.take(); r.each && len(r.left) > before {
		r.left[len(r.left)-1].Covered = covered
	}
}

// take tells the frames that left the bridges apart by the packet that led to
// them.
func (r *warmRun) take() {
	frames := r.guest.warming.watcher.take()
	r.lost = r.lost || len(frames) >= watcherSlots
	left := wire.Left{}
	for _, f := range frames {
		if f.Port != separatorPort {
			left.Outputs = append(left.Outputs, f)
			continue
		}
		r.left = append(r.left, left)
		left, r.sent = wire.Left{}, r.sent-1
	}
	if r.sent > 0 { // only if frames were lost
		r.lost = true
		r.left = append(r.left, make([]wire.Left, r.sent)...)
		r.sent = 0
	}
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
	if m.Cover != wire.CoverNothing && w.recorder == nil {
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
