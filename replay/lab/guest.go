package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay/agent"
	"github.com/ctdiff/ctdiff/replay/wire"
)

// What a guest's kernel is given. Most of it is never touched (see the figures
// in the README), but for large traces, each packet of which can make flows and
// connections of its own.
const (
	smallMemory = "96M"
	largeMemory = "512M"
	// largePackets is from how many packets on a trace is large.
	largePackets = 128
)

// startTimeout bounds the time from exec to bridges that are up, answerTimeout
// that of one answer; both are far beyond what a loaded machine needs.
const (
	startTimeout  = 60 * time.Second
	answerTimeout = 60 * time.Second
	packetTimeout = 100 * time.Millisecond // more, for each packet of a trace
	gapShare      = 20                     // a gap takes much less than this part of it
)

// addrNoRandomize is ADDR_NO_RANDOMIZE (include/uapi/linux/personality.h).
const addrNoRandomize = 0x0040000

// entropyBytes is what the kernel's generator wants before it gives any.
const entropyBytes = 64

// guestFiles are the files that a guest is made of.
type guestFiles struct {
	kernel string // the User-Mode Linux executable
	root   string // the directory that the guest may read
	initrd string // the archive with the agent
	memory string // the directory for the file that is the guest's memory
}

// guestOptions are what distinguishes one guest of the same files.
type guestOptions struct {
	offload bool
	large   bool // has the memory for a large trace
	// console is what a real-time guest's shell reads and writes; a guest
	// without has virtual time.
	console *os.File
}

// A guest is one User-Mode Linux process with our agent as PID 1.
type guest struct {
	process   *os.Process
	channel   *wire.Channel
	socket    *os.File
	output    tail
	exited    chan struct{} // closed once the process is reaped
	ended     *os.ProcessState
	virtual   bool
	large     bool
	kernel    string
	ovs       string
	kill      func()
	guard     *guard
	closeOnce func()
}

// GuestError is the failure of a guest, with the last it printed. The trace
// under which it happened, if any, is a finding.
type GuestError struct {
	// Doing says what the guest was at.
	Doing string
	// Output has the last lines of the guest's console.
	Output string
	// Crashed says that its kernel or ovs-vswitchd ended it, and nobody else.
	Crashed bool
	Err     error
}

func (e *GuestError) Error() string {
	text := fmt.Sprintf("guest failed: %s: %v", e.Doing, e.Err)
	if e.Output != "" {
		text += "\nthe guest's last words:\n" + e.Output
	}
	return text
}

func (e *GuestError) Unwrap() error { return e.Err }

// ErrGuestDied is the error of a guest whose process has ended.
var ErrGuestDied = errors.New("the guest's process ended")

// startGuest boots a guest and waits until its bridges are up.
func startGuest(ctx context.Context, files guestFiles, options guestOptions) (*guest, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("channel to a guest: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "guest's end of the channel")
	if err := unix.SetNonblock(pair[0], true); err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("channel to a guest: %w", err)
	}
	g := &guest{
		socket:  os.NewFile(uintptr(pair[0]), "channel to a guest"),
		exited:  make(chan struct{}),
		virtual: options.console == nil,
		large:   options.large,
	}
	g.closeOnce = sync.OnceFunc(func() {
		g.socket.Close()
		g.guard.close()
	})
	g.channel = wire.NewChannel((*socketConn)(g.socket))
	err = g.launch(files, options, theirs)
	// Ours has to go, or the channel would not end with the guest.
	theirs.Close()
	if err != nil {
		g.socket.Close()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := g.handshake(ctx, options); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

// launch starts the process.
func (g *guest) launch(files guestFiles, options guestOptions, channel *os.File) error {
	cmd := exec.Command(files.kernel, arguments(files, options)...)
	cmd.Env = []string{"TMPDIR=" + files.memory}
	cmd.ExtraFiles = []*os.File{channel}
	cmd.Stdout, cmd.Stderr = &g.output, &g.output
	if options.console != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, options.console)
	}
	// In a group of its own a guest is not hit by the terminal's Ctrl-C, and
	// can be killed together with the processes it runs its own in.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// Pdeathsig is the death of the thread that starts the process, and
		// the confinement is one of a thread: so one is set apart for it,
		// until the guest ends.
		runtime.LockOSThread()
		if err := confine(files); err != nil {
			started <- fmt.Errorf("confine a guest: %w", err)
			return
		}
		if err := pin(); err != nil {
			started <- fmt.Errorf("keep a guest on one processor: %w", err)
			return
		}
		// With the same addresses each time a guest does the same each time,
		// and has no hole in its memory that its kernel keeps a table of.
		if _, _, errno := unix.Syscall(unix.SYS_PERSONALITY, addrNoRandomize, 0, 0); errno != 0 {
			started <- fmt.Errorf("start a guest without random addresses: %w", errno)
			return
		}
		if err := cmd.Start(); err != nil {
			started <- fmt.Errorf("start a guest: %w", err)
			return
		}
		g.kill = sync.OnceFunc(func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })
		started <- nil
		awaitExit(cmd.Process.Pid)
		g.kill()
		_ = cmd.Wait()
		g.ended = cmd.ProcessState
		close(g.exited)
	}()
	if err := <-started; err != nil {
		return err
	}
	g.process = cmd.Process
	// A kernel that panics aborts: its last words are worth more than a core.
	if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil); err != nil {
		slog.Debug("a guest may dump core", "error", err)
	}
	var err error
	if g.guard, err = startGuard(cmd.Process.Pid); err != nil {
		g.kill()
		<-g.exited
		return err
	}
	return nil
}

func arguments(files guestFiles, options guestOptions) []string {
	memory := smallMemory
	if options.large {
		memory = largeMemory
	}
	args := []string{
		"mem=" + memory,
		"initrd=" + files.initrd,
		"rdinit=/ctdiff-agent",
		// The guest may see this much of the host's files (fs/hostfs).
		"hostfs=" + files.root,
		// Nowhere to keep a control socket: none, and nothing left behind.
		"uml_dir=/dev/null/",
		fmt.Sprintf("vec0:transport=fd,fd=3,mtu=%d,depth=32", wire.MTU),
		"con=null", "ssl=null", "con0=null,fd:1",
		"quiet", "panic=-1", "oops=panic",
	}
	if options.console == nil {
		return append(args, "time-travel=inf-cpu")
	}
	return append(args, "con1=fd:4")
}

// handshake brings the guest from its first message to bridges that are up.
func (g *guest) handshake(ctx context.Context, options guestOptions) error {
	msg, err := g.receive(ctx, "boot")
	if err != nil {
		return err
	}
	hello, ok := msg.(*wire.Hello)
	if !ok {
		return fmt.Errorf("guest sent %T where Hello was due", msg)
	}
	if hello.Build != agent.Build() {
		return fmt.Errorf("guest has agent %s, this program speaks to %s", hello.Build, agent.Build())
	}
	g.kernel = hello.Kernel
	// A guest that is given the same randomness each time chooses the same ports
	// and ids each time. It has no secrets.
	boot := &wire.Boot{Offload: options.offload, Entropy: make([]byte, entropyBytes), Interactive: !g.virtual}
	if err := g.channel.Send(boot); err != nil {
		return err
	}
	msg, err = g.receive(ctx, "start Open vSwitch")
	if err != nil {
		return err
	}
	ready, ok := msg.(*wire.Ready)
	if !ok {
		return fmt.Errorf("guest sent %T where Ready was due", msg)
	}
	if ready.Error != "" {
		return &GuestError{Doing: "start Open vSwitch", Output: g.output.String(), Err: errors.New(ready.Error)}
	}
	g.ovs = ready.OVS
	g.pause()
	return nil
}

// call sends a message and waits for the answer. Between calls the guest is
// stopped: it spins while it waits, see package agent.
func (g *guest) call(ctx context.Context, msg any, doing string) (any, error) {
	limit := answerTimeout
	var packets []wire.Packet
	switch m := msg.(type) {
	case *wire.Replay:
		packets = m.Packets
	case *wire.Warm:
		packets = m.Given
	}
	for _, p := range packets {
		limit += packetTimeout + p.Gap/gapShare
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer in %v", limit))
	defer cancel()
	return g.wait(ctx, msg, doing)
}

// wait is call without a bound on the time.
func (g *guest) wait(ctx context.Context, msg any, doing string) (any, error) {
	answer, err := g.guarded(ctx, doing, func() (any, error) {
		if err := g.send(msg); err != nil {
			return nil, err
		}
		return g.channel.Receive()
	})
	if err != nil {
		return nil, err
	}
	g.pause()
	return answer, nil
}

// send has a message wait for the guest before it is resumed, if it is short
// enough to be sent without an answer: the guest need not look for it then.
func (g *guest) send(msg any) error {
	data, err := wire.Marshal(msg)
	if err != nil {
		return err
	}
	if len(data) > wire.Window {
		g.resume()
		return g.channel.SendBytes(data)
	}
	err = g.channel.SendBytes(data)
	g.resume()
	return err
}

func (g *guest) pause() {
	if g.virtual {
		_ = g.process.Signal(unix.SIGSTOP) // of a guest that is gone the next read says so
	}
}

func (g *guest) resume() {
	if g.virtual {
		_ = g.process.Signal(unix.SIGCONT)
	}
}

// receive waits for a message.
func (g *guest) receive(ctx context.Context, doing string) (answer any, err error) {
	return g.guarded(ctx, doing, g.channel.Receive)
}

// guarded does what may wait for the guest. When ctx ends first, the guest is
// killed: there is no way back to a known state.
func (g *guest) guarded(ctx context.Context, doing string, do func() (any, error)) (any, error) {
	stop := context.AfterFunc(ctx, g.kill)
	answer, err := do()
	if !stop() && ctx.Err() != nil {
		g.close()
		return nil, fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	if err != nil {
		return nil, g.failure(ctx, doing, err)
	}
	return answer, nil
}

func (g *guest) failure(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	g.close() // waits for the last words
	return &GuestError{Doing: doing, Output: g.output.String(), Crashed: g.crashed(), Err: fmt.Errorf("%w (%v; %w)", ErrGuestDied, g.ended, err)}
}

// What a kernel says when its PID 1, our agent, ends, and when its memory does
// not suffice: neither is a fault of what is under test.
const (
	initDied    = "Attempted to kill init"
	outOfMemory = "Out of memory"
)

func (g *guest) said(words string) bool { return strings.Contains(g.output.String(), words) }

// crashed reports whether a guest that is gone was ended by its kernel: one
// that panics aborts (arch/um/kernel/um_arch.c, panic_exit). If somebody
// killed the process, or the agent gave up, that is the lab's failure.
func (g *guest) crashed() bool {
	status, ok := g.ended.Sys().(syscall.WaitStatus)
	if !ok || g.said(initDied) || g.said(outOfMemory) {
		return false
	}
	if status.Signaled() {
		switch status.Signal() {
		case unix.SIGKILL, unix.SIGTERM, unix.SIGINT, unix.SIGHUP:
			return false
		}
		return true
	}
	return status.ExitStatus() != 0
}

// close ends the guest and waits until it is gone.
func (g *guest) close() {
	g.kill()
	<-g.exited
	g.closeOnce()
}

// socketConn is the host's end of the channel.
type socketConn os.File

// ReadFrame implements [wire.Conn].
func (s *socketConn) ReadFrame(buf []byte) (int, error) { return (*os.File)(s).Read(buf) }

// WriteFrame implements [wire.Conn].
func (s *socketConn) WriteFrame(frame []byte) error {
	_, err := (*os.File)(s).Write(frame)
	return err
}

// tailSize is how much of a guest's output is kept.
const tailSize = 16 << 10

// A tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if extra := len(t.data) - tailSize; extra > 0 {
		t.data = append(t.data[:0], t.data[extra:]...)
	}
	return len(p), nil
}

// String returns what was kept, without control characters.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	clean := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f {
			return r
		}
		return -1
	}, string(t.data))
	return strings.TrimSpace(clean)
}
