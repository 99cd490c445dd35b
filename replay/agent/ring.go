package agent

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay/wire"
)

// The ring's dimensions. A slot holds the longest frame that a port takes, and
// more: conntrack may have put fragments together.
const (
	ringSlot   = 8192
	ringSlots  = 128
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

// A ring shows the frames that leave some devices in memory that is shared with
// the kernel, so that it costs no system call to see what a packet led to.
type ring struct {
	memory []byte
	next   int
	// ports has the number of the port that a device is.
	ports map[int]uint8
}

// openRing returns a ring of frames that leave the devices from first to last
// or the device mark.
func openRing(first, last, mark int) (*ring, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("ring: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, packetV2); err != nil {
		return nil, fmt.Errorf("ring: version: %w", err)
	}
	program := leaving(first, last, mark)
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}); err != nil {
		return nil, fmt.Errorf("ring: filter: %w", err)
	}
	request := unix.TpacketReq{Block_size: ringSlot, Block_nr: ringSlots, Frame_size: ringSlot, Frame_nr: ringSlots}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return nil, fmt.Errorf("ring: %w", err)
	}
	memory, err := unix.Mmap(fd, 0, ringSlot*ringSlots, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("ring: map: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL)}); err != nil {
		return nil, fmt.Errorf("ring: bind: %w", err)
	}
	return &ring{memory: memory, ports: map[int]uint8{}}, nil
}

// leaving is a filter that passes what openRing says
// (Documentation/networking/filter.rst: the offsets from 0xfffff000 on are
// those of extensions).
func leaving(first, last, mark int) []unix.SockFilter {
	const extension, pkttype, ifindex = 0xfffff000, 4, 8
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: extension + at}
	}
	jump := func(how uint16, k int, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | how | unix.BPF_K, K: uint32(k), Jt: yes, Jf: no}
	}
	return []unix.SockFilter{
		load(pkttype),
		jump(unix.BPF_JEQ, unix.PACKET_OUTGOING, 0, 5),
		load(ifindex),
		jump(unix.BPF_JEQ, mark, 2, 0),
		jump(unix.BPF_JGE, first, 0, 2),
		jump(unix.BPF_JGT, last, 1, 0),
		{Code: unix.BPF_RET | unix.BPF_K, K: ringSlot},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
}

// take returns the frames that have left since the last call. What is longer
// than a slot is cut.
func (r *ring) take() []wire.Output {
	var outputs []wire.Output
	for {
		slot := r.memory[r.next*ringSlot:][:ringSlot]
		status := (*uint32)(unsafe.Pointer(&slot[slotStatus]))
		state := atomic.LoadUint32(status)
		if state&statusUser == 0 {
			return outputs
		}
		device := binary.NativeEndian.Uint32(slot[slotAddress+addressIndex:])
		outputs = append(outputs, wire.Output{Port: r.ports[int(device)], Frame: frameIn(slot, state)})
		atomic.StoreUint32(status, 0)
		r.next = (r.next + 1) % ringSlots
	}
}

// skip passes over the frames that have left since the last call.
func (r *ring) skip() {
	for {
		status := (*uint32)(unsafe.Pointer(&r.memory[r.next*ringSlot]))
		if atomic.LoadUint32(status)&statusUser == 0 {
			return
		}
		atomic.StoreUint32(status, 0)
		r.next = (r.next + 1) % ringSlots
	}
}

// frameIn returns a copy of the frame in a slot, with the VLAN tag that the
// kernel keeps beside it.
func frameIn(slot []byte, state uint32) []byte {
	start := int(binary.NativeEndian.Uint16(slot[slotMAC:]))
	length := int(binary.NativeEndian.Uint32(slot[slotSnaplen:]))
	body := slot[start:min(start+length, len(slot))]
	if state&statusVLAN == 0 || len(body) < vlanAddress {
		return append([]byte(nil), body...)
	}
	frame := make([]byte, 0, len(body)+4)
	frame = append(frame, body[:vlanAddress]...)
	frame = binary.BigEndian.AppendUint16(frame, binary.NativeEndian.Uint16(slot[slotTPID:]))
	frame = binary.BigEndian.AppendUint16(frame, binary.NativeEndian.Uint16(slot[slotVLAN:]))
	return append(frame, body[vlanAddress:]...)
}
