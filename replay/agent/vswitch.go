package agent

import (
	"bytes"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay/wire"
)

const (
	schemaFile   = "/usr/share/openvswitch/vswitch.ovsschema"
	databaseFile = "/run/openvswitch/conf.db"
	databaseSock = "/run/openvswitch/db.sock"
)

// startDeadline bounds the start of OVS, in the guest's time.
const startDeadline = 60 * time.Second

// startSwitch starts ovsdb-server on a database that already says what is
// wanted, and ovs-vswitchd, and waits until all ports are there. It returns
// OVS's version and the process ID of ovs-vswitchd.
func startSwitch(boot *wire.Boot, bridges ...bridge) (version string, pid int, err error) {
	if err := os.MkdirAll("/run/openvswitch", 0o755); err != nil {
		return "", 0, err
	}
	if err := writeDatabase(boot, bridges); err != nil {
		return "", 0, err
	}
	server, err := startDaemon("ovsdb-server", databaseFile, "--remote=punix:"+databaseSock, "--unixctl=/run/openvswitch/ovsdb.ctl")
	if err != nil {
		return "", 0, err
	}
	if err := await(server, "ovsdb-server", func() bool { return exists(databaseSock) }); err != nil {
		return "", 0, err
	}
	if err := ageClock(boot.Interactive); err != nil {
		return "", 0, err
	}
	vswitchd, err := startDaemon("ovs-vswitchd", "unix:"+databaseSock, "--pidfile")
	if err != nil {
		return "", 0, err
	}
	controlSock = fmt.Sprintf("/run/openvswitch/ovs-vswitchd.%d.ctl", vswitchd.Process.Pid)
	// Every thread that it makes inherits this: see bridge.send.
	if err := unix.SchedSetAttr(vswitchd.Process.Pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 10}, 0); err != nil {
		return "", 0, fmt.Errorf("make ovs-vswitchd a real-time process: %w", err)
	}
	ready := func() bool {
		shown, err := control("dpif/show")
		if err != nil {
			return false
		}
		for _, b := range bridges {
			for i := range b.taps {
				if !strings.Contains(shown, fmt.Sprintf("%s %d/", b.portName(i), i+1)) {
					return false
				}
			}
		}
		return true
	}
	if err := await(vswitchd, "ovs-vswitchd", ready); err != nil {
		return "", 0, err
	}
	version, err = switchVersion()
	return version, vswitchd.Process.Pid, err
}

// ageClock waits until the guest has been up for more than 10 s: OVS 3.1
// counts no processors before, and starts no handler for upcalls (fixed in
// OVS 3.2 by b354cee2e). Virtual time passes them at once; in real time it is
// asked first whether that is needed.
func ageClock(realTime bool) error {
	if realTime {
		path, err := lookPath("ovs-vswitchd")
		if err != nil {
			return err
		}
		cmd := exec.Cmd{Path: path, Args: []string{"ovs-vswitchd", "--version"}, Env: environment()}
		text, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("version of ovs-vswitchd: %w", err)
		}
		if !strings.HasPrefix(versionPattern.FindString(string(text)), "3.1.") {
			return nil
		}
	}
	return sleepUntil(11 * time.Second)
}

// startDaemon starts an OVS daemon in the foreground, wherever its package
// keeps it: Debian 11 has ovs-vswitchd and its libraries in a directory of
// their own.
func startDaemon(name string, args ...string) (*exec.Cmd, error) {
	path, err := lookPath(name)
	if err != nil {
		return nil, err
	}
	args = append(args, "--no-chdir", "-vconsole:err", "-vsyslog:off", "-vfile:off")
	cmd := exec.Command(path, args...)
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return cmd, nil
}

var programDirs = []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/lib/openvswitch-common", "/usr/lib/openvswitch-switch", "/usr/local/sbin", "/usr/local/bin"}

// lookPath returns the path of a program in the OVS root.
func lookPath(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	for _, dir := range programDirs {
		if path := filepath.Join(dir, name); exists(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not in the OVS root", name)
}

// environment is that of every process in the guest.
func environment() []string {
	return []string{
		"PATH=" + strings.Join(programDirs, ":"),
		"LD_LIBRARY_PATH=/usr/lib/openvswitch-common",
		"OVS_RUNDIR=/run/openvswitch",
		"OVS_DBDIR=/run/openvswitch",
		"OVS_LOGDIR=/run/openvswitch",
		"OVS_SYSCONFDIR=/run",
		"HOME=/run",
		"TERM=linux",
		// One heap for all threads: an arena for each costs a guest megabytes.
		"MALLOC_ARENA_MAX=1",
		// Memory that is given back has to be faulted in again, which is slow
		// in User-Mode Linux.
		"MALLOC_TRIM_THRESHOLD_=67108864",
		"MALLOC_MMAP_THRESHOLD_=67108864",
		"MALLOC_TOP_PAD_=262144",
	}
}

// await polls until ready returns true or the daemon ends.
func await(daemon *exec.Cmd, name string, ready func() bool) error {
	for start := time.Now(); time.Since(start) < startDeadline; time.Sleep(2 * time.Millisecond) {
		if ready() {
			return nil
		}
		var status unix.WaitStatus
		if pid, _ := unix.Wait4(daemon.Process.Pid, &status, unix.WNOHANG, nil); pid == daemon.Process.Pid {
			return fmt.Errorf("%s ended while it started: status %#x", name, status)
		}
	}
	return fmt.Errorf("%s: not ready after %v", name, startDeadline)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// writeDatabase writes a database in the form of ovsdb(5), "File Format":
// one record with the schema, one with the transaction that configures the
// bridges, so that neither ovsdb-tool nor ovs-vsctl has to run.
func writeDatabase(boot *wire.Boot, bridges []bridge) error {
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		return fmt.Errorf("OVS's schema: %w", err)
	}
	var schema bytes.Buffer
	if err := json.Compact(&schema, text); err != nil {
		return fmt.Errorf("%s: %w", schemaFile, err)
	}
	transaction, err := json.Marshal(configuration(boot, bridges))
	if err != nil {
		return err
	}
	var file bytes.Buffer
	for _, record := range [][]byte{schema.Bytes(), transaction} {
		record = append(record, '\n')
		fmt.Fprintf(&file, "OVSDB JSON %d %x\n", len(record), sha1.Sum(record))
		file.Write(record)
	}
	return os.WriteFile(databaseFile, file.Bytes(), 0o644)
}

type row map[string]any

// configuration is the transaction record: table → row's UUID → columns.
func configuration(boot *wire.Boot, bridges []bridge) map[string]any {
	uuids := 0
	uuid := func() string {
		uuids++
		return fmt.Sprintf("00000000-0000-4000-8000-%012d", uuids)
	}
	ref := func(id string) []any { return []any{"uuid", id} }
	set := func(of []any) []any { return []any{"set", of} }
	bridgeRows, portRows, interfaceRows := row{}, row{}, row{}
	port := func(name string, columns row) []any {
		i, p := uuid(), uuid()
		columns["name"] = name
		interfaceRows[i] = columns
		portRows[p] = row{"name": name, "interfaces": ref(i)}
		return ref(p)
	}
	var bridgeRefs []any
	for _, b := range bridges {
		ports := []any{port(b.name, row{"type": "internal"})}
		for i := range b.taps {
			ports = append(ports, port(b.portName(i), row{"ofport_request": i + 1}))
		}
		id := uuid()
		// A fail-mode of "secure" leaves the flow table to us.
		bridgeRows[id] = row{"name": b.name, "ports": set(ports), "fail_mode": "secure"}
		bridgeRefs = append(bridgeRefs, ref(id))
	}
	config := []any{
		[]any{"hw-offload", fmt.Sprint(boot.Offload)},
		[]any{"n-handler-threads", "1"},
		[]any{"n-revalidator-threads", "1"},
	}
	return map[string]any{
		"Open_vSwitch": row{uuid(): row{"bridges": set(bridgeRefs), "other_config": []any{"map", config}}},
		"Bridge":       bridgeRows,
		"Port":         portRows,
		"Interface":    interfaceRows,
	}
}

var versionPattern = regexp.MustCompile(`\d+\.\d+[.\d]*`)

func switchVersion() (string, error) {
	text, err := control("version")
	if err != nil {
		return "", fmt.Errorf("version of ovs-vswitchd: %w", err)
	}
	if version := versionPattern.FindString(text); version != "" {
		return version, nil
	}
	return "", errors.New("version of ovs-vswitchd: none in " + text)
}
