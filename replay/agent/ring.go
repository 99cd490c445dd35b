package agent

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay/wire"
)

// ringBlock is the unit in which a ring's memory is allocated: a multiple of the
// size of pages and of slots.
const (
	ringBlock  = 8192
	ringHeader = 32 // TPACKET2_HDRLEN less struct sockaddr_ll
)

// Offsets and flags of struct tpacket2_hdr (include/uapi/linux/if_packet.h).
const (
	slotStatus   = 0
	slotSnaplen  = 8
	slotMAC      = 12
	slotVLAN     = 24
	slotTPID     = 26
	slotAddress  = ringHeader // struct sockaddr_ll, the device at 4
	statusUser   = 1
	statusVLAN   = 1 << 4
	vlanAddress  = 12 // where a tag stands in a frame
	packetV2     = 1
	addressIndex = 4
)

// A ring has the frames that a packet socket gets in memory that is shared with
// the kernel, so that it costs no system call to see whether there is one.
type ring struct {
	memory      []byte
	slot, slots int
	next        int
}

// openRing gives a packet socket a ring with slots of a size. It is to be bound
// after that.
func openRing(fd, slot, slots int) (*ring, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, packetV2); err != nil {
		return nil, fmt.Errorf("ring: version: %w", err)
	}
	size := slot * slots
	request := unix.TpacketReq{Block_size: ringBlock, Block_nr: uint32(size / ringBlock), Frame_size: uint32(slot), Frame_nr: uint32(slots)}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return nil, fmt.Errorf("ring: %w", err)
	}
	memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("ring: map: %w", err)
	}
	return &ring{memory: memory, slot: slot, slots: slots}, nil
}

// peek returns the slot of the next frame, and the state that it is in; nil if
// there is none yet.
func (r *ring) peek() (slot []byte, state uint32) {
	slot = r.memory[r.next*r.slot:][:r.slot]
	state = atomic.LoadUint32((*uint32)(unsafe.Pointer(&slot[slotStatus])))
	if state&statusUser == 0 {
		return nil, 0
	}
	return slot, state
}

// free gives the slot that peek has returned back to the kernel.
func (r *ring) free() {
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&r.memory[r.next*r.slot+slotStatus])), 0)
	r.next = (r.next + 1) % r.slots
}

// bytesIn is what the kernel has put into a slot.
func bytesIn(slot []byte) []byte {
	start := int(binary.NativeEndian.Uint16(slot[slotMAC:]))
	length := int(binary.NativeEndian.Uint32(slot[slotSnaplen:]))
	return slot[start:min(start+length, len(slot))]
}

// The watcher's ring: a slot holds the longest frame that a port takes.
const (
	watcherSlot  = 2048
	watcherSlots = 512
)

// A watcher shows the frames that leave some devices.
type watcher struct {
	*ring
	// ports has the number that a device is to have.
	ports map[int]uint8
}

func openWatcher(ports map[int]uint8) (*watcher, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("watch ports: %w", err)
	}
	program := leaving(slices.Sorted(maps.Keys(ports)))
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}); err != nil {
		return nil, fmt.Errorf("watch ports: filter: %w", err)
	}
	r, err := openRing(fd, watcherSlot, watcherSlots)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL)}); err != nil {
		return nil, fmt.Errorf("watch ports: bind: %w", err)
	}
	return &watcher{r, ports}, nil
}

// leaving is a filter that passes what leaves devices
// (Documentation/networking/filter.rst: the offsets from 0xfffff000 on are
// those of extensions).
func leaving(devices []int) []unix.SockFilter {
	const extension, pkttype, ifindex = 0xfffff000, 4, 8
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: extension + at}
	}
	equal := func(k int, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(k), Jt: uint8(yes), Jf: uint8(no)}
	}
	n := len(devices)
	program := []unix.SockFilter{load(pkttype), equal(unix.PACKET_OUTGOING, 0, n+1), load(ifindex)}
	for i, d := range devices {
		program = append(program, equal(d, n-i, 0))
	}
	return append(program,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: watcherSlot},
	)
}

// take returns the frames that have left since the last call. What is longer
// than a slot is cut.
func (w *watcher) take() []wire.Output {
	var outputs []wire.Output
	for {
		slot, state := w.peek()
		if slot == nil {
			return outputs
		}
		device := binary.NativeEndian.Uint32(slot[slotAddress+addressIndex:])
		outputs = append(outputs, wire.Output{Port: w.ports[int(device)], Frame: frameIn(slot, state)})
		w.free()
	}
}

// skip passes over the frames that have left since the last call.
func (w *watcher) skip() {
	for slot, _ := w.peek(); slot != nil; slot, _ = w.peek() {
		w.free()
	}
}

// frameIn returns a copy of the frame in a slot, with the VLAN tag that the
// kernel keeps beside it.
func frameIn(slot []byte, state uint32) []byte {
	body := bytesIn(slot)
	if state&statusVLAN == 0 || len(body) < vlanAddress {
		return append([]byte(nil), body...)
	}
	frame := make([]byte, 0, len(body)+4)
	frame = append(frame, body[:vlanAddress]...)
	frame = binary.BigEndian.AppendUint16(frame, binary.NativeEndian.Uint16(slot[slotTPID:]))
	frame = binary.BigEndian.AppendUint16(frame, binary.NativeEndian.Uint16(slot[slotVLAN:]))
	return append(frame, body[vlanAddress:]...)
}
