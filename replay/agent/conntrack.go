package agent

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Messages of ctnetlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
const (
	ctGet    = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1
	ctDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2
	// A request is struct nlmsghdr and struct nfgenmsg.
	ctRequestLen = unix.SizeofNlMsghdr + 4
	// The kernel puts so much into the first answer to a reader of as much
	// room (af_netlink.c, netlink_dump); an entry is shorter than a KiB.
	ctFirstAnswer = 32 << 10
	ctFirstFew    = 24
	ctEnd         = 4096
)

// connections asks the kernel for all connections, and removes them.
type connections struct {
	fd       int
	buf      [ctFirstAnswer]byte
	end      [ctEnd]byte
	requests [2 * ctRequestLen]byte
}

func openConnections() (*connections, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("conntrack: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("conntrack: bind: %w", err)
	}
	c := &connections{fd: fd}
	putRequest(c.requests[:], ctGet, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	putRequest(c.requests[ctRequestLen:], ctDelete, unix.NLM_F_REQUEST)
	return c, nil
}

func putRequest(b []byte, kind, flags uint16) {
	binary.NativeEndian.PutUint32(b, ctRequestLen)
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], flags)
}

// take is dump, and then flush.
func (c *connections) take() ([]byte, error) {
	dump, err := c.dump()
	if err != nil {
		return nil, err
	}
	return dump, c.flush()
}

func (c *connections) flush() error {
	if _, err := unix.Write(c.fd, c.requests[ctRequestLen:]); err != nil {
		return fmt.Errorf("flush conntrack: %w", err)
	}
	return nil
}

// queueFlush has a batch remove all connections.
func (c *connections) queueFlush(b *batch) { b.write(c.fd, c.requests[ctRequestLen:]) }

// A pendingDump is a dump in a batch.
type pendingDump struct {
	*connections
	first, second int
}

// queue has a batch do what take does, for no more than ctFirstFew connections. One
// write is enough: the kernel makes its first answer to a dump before it looks at the
// next request.
func (c *connections) queue(b *batch) pendingDump {
	b.write(c.fd, c.requests[:])
	return pendingDump{c, b.receive(c.fd, c.buf[:]), b.receive(c.fd, c.end[:])}
}

// result returns the dump once the batch is run: if there are no connections its
// first message is its last.
func (d pendingDump) result(b *batch) ([]byte, error) {
	first, second := b.results[d.first], b.results[d.second]
	if first < unix.SizeofNlMsghdr {
		return nil, fmt.Errorf("dump conntrack: read: %d", first)
	}
	if kindOf(d.buf[:]) == unix.NLMSG_DONE {
		return nil, nil
	}
	if second < unix.SizeofNlMsghdr || kindOf(d.end[:]) != unix.NLMSG_DONE {
		return nil, fmt.Errorf("dump conntrack: no end: %d", second)
	}
	return append([]byte(nil), d.buf[:first]...), nil
}

func kindOf(message []byte) uint16 { return binary.NativeEndian.Uint16(message[4:]) }

// dump returns the netlink messages of a dump of all connections.
func (c *connections) dump() ([]byte, error) {
	if _, err := unix.Write(c.fd, c.requests[:ctRequestLen]); err != nil {
		return nil, fmt.Errorf("dump conntrack: %w", err)
	}
	var dump []byte
	for {
		n, err := unix.Read(c.fd, c.buf[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("dump conntrack: %w", err)
		}
		kind := kindOf(c.buf[:])
		if kind == unix.NLMSG_DONE {
			return dump, nil
		}
		if kind == unix.NLMSG_ERROR {
			return nil, fmt.Errorf("dump conntrack: %w", unix.Errno(-int32(binary.NativeEndian.Uint32(c.buf[unix.SizeofNlMsghdr:]))))
		}
		dump = append(dump, c.buf[:n]...)
	}
}
