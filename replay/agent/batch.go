package agent

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of io_uring (include/uapi/linux/io_uring.h).
const (
	uringEntries   = 128
	uringOpWrite   = 23
	uringOpReceive = 27
	uringGetEvents = 1
	uringOffRing   = 0
	uringOffSQEs   = 0x10000000
	sqeSize        = 64
	cqeSize        = 16
)

type uringParams struct {
	sqEntries, cqEntries, flags, cpu, idle, features, wq uint32
	_                                                    [3]uint32
	sq                                                   struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

type operation struct {
	code uint8
	data []byte // kept, since the kernel has its address
}

// A batch is a list of writes and receipts that one system call does, in order: a
// system call of its own for each would cost more than what it does, since in
// User-Mode Linux each is two changes of context on the host. None of them may
// have to wait.
type batch struct {
	fd         int
	ring, sqes []byte
	params     uringParams
	queued     uint32
	results    [uringEntries]int32
	operations [uringEntries]operation
}

func openBatch() (*batch, error) {
	b := &batch{}
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uringEntries, uintptr(unsafe.Pointer(&b.params)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring: %w", errno)
	}
	b.fd = int(fd)
	p := &b.params
	size := max(p.sq.array+p.sqEntries*4, p.cq.cqes+p.cqEntries*cqeSize)
	var err error
	if b.ring, err = unix.Mmap(b.fd, uringOffRing, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("io_uring: rings: %w", err)
	}
	if b.sqes, err = unix.Mmap(b.fd, uringOffSQEs, int(p.sqEntries)*sqeSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("io_uring: entries: %w", err)
	}
	for i := range p.sqEntries {
		*b.word(p.sq.array + 4*i) = i
	}
	return b, nil
}

func (b *batch) word(at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&b.ring[at])) }

// room is how many operations can be added before run.
func (b *batch) room() int { return uringEntries - int(b.queued) }

func (b *batch) write(fd int, data []byte) { b.add(uringOpWrite, fd, data) }

// receive adds the receipt of a message from a socket, and returns which result is
// its length, or if there is none less than 0.
func (b *batch) receive(fd int, data []byte) (result int) {
	return b.add(uringOpReceive, fd, data)
}

func (b *batch) add(op uint8, fd int, data []byte) int {
	tail := *b.word(b.params.sq.tail) + b.queued
	i := tail & *b.word(b.params.sq.mask)
	e := b.sqes[i*sqeSize:][:sqeSize]
	clear(e)
	e[0] = op
	*(*int32)(unsafe.Pointer(&e[4])) = int32(fd)
	*(*uint64)(unsafe.Pointer(&e[16])) = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(data))))
	*(*uint32)(unsafe.Pointer(&e[24])) = uint32(len(data))
	if op == uringOpReceive {
		*(*uint32)(unsafe.Pointer(&e[28])) = unix.MSG_DONTWAIT
	}
	*(*uint64)(unsafe.Pointer(&e[32])) = uint64(b.queued)
	b.operations[b.queued] = operation{op, data}
	b.queued++
	return int(b.queued - 1)
}

// run does what was added. The error is that of a write; receipts have results.
func (b *batch) run() error {
	n := b.queued
	if n == 0 {
		return nil
	}
	b.queued = 0
	tail := b.word(b.params.sq.tail)
	atomic.StoreUint32(tail, *tail+n)
	for submitted := uint32(0); submitted < n; {
		done, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(b.fd), uintptr(n-submitted), uintptr(n-submitted), uringGetEvents, 0, 0)
		if errno != 0 && errno != unix.EINTR {
			return fmt.Errorf("io_uring: %w", errno)
		}
		if errno == 0 {
			submitted += uint32(done)
		}
	}
	return b.reap(n)
}

// reap takes the results of n operations.
func (b *batch) reap(n uint32) error {
	head := b.word(b.params.cq.head)
	var failed error
	for range n {
		if atomic.LoadUint32(b.word(b.params.cq.tail)) == *head {
			return fmt.Errorf("io_uring: fewer results than operations: one had to wait")
		}
		at := b.params.cq.cqes + (*head&*b.word(b.params.cq.mask))*cqeSize
		which := *(*uint64)(unsafe.Pointer(&b.ring[at]))
		result := *(*int32)(unsafe.Pointer(&b.ring[at+8]))
		b.results[which] = result
		atomic.StoreUint32(head, *head+1)
		if result < 0 && failed == nil && b.operations[which].code == uringOpWrite {
			failed = unix.Errno(-result)
		}
		b.operations[which] = operation{}
	}
	return failed
}
