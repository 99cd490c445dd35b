package agent

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay/wire"
)

// A bridge is one OVS bridge whose ports are TAP devices, the far ends of
// which the agent holds.
type bridge struct {
	name string
	// prefix of the ports' names, before their number.
	prefix string
	taps   []int
	index  []int
	// rules are those in the bridge's flow table, if loaded is set.
	rules  []string
	loaded bool
}

func newBridge(name, prefix string, ports int) bridge {
	return bridge{name: name, prefix: prefix, taps: make([]int, ports), index: make([]int, ports)}
}

func (b *bridge) portName(i int) string { return fmt.Sprintf("%s%d", b.prefix, i+1) }

func (b *bridge) openPorts() error {
	for i := range b.taps {
		name := b.portName(i)
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("port %s: %w", name, err)
		}
		ifr, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
			return fmt.Errorf("port %s: %w", name, err)
		}
		b.taps[i] = fd
		if b.index[i], err = setUp(name, 0); err != nil {
			return err
		}
	}
	return nil
}

// send puts a frame into a port.
//
// The frame's whole way is behind it when send returns: the kernel runs it
// through the datapath within the write, and the threads of ovs-vswitchd,
// which are real-time ones, take the only processor from the agent for as
// long as they have an upcall to handle.
func (b *bridge) send(port uint8, frame []byte) error {
	if _, err := unix.Write(b.taps[port-1], frame); err != nil {
		return fmt.Errorf("send at %s: %w", b.portName(int(port-1)), err)
	}
	return nil
}

// receive returns the frames that have left the bridge.
func (b *bridge) receive(buf []byte) ([]wire.Output, error) {
	var outputs []wire.Output
	for {
		var waiting [markPort]unix.PollFd
		for i, fd := range b.taps {
			waiting[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		}
		n, err := unix.Poll(waiting[:len(b.taps)], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("receive at %s: %w", b.name, err)
		}
		if n == 0 {
			return outputs, nil
		}
		for i, w := range waiting[:len(b.taps)] {
			if w.Revents == 0 {
				continue
			}
			n, err := unix.Read(int(w.Fd), buf)
			if err != nil {
				return nil, fmt.Errorf("receive at %s: %w", b.portName(i), err)
			}
			outputs = append(outputs, wire.Output{Port: uint8(i + 1), Frame: append([]byte(nil), buf[:n]...)})
		}
	}
}
