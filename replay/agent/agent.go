// Package agent runs as PID 1 in a guest: it brings three Open vSwitch bridges
// up (one for the rules as given, one for their witness copy, one for their marked
// copy), injects frames at their ports, captures what leaves them, and dumps flows
// and connections.
//
// The guest's time is virtual: it stands still while a processor is busy and
// leaps to the next timer when none is (time-travel=inf-cpu of User-Mode
// Linux). So the agent never blocks while it waits for the host, or time would
// run on: it spins, and the host stops the guest's process meanwhile.
package agent

import (
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"time"

	"crypto/sha256"

	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/wire"
)

//go:embed *.go
var source embed.FS

// Build identifies the source that this agent is built from: host and guest
// must have the same, or a message could mean different things to them.
var Build = sync.OnceValue(func() string {
	sum := sha256.New()
	for _, files := range []fs.FS{source, wire.Source} {
		names, err := fs.Glob(files, "*.go")
		if err != nil {
			panic(err) // the pattern is constant
		}
		for _, name := range names {
			text, err := fs.ReadFile(files, name)
			if err != nil {
				panic(err) // the file is embedded
			}
			fmt.Fprintf(sum, "%s %d\n", name, len(text))
			sum.Write(text)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
})

// Main is the agent's main function. It returns only if the guest has to end.
func Main() {
	runtime.LockOSThread()
	if os.Getpid() != 1 {
		fmt.Println(Build())
		return
	}
	fmt.Fprintln(os.Stderr, "ctdiff-agent:", run())
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Fprintln(os.Stderr, "ctdiff-agent: power off:", err)
	}
}

// A guest is what the agent has brought up.
type guest struct {
	channel *wire.Channel
	given   bridge
	witness bridge
	// marked has the witness copy for level warm, and one port more.
	marked    bridge
	warming   warming
	fragments fragments
	// vswitchd is the process ID of ovs-vswitchd.
	vswitchd int
	counter  *flowCounter
	// used are the devices that packets have entered since the last purge.
	used map[int]bool
	log  *kernelLog
}

// run serves the host; it returns why it does not any more.
func run() error {
	if err := mountAll(); err != nil {
		return err
	}
	if err := quietNetwork(); err != nil {
		return err
	}
	conn, err := openChannel()
	if err != nil {
		return err
	}
	channel := wire.NewChannel(conn)
	release, err := kernelRelease()
	if err != nil {
		return err
	}
	if err := channel.Send(&wire.Hello{Build: Build(), Kernel: release}); err != nil {
		return err
	}
	msg, err := channel.Receive()
	if err != nil {
		return err
	}
	boot, ok := msg.(*wire.Boot)
	if !ok {
		return fmt.Errorf("got %T where Boot was due", msg)
	}
	conn.block = boot.Interactive
	g, ready := bringUp(boot)
	if err := channel.Send(ready); err != nil {
		return err
	}
	if g == nil {
		return errors.New(ready.Error)
	}
	g.channel = channel
	return g.serve()
}

// bringUp starts everything that boot asks for. If that fails, the guest is
// nil and the message says why.
func bringUp(boot *wire.Boot) (*guest, *wire.Ready) {
	g := &guest{used: map[int]bool{}, given: newBridge("br0", "p", replay.Ports), witness: newBridge("br1", "w", replay.Ports), marked: newBridge("br2", "m", markPort)}
	version, err := g.start(boot)
	if err != nil {
		return nil, &wire.Ready{Error: err.Error()}
	}
	return g, &wire.Ready{OVS: version}
}

func (g *guest) start(boot *wire.Boot) (version string, err error) {
	if err := addEntropy(boot.Entropy); err != nil {
		return "", err
	}
	for _, b := range g.bridges() {
		if err := b.openPorts(); err != nil {
			return "", err
		}
	}
	if g.log, err = openKernelLog(); err != nil {
		return "", err
	}
	if version, g.vswitchd, err = startSwitch(boot, g.given, g.witness, g.marked); err != nil {
		return "", err
	}
	if g.counter, err = newFlowCounter(boot.Offload); err != nil {
		return "", err
	}
	if err := g.openWarming(); err != nil {
		return "", err
	}
	return version, g.awaitUpcalls()
}

func (g *guest) bridges() []*bridge { return []*bridge{&g.given, &g.witness, &g.marked} }

// probeFrame is a frame of an EtherType for local experiments.
var probeFrame = []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}

// awaitUpcalls returns when each port's packets get to ovs-vswitchd: its ports
// are there before the threads that take what they send.
func (g *guest) awaitUpcalls() error {
	for _, b := range g.bridges() {
		for i, device := range b.index {
			start := time.Now()
			for {
				sent, err := g.sendOne(b, wire.Packet{Port: uint8(i + 1), Frame: probeFrame}, make([]byte, len(probeFrame)))
				if err != nil {
					return err
				}
				if len(sent.Hits) > 0 {
					break
				}
				if time.Since(start) > startDeadline {
					return fmt.Errorf("port %s (device %d): no packet gets to ovs-vswitchd after %v", b.portName(i), device, startDeadline)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
	return g.purge()
}

// serve answers the host's messages until the channel breaks.
func (g *guest) serve() error {
	for {
		msg, err := g.channel.Receive()
		if err != nil {
			return err
		}
		var answer any
		switch m := msg.(type) {
		case *wire.Replay:
			answer = g.replay(m)
		case *wire.Warm:
			answer = g.replayWarm(m)
		case *wire.Exec:
			answer = g.exec(m)
		case *wire.Shell:
			answer = shell(m)
		default:
			return fmt.Errorf("got %T, which the host does not send", msg)
		}
		if err := g.channel.Send(answer); err != nil {
			return err
		}
	}
}
