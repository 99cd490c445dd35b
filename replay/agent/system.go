package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newRoot is where the agent puts the root together that it then lives in.
const newRoot = "/root"

// mountAll makes the file system tree: the OVS root from the host, read-only
// and piece by piece, so that it need not have any mount points of ours, with
// everything that is written to in memory.
func mountAll() error {
	for _, dir := range []string{"/host", newRoot} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	// The host path is empty: hostfs= on the kernel's command line has put
	// the whole of hostfs under the OVS root.
	if err := unix.Mount("none", "/host", "hostfs", unix.MS_RDONLY, "/"); err != nil {
		return fmt.Errorf("mount the OVS root: %w", err)
	}
	if err := unix.Mount("tmpfs", newRoot, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", newRoot, err)
	}
	if err := borrow("/host"); err != nil {
		return err
	}
	mounts := []struct {
		dir, kind string
		required  bool
	}{
		{"proc", "proc", true},
		{"sys", "sysfs", true},
		{"dev", "devtmpfs", true},
		{"run", "tmpfs", true},
		{"tmp", "tmpfs", true},
		{"dev/pts", "devpts", false},
		{"sys/kernel/debug", "debugfs", false},
	}
	for _, m := range mounts {
		dir := filepath.Join(newRoot, m.dir)
		if err := os.MkdirAll(dir, 0o755); err != nil && m.required {
			return err
		}
		if err := unix.Mount(m.kind, dir, m.kind, 0, ""); err != nil && m.required {
			return fmt.Errorf("mount /%s: %w", m.dir, err)
		}
	}
	if err := unix.Chroot(newRoot); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	return os.Chdir("/")
}

// borrow makes the top of the host's tree visible in newRoot.
func borrow(host string) error {
	entries, err := os.ReadDir(host)
	if err != nil {
		return fmt.Errorf("read the OVS root: %w", err)
	}
	for _, e := range entries {
		from, to := filepath.Join(host, e.Name()), filepath.Join(newRoot, e.Name())
		switch {
		case e.Type()&os.ModeSymlink != 0:
			target, err := os.Readlink(from)
			if err != nil {
				return err
			}
			if err := os.Symlink(target, to); err != nil {
				return err
			}
		case e.IsDir():
			if err := os.Mkdir(to, 0o755); err != nil {
				return err
			}
			if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("bind %s: %w", to, err)
			}
		}
	}
	return nil
}

// addEntropy credits seed to the random number generator: getrandom blocks
// until there is enough, and a guest has no other source.
func addEntropy(seed []byte) error {
	f, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info := make([]byte, 8+len(seed))
	*(*int32)(unsafe.Pointer(&info[0])) = int32(8 * len(seed))
	*(*int32)(unsafe.Pointer(&info[4])) = int32(len(seed))
	copy(info[8:], seed)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&info[0])))
	if errno != 0 {
		return fmt.Errorf("seed the random number generator: %w", errno)
	}
	return nil
}

// quietNetwork turns off everything that sends packets of its own accord on
// interfaces still to come, and what would bound virtual time or real-time
// threads.
func quietNetwork() error {
	settings := []struct{ name, value string }{
		// No addresses, so no router solicitations, no duplicate address
		// detection, no multicast listener reports.
		{"net/ipv6/conf/all/disable_ipv6", "1"},
		{"net/ipv6/conf/default/disable_ipv6", "1"},
		// Real-time threads may take the processor for as long as they want.
		{"kernel/sched_rt_runtime_us", "-1"},
	}
	for _, s := range settings {
		if err := os.WriteFile("/proc/sys/"+s.name, []byte(s.value), 0); err != nil {
			return err
		}
	}
	return nil
}

func kernelRelease() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "", fmt.Errorf("kernel release: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// A kernelLog reads the kernel's log.
type kernelLog struct{ fd int }

// openKernelLog returns the kernel log from here on.
func openKernelLog() (*kernelLog, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/kmsg: %w", err)
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		return nil, fmt.Errorf("seek /dev/kmsg: %w", err)
	}
	return &kernelLog{fd: fd}, nil
}

// logWarning is the level of a warning (include/linux/kern_levels.h); smaller
// is worse.
const logWarning = 4

// read returns the text of the records since the last call that are warnings
// or worse.
func (l *kernelLog) read() []string {
	var lines []string
	buf := make([]byte, 8192)
	for {
		n, err := unix.Read(l.fd, buf)
		if errors.Is(err, unix.EPIPE) { // records were overwritten: go on with the next
			continue
		}
		if err != nil || n <= 0 {
			return lines
		}
		// "level,sequence,time,flags;text\n" and lines of details
		// (Documentation/ABI/testing/dev-kmsg).
		head, text, _ := strings.Cut(string(buf[:n]), ";")
		var level int
		if _, err := fmt.Sscanf(head, "%d,", &level); err != nil || level&7 > logWarning {
			continue
		}
		text, _, _ = strings.Cut(text, "\n")
		lines = append(lines, text)
	}
}
