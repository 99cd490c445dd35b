package agent

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Commands and attributes of the ovs_datapath family
// (include/uapi/linux/openvswitch.h).
const (
	ovsDatapathVersion = 2
	ovsDatapathCmdGet  = 3
	ovsDatapathStats   = 3
	ovsDatapathMissed  = 8 // in struct ovs_dp_stats
)

// A missCounter tells whether a packet has met no flow, so that it took an upcall.
type missCounter struct {
	fd      int
	request []byte
	answer  [4096]byte
	last    uint64
}

func openMissCounter(datapath int) (*missCounter, error) {
	family, err := netlink.GenlFamilyGet("ovs_datapath")
	if err != nil {
		return nil, fmt.Errorf("genetlink family ovs_datapath: %w", err)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("count misses: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("count misses: bind: %w", err)
	}
	req := nl.NewNetlinkRequest(int(family.ID), 0)
	req.AddData(&nl.Genlmsg{Command: ovsDatapathCmdGet, Version: ovsDatapathVersion})
	req.AddData(ovsHeader(datapath))
	return &missCounter{fd: fd, request: req.Serialize()}, nil
}

// queue asks for the counter, and returns which result of the batch is the
// answer's length.
func (c *missCounter) queue(b *batch) (result int) {
	b.write(c.fd, c.request)
	return b.receive(c.fd, c.answer[:])
}

// result reports whether the counter has changed since the last call.
func (c *missCounter) result(b *batch, result int) (bool, error) {
	n := int(b.results[result])
	head := unix.SizeofNlMsghdr + nl.SizeofGenlmsg + ovsFlowHeaderLen
	if n < head {
		return false, fmt.Errorf("count misses: answer of %d bytes", n)
	}
	attrs, err := nl.ParseRouteAttrAsMap(c.answer[head:n])
	if err != nil {
		return false, fmt.Errorf("count misses: %w", err)
	}
	stats, ok := attrs[ovsDatapathStats]
	if !ok || len(stats.Value) < ovsDatapathMissed+8 {
		return false, fmt.Errorf("count misses: no statistics")
	}
	missed := binary.NativeEndian.Uint64(stats.Value[ovsDatapathMissed:])
	changed := missed != c.last
	c.last = missed
	return changed, nil
}
