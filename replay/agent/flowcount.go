package agent

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay/wire"
)

// Commands and attributes of the ovs_flow family (include/uapi/linux/openvswitch.h).
const (
	ovsFlowVersion    = 1
	ovsFlowCmdGet     = 3
	ovsFlowAttrStats  = 3
	ovsFlowAttrUFID   = 9
	ovsFlowAttrFlags  = 10
	ovsFlowOmitAll    = 1<<0 | 1<<1 | 1<<2 // key, mask, actions
	ovsFlowHeaderLen  = 4
	ovsFlowStatsLen   = 16
	ingressParent     = 0xfffffff2 // TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
	tcaDumpFlags      = 15
	tcaDumpFlagsTerse = 1
	tcaActCookie      = 6
	tcaActStats       = 4
	tcaStatsBasic     = 1
	tcaFlowerAct      = 3
	nlaTypeMask       = 0x3fff
)

type ufid = [16]byte

// A flowCounter reads the packet counters of all flows: those in the kernel's
// datapath, and those that TC took.
//
// It asks for counters and ids only, over netlink: a dump by ovs-vswitchd
// costs milliseconds, too much to be had after every packet.
type flowCounter struct {
	family   uint16
	datapath int
	offload  bool
	sockets  map[int]*nl.SocketHandle
	counts   map[ufid]uint64
}

func newFlowCounter(offload bool) (*flowCounter, error) {
	family, err := netlink.GenlFamilyGet("ovs_flow")
	if err != nil {
		return nil, fmt.Errorf("genetlink family ovs_flow: %w", err)
	}
	index, err := setUp("ovs-system", 0)
	if err != nil {
		return nil, err
	}
	c := &flowCounter{family: family.ID, datapath: index, offload: offload, sockets: map[int]*nl.SocketHandle{}, counts: map[ufid]uint64{}}
	for _, protocol := range []int{unix.NETLINK_GENERIC, unix.NETLINK_ROUTE} {
		s, err := nl.Subscribe(protocol)
		if err != nil {
			return nil, fmt.Errorf("netlink socket: %w", err)
		}
		c.sockets[protocol] = &nl.SocketHandle{Socket: s}
	}
	return c, nil
}

// hits returns the flows of packets that enter at a device that are new or
// have taken packets since the last call for it, in a stable order.
func (c *flowCounter) hits(device int) ([]wire.Hit, error) {
	now, err := c.read(device)
	if err != nil {
		return nil, err
	}
	var hits []wire.Hit
	for id, count := range now {
		before, known := c.counts[id]
		c.counts[id] = count
		if count < before { // the flow was made anew
			before, known = 0, false
		}
		if !known || count != before {
			hits = append(hits, wire.Hit{UFID: id, Packets: count - before, New: !known})
		}
	}
	slices.SortFunc(hits, func(a, b wire.Hit) int { return slices.Compare(a.UFID[:], b.UFID[:]) })
	return hits, nil
}

// forget has what the counters of some devices' flows are now count as not hit:
// in a gap a flow may have gone, and come again with the count that it had.
func (c *flowCounter) forget(devices ...int) error {
	now, err := c.read(devices...)
	if err == nil {
		c.counts = now
	}
	return err
}

// read returns the packet counter of each flow in the kernel's datapath, and of
// those that TC holds for some devices.
func (c *flowCounter) read(devices ...int) (map[ufid]uint64, error) {
	counts := map[ufid]uint64{}
	if err := c.readDatapath(counts); err != nil {
		return nil, err
	}
	if !c.offload {
		return counts, nil
	}
	for _, index := range devices {
		if err := c.readFilters(index, counts); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

func (c *flowCounter) readDatapath(counts map[ufid]uint64) error {
	req := nl.NewNetlinkRequest(int(c.family), unix.NLM_F_DUMP)
	req.Sockets = c.sockets
	req.AddData(&nl.Genlmsg{Command: ovsFlowCmdGet, Version: ovsFlowVersion})
	req.AddData(ovsHeader(c.datapath))
	req.AddData(nl.NewRtAttr(ovsFlowAttrFlags, nl.Uint32Attr(ovsFlowOmitAll)))
	messages, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return fmt.Errorf("dump datapath flows: %w", err)
	}
	for _, m := range messages {
		attrs, err := nl.ParseRouteAttrAsMap(m[nl.SizeofGenlmsg+ovsFlowHeaderLen:])
		if err != nil {
			return fmt.Errorf("datapath flow: %w", err)
		}
		id, ok := attrs[ovsFlowAttrUFID]
		if !ok || len(id.Value) != len(ufid{}) {
			return fmt.Errorf("datapath flow without a ufid")
		}
		// A flow that took nothing yet has no statistics.
		var count uint64
		if stats, ok := attrs[ovsFlowAttrStats]; ok && len(stats.Value) >= ovsFlowStatsLen {
			count = binary.NativeEndian.Uint64(stats.Value)
		}
		counts[ufid(id.Value)] = count
	}
	return nil
}

// ovsHeader is the struct ovs_header of a message: the datapath's ifindex.
type ovsHeader uint32

func (h ovsHeader) Len() int { return ovsFlowHeaderLen }

func (h ovsHeader) Serialize() []byte { return binary.NativeEndian.AppendUint32(nil, uint32(h)) }

func (c *flowCounter) readFilters(index int, counts map[ufid]uint64) error {
	req := nl.NewNetlinkRequest(unix.RTM_GETTFILTER, unix.NLM_F_DUMP)
	req.Sockets = c.sockets
	req.AddData(&nl.TcMsg{Ifindex: int32(index), Parent: ingressParent})
	flags := make([]byte, 8) // struct nla_bitfield32
	binary.NativeEndian.PutUint32(flags, tcaDumpFlagsTerse)
	binary.NativeEndian.PutUint32(flags[4:], tcaDumpFlagsTerse)
	req.AddData(nl.NewRtAttr(tcaDumpFlags, flags))
	messages, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWTFILTER)
	if err != nil {
		return fmt.Errorf("dump TC filters of device %d: %w", index, err)
	}
	for _, m := range messages {
		id, count, ok := filterCount(m[nl.SizeofTcMsg:])
		if ok {
			counts[id] = count
		}
	}
	return nil
}

// filterCount returns the ufid and packet counter that stand in an action of a
// TC filter: OVS leaves the ufid in the cookie of each (lib/tc.c), but for those
// that it puts before an output to the bridge's own port.
func filterCount(filter []byte) (id ufid, count uint64, ok bool) {
	list, ok := nested(filter, nl.TCA_OPTIONS, tcaFlowerAct)
	if !ok {
		return id, 0, false
	}
	actions, err := nl.ParseRouteAttr(list)
	if err != nil {
		return id, 0, false
	}
	for _, action := range actions {
		cookie, ok := nested(action.Value, tcaActCookie)
		if !ok || len(cookie) != len(id) {
			continue
		}
		basic, ok := nested(action.Value, tcaActStats, tcaStatsBasic)
		if ok && len(basic) >= 12 { // struct gnet_stats_basic: bytes, packets
			return ufid(cookie), uint64(binary.NativeEndian.Uint32(basic[8:])), true
		}
	}
	return id, 0, false
}

// nested returns the value of the attribute at a path of types.
func nested(attrs []byte, path ...uint16) ([]byte, bool) {
	for _, want := range path {
		list, err := nl.ParseRouteAttr(attrs)
		if err != nil {
			return nil, false
		}
		found := false
		for _, a := range list {
			if a.Attr.Type&nlaTypeMask == want {
				attrs, found = a.Value, true
				break
			}
		}
		if !found {
			return nil, false
		}
	}
	return attrs, true
}
