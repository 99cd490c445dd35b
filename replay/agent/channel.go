package agent

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay/wire"
)

// channelDevice is the network device behind which the host is.
const channelDevice = "vec0"

// The channel's ring: a slot holds the longest frame, and there are more than the
// host sends at once.
const (
	channelSlot  = 8192
	channelSlots = 32
)

// packetConn is the guest's end of the channel: a packet socket.
type packetConn struct {
	fd   int
	ring *ring
	// block makes reads wait in the kernel instead of spinning.
	block bool
}

func openChannel() (*packetConn, error) {
	index, err := setUp(channelDevice, wire.MTU)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket on %s: %w", channelDevice, err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return nil, fmt.Errorf("ignore outgoing on %s: %w", channelDevice, err)
	}
	ring, err := openRing(fd, channelSlot, channelSlots)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", channelDevice, err)
	}
	address := unix.SockaddrLinklayer{Ifindex: index, Protocol: htons(unix.ETH_P_ALL)}
	if err := unix.Bind(fd, &address); err != nil {
		return nil, fmt.Errorf("bind to %s: %w", channelDevice, err)
	}
	return &packetConn{fd: fd, ring: ring}, nil
}

// looksForYield is of how many looks for a frame one lets others run: they do not
// take the processor, since no time passes.
const looksForYield = 100_000

// ReadFrame implements [wire.Conn]. The host stops the guest as soon as it can: no
// system call is made until then, since each costs more than all else here.
func (c *packetConn) ReadFrame(buf []byte) (int, error) {
	for looks := 1; ; looks++ {
		if slot, _ := c.ring.peek(); slot != nil {
			n := copy(buf, bytesIn(slot))
			c.ring.free()
			return n, nil
		}
		if c.block {
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}, -1)
			if err != nil && !errors.Is(err, unix.EINTR) {
				return 0, err
			}
		} else if looks%looksForYield == 0 {
			yield()
		}
	}
}

// WriteFrame implements [wire.Conn].
func (c *packetConn) WriteFrame(frame []byte) error {
	for {
		_, err := unix.Write(c.fd, frame)
		if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN) {
			yield()
			continue
		}
		return err
	}
}

func yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// setUp sets a network device's MTU, if that is not 0, and its up flag, and
// returns its index.
func setUp(device string, mtu int) (index int, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	request := func(what uint, set func(*unix.Ifreq)) (*unix.Ifreq, error) {
		ifr, err := unix.NewIfreq(device)
		if err != nil {
			return nil, err
		}
		set(ifr)
		if err := unix.IoctlIfreq(fd, what, ifr); err != nil {
			return nil, fmt.Errorf("set up device %s: %w", device, err)
		}
		return ifr, nil
	}
	if mtu != 0 {
		if _, err := request(unix.SIOCSIFMTU, func(r *unix.Ifreq) { r.SetUint32(uint32(mtu)) }); err != nil {
			return 0, err
		}
	}
	if _, err := request(unix.SIOCSIFFLAGS, func(r *unix.Ifreq) { r.SetUint16(unix.IFF_UP) }); err != nil {
		return 0, err
	}
	ifr, err := request(unix.SIOCGIFINDEX, func(*unix.Ifreq) {})
	if err != nil {
		return 0, err
	}
	return int(ifr.Uint32()), nil
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }
