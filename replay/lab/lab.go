// Package lab runs bridges: each is a guest of its own, a User-Mode Linux
// process with our agent as PID 1 and Open vSwitch in it.
//
// [Open] boots one from an [image.Image]; it implements [replay.Replayer].
// Guests are ordinary processes without privileges, and die with the process
// that started them.
package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab/image"
	"github.com/ctdiff/ctdiff/replay/wire"
)

// The bridges that there are.
const (
	// System has the kernel datapath only (hw-offload=false).
	System = "system"
	// TC offloads flows to TC (hw-offload=true).
	TC = "tc"
)

// Bridges returns the names of the bridges that [Open] takes.
func Bridges() []string { return []string{System, TC} }

// A Bridge is one Open vSwitch bridge in a guest. It is safe for concurrent
// use; replays wait for each other.
type Bridge struct {
	name  string
	files guestFiles

	mu       sync.Mutex
	guest    *guest // nil once it has died
	tired    bool   // it was ended for want of memory
	restarts int
	closed   bool
	warm     warmState
}

// RefusedError says that Open vSwitch does not take a pipeline.
type RefusedError struct {
	// Rule is the rule's place in the pipeline, from 0; -1 if it is none in
	// particular.
	Rule int
	// Text is the rule, Words what Open vSwitch says.
	Text, Words string
}

func (e *RefusedError) Error() string {
	if e.Rule < 0 {
		return "Open vSwitch refuses the pipeline: " + e.Words
	}
	return fmt.Sprintf("Open vSwitch refuses rule %d, %q: %s", e.Rule, e.Text, e.Words)
}

// Open boots a bridge of the given name: about a second. The first call after
// a change of the agent builds it.
func Open(ctx context.Context, img image.Image, name string) (*Bridge, error) {
	b, err := prepare(ctx, img, name)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.guest, err = b.boot(ctx, false); err != nil {
		return nil, err
	}
	return b, nil
}

// A Side is a bridge to open: from what, and its name.
type Side struct {
	Image image.Image
	Name  string
}

// OpenAll opens bridges, all at once. If one cannot be opened, none is.
func OpenAll(ctx context.Context, sides ...Side) ([]*Bridge, error) {
	list := make([]*Bridge, len(sides))
	all, booting := errgroup.WithContext(ctx)
	for i, s := range sides {
		all.Go(func() (err error) {
			list[i], err = Open(booting, s.Image, s.Name)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		for _, b := range list {
			if b != nil {
				err = errors.Join(err, b.Close())
			}
		}
		return nil, err
	}
	return list, nil
}

// SidesOf returns bridges of an image, by their names.
func SidesOf(img image.Image, names ...string) (list []Side) {
	for _, name := range names {
		list = append(list, Side{img, name})
	}
	return list
}

// prepare finds the files that a guest needs.
func prepare(ctx context.Context, img image.Image, name string) (*Bridge, error) {
	if !slices.Contains(Bridges(), name) {
		return nil, &image.InputError{Err: fmt.Errorf("bridge %q: not one of %s", name, strings.Join(Bridges(), ", "))}
	}
	agent, err := initrd(ctx)
	if err != nil {
		return nil, err
	}
	memory, err := image.MemoryDir()
	if err != nil {
		return nil, err
	}
	return &Bridge{name: name, files: guestFiles{kernel: img.Kernel, root: img.Root, initrd: agent, memory: memory}}, nil
}

func (b *Bridge) boot(ctx context.Context, large bool) (*guest, error) {
	g, err := startGuest(ctx, b.files, guestOptions{offload: b.name == TC, large: large})
	if err != nil {
		return nil, fmt.Errorf("bridge %s: %w", b.name, err)
	}
	return g, nil
}

// Restarts returns how often a guest that died was replaced.
func (b *Bridge) Restarts() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.restarts
}

// errClosed is the error of a bridge after its Close.
var errClosed = errors.New("the bridge is closed")

// running returns the guest, a new one if the last has died, or is too small
// for a large trace.
func (b *Bridge) running(ctx context.Context, large bool) (*guest, error) {
	if b.closed {
		return nil, errClosed
	}
	died := b.guest == nil
	if !died && (b.guest.large || !large) {
		return b.guest, nil
	}
	g, err := b.boot(ctx, large)
	if err != nil {
		return nil, err
	}
	switch {
	case !died:
		b.guest.close()
	case !b.tired:
		b.restarts++
	}
	b.guest, b.tired = g, false
	return g, nil
}

// call has a guest answer a message. A guest that fails is not used again.
func (b *Bridge) call(ctx context.Context, g *guest, msg any, doing string) (any, error) {
	answer, err := g.call(ctx, msg, doing)
	if err != nil {
		b.drop(g)
		return nil, err
	}
	return answer, nil
}

// drop ends a guest whose state is not known any more.
func (b *Bridge) drop(g *guest) {
	g.close()
	if b.guest == g {
		b.guest = nil
	}
}

// Replay implements [replay.Replayer]. A pipeline that Open vSwitch refuses is
// a [RefusedError], a trace that no bridge can be given an
// [image.InputError].
func (b *Bridge) Replay(ctx context.Context, t replay.Trace, level replay.Level) (replay.Observation, error) {
	if err := t.Validate(); err != nil {
		return replay.Observation{}, &image.InputError{Err: err}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var o replay.Observation
	err := errCold
	if level == replay.Warm {
		if o, err = b.replayWarm(ctx, t); errors.Is(err, errCold) {
			level = replay.Purged
		}
	}
	if errors.Is(err, errCold) {
		o, err = b.replayCold(ctx, t, level)
	}
	if _, wrong := errors.AsType[*image.InputError](err); err != nil && !wrong {
		err = fmt.Errorf("bridge %s: %w", b.name, err)
	}
	return o, err
}

// replayCold replays at a level that leaves nothing of earlier traces.
func (b *Bridge) replayCold(ctx context.Context, t replay.Trace, level replay.Level) (replay.Observation, error) {
	msg, err := replayMessage(t)
	if err != nil {
		return replay.Observation{}, &image.InputError{Err: err}
	}
	g, release, err := b.guestFor(ctx, level, len(t.Packets) >= largePackets)
	if err != nil {
		return replay.Observation{}, err
	}
	defer release()
	o := b.newObservation(g, level)
	answer, err := b.call(ctx, g, msg, "replay")
	if err != nil {
		return o, crash(&o, err)
	}
	replayed, ok := answer.(*wire.Replayed)
	if !ok {
		return o, fmt.Errorf("guest sent %T where Replayed was due", answer)
	}
	o.KernelLog = replayed.KernelLog
	if replayed.Died != "" {
		return o, b.switchDied(&o, g, replayed.Died)
	}
	if err := b.failure(g, t, replayed.Refused, replayed.Error); err != nil {
		return o, err
	}
	return o, observe(&o, t, replayed)
}

func (b *Bridge) newObservation(g *guest, level replay.Level) replay.Observation {
	return replay.Observation{
		Bridge: b.name, Kernel: g.kernel, OVS: g.ovs, Level: level,
		Packets: []replay.PacketWay{}, Flows: []replay.Flow{}, Conntrack: []replay.ConntrackEntry{},
	}
}

// crash fills in o what the death of a guest under a trace is, which is no error.
func crash(o *replay.Observation, err error) error {
	if died, ok := errors.AsType[*GuestError](err); ok && died.Crashed {
		o.Crash = died.Output
		return nil
	}
	return err
}

// switchDied does the same for ovs-vswitchd, which ended with some words.
func (b *Bridge) switchDied(o *replay.Observation, g *guest, words string) error {
	b.drop(g)
	if g.said(outOfMemory) {
		return &GuestError{Doing: "replay", Output: g.output.String(), Err: errors.New(words)}
	}
	o.Crash = g.output.String() + "\n" + words
	return nil
}

// guestFor returns the guest for a replay of a level, and what to do with it
// after.
func (b *Bridge) guestFor(ctx context.Context, level replay.Level, large bool) (g *guest, release func(), err error) {
	if level != replay.Booted {
		g, err = b.running(ctx, large)
		return g, func() {}, err
	}
	if b.closed {
		return nil, nil, errClosed
	}
	g, err = b.boot(ctx, large)
	if err != nil {
		return nil, nil, err
	}
	return g, g.close, nil
}

// failure returns why the guest did not do what it was asked, if so.
func (b *Bridge) failure(g *guest, t replay.Trace, refused *wire.Refusal, words string) error {
	switch {
	case refused != nil:
		return refusedError(t.Pipeline, refused)
	case words != "":
		b.drop(g)
		return &GuestError{Doing: "replay", Output: g.output.String(), Err: errors.New(words)}
	}
	return nil
}

func refusedError(rules replay.Pipeline, r *wire.Refusal) *RefusedError {
	e := &RefusedError{Rule: -1, Words: r.Words}
	// The witness copy's own rules follow the user's.
	if r.Rule >= 0 && r.Rule < len(rules) {
		e.Rule, e.Text = r.Rule, rules[r.Rule]
	}
	return e
}

// Result is what a command in a guest came to.
type Result struct {
	Stdout, Stderr []byte
	// Code is the exit code; -1 if the command could not be started, and
	// Stderr then says why.
	Code int
}

// Exec runs a command in the guest, with rules as the bridge's flow table if
// there are any. Rules that Open vSwitch refuses are a [RefusedError].
func (b *Bridge) Exec(ctx context.Context, rules replay.Pipeline, argv ...string) (Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, err := b.running(ctx, false)
	if err != nil {
		return Result{}, err
	}
	answer, err := b.call(ctx, g, &wire.Exec{Argv: argv, Rules: rules}, "run "+strings.Join(argv, " "))
	if err != nil {
		return Result{}, fmt.Errorf("bridge %s: %w", b.name, err)
	}
	done, ok := answer.(*wire.Executed)
	if !ok {
		return Result{}, fmt.Errorf("bridge %s: guest sent %T where Executed was due", b.name, answer)
	}
	if done.Refused != nil {
		return Result{}, refusedError(rules, done.Refused)
	}
	return Result{Stdout: done.Stdout, Stderr: done.Stderr, Code: done.Code}, nil
}

// Close ends the guest, and returns once it is gone.
func (b *Bridge) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.guest != nil {
		b.guest.close()
		b.guest = nil
	}
	return nil
}

// replayMessage is what a guest is asked.
func replayMessage(t replay.Trace) (*wire.Replay, error) {
	copied, err := witness(t.Pipeline)
	if err != nil {
		return nil, err
	}
	m := &wire.Replay{Rules: t.Pipeline, Witness: copied}
	for _, p := range t.Packets {
		m.Packets = append(m.Packets, wire.Packet{Port: uint8(p.Port), Gap: p.Gap, Frame: p.Frame})
	}
	return m, nil
}
