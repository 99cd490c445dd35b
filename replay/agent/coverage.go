package agent

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of /sys/kernel/debug/kcov (include/uapi/linux/kcov.h), and how many
// program counters it has room for. A packet that loops covers some ten thousand.
const (
	kcovInitTrace = 0x80086301
	kcovEnable    = 0x6364
	kcovTracePC   = 0
	kcovWords     = 1 << 16
)

// Text addresses of a User-Mode Linux kernel, and how near two of those that it
// records can be: they follow a call, which has two bytes where its target is in a
// register.
const (
	textStart = 0x60000000
	textSize  = 32 << 20
	pcShift   = 1
)

// A recorder records which code of the kernel the calling thread runs, of the
// objects that are built for it. Packets put into a TAP device run there.
type recorder struct {
	words []uint64 // the number of counters, then these
	// listed says by place in the text what is in the list, places where.
	listed []bool
	places []uint32
}

// record starts recording. It takes no system call any more to read what was
// recorded, so that there is no need to stop.
func record() (*recorder, error) {
	fd, err := unix.Open("/sys/kernel/debug/kcov", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("kernel coverage: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), kcovInitTrace, kcovWords); errno != 0 {
		return nil, fmt.Errorf("kernel coverage: size: %w", errno)
	}
	memory, err := unix.Mmap(fd, 0, kcovWords*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("kernel coverage: map: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), kcovEnable, kcovTracePC); errno != 0 {
		return nil, fmt.Errorf("kernel coverage: enable: %w", errno)
	}
	words := unsafe.Slice((*uint64)(unsafe.Pointer(&memory[0])), kcovWords)
	return &recorder{words: words, listed: make([]bool, textSize>>pcShift)}, nil
}

// begin forgets what was recorded.
func (r *recorder) begin() { atomic.StoreUint64(&r.words[0], 0) }

// newList has add append counters that it has appended to earlier lists.
func (r *recorder) newList() {
	for _, at := range r.places {
		r.listed[at] = false
	}
	r.places = r.places[:0]
}

// add appends to a list what was recorded since begin and is not in it yet, as
// 32 bits each, lowest byte first.
func (r *recorder) add(list []byte) []byte {
	n := min(atomic.LoadUint64(&r.words[0]), kcovWords-1)
	for _, pc := range r.words[1 : 1+n] {
		at := (pc - textStart) >> pcShift
		if at >= uint64(len(r.listed)) || r.listed[at] {
			continue
		}
		r.listed[at] = true
		r.places = append(r.places, uint32(at))
		list = binary.LittleEndian.AppendUint32(list, uint32(pc))
	}
	return list
}
