package agent

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// separatorPort is the number that the watcher has of the separator's device.
const separatorPort = 255

// A separator puts a frame among those that the watcher shows: what a packet led to stands
// before it.
type separator struct {
	fd, device int
	frame      [14]byte
}

func openSeparator() (*separator, error) {
	const name = "separator"
	if err := netlink.LinkAdd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: name}}); err != nil {
		return nil, fmt.Errorf("device %s: %w", name, err)
	}
	index, err := setUp(name, 0)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket on %s: %w", name, err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: index, Protocol: 0}); err != nil {
		return nil, fmt.Errorf("bind to %s: %w", name, err)
	}
	s := &separator{fd: fd, device: index}
	copy(s.frame[:], probeFrame)
	return s, nil
}

func (s *separator) queue(b *batch) { b.write(s.fd, s.frame[:]) }
