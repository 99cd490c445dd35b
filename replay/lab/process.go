package lab

import (
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// lastPinned counts the guests, from anywhere, so that several programs do not
// all begin with the same processor.
var lastPinned = func() *atomic.Uint32 {
	var n atomic.Uint32
	n.Store(uint32(os.Getpid()))
	return &n
}()

// pin binds the calling thread, and the guest that it starts, to one of the
// processors that it may use, the next one for each guest. A guest's kernel and
// the processes it runs its own in only ever wait for each other: on two
// processors every system call in it would wake the other one.
func pin() error {
	var allowed, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return err
	}
	skip := int(lastPinned.Add(1)) % max(allowed.Count(), 1)
	for cpu := 0; ; cpu++ {
		if !allowed.IsSet(cpu) {
			continue
		}
		if skip == 0 {
			one.Set(cpu)
			return unix.SchedSetaffinity(0, &one)
		}
		skip--
	}
}

// awaitExit waits until a process has ended, and leaves it to be reaped: until
// then no other gets its number, which is that of the group. The processes that
// a guest runs its own in outlive its kernel, spin, and hold its end of the
// channel.
func awaitExit(pid int) {
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != unix.EINTR {
			return
		}
	}
}

// A guard kills a guest's process group once this program ends, however it
// does. Pdeathsig reaches the kernel alone, and not what it runs its own
// processes in.
type guard struct {
	cmd  *exec.Cmd
	pipe *os.File // the guard waits for its end
}

func startGuard(group int) (*guard, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("guard of a guest: %w", err)
	}
	defer theirs.Close()
	cmd := exec.Command("/bin/sh", "-c", "read -r x; kill -s KILL 0")
	cmd.Stdin = theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: group}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, fmt.Errorf("guard of a guest: %w", err)
	}
	return &guard{cmd: cmd, pipe: ours}, nil
}

// close is called when the group was killed, and the guard with it.
func (g *guard) close() {
	g.pipe.Close()
	_ = g.cmd.Wait()
}
