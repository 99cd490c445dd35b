package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay/wire"
)

// exec runs a command in the guest.
func (g *guest) exec(m *wire.Exec) *wire.Executed {
	answer := &wire.Executed{Code: -1}
	if len(m.Rules) > 0 {
		err := g.given.load(m.Rules)
		if refused, ok := errors.AsType[*refusal](err); ok {
			answer.Refused = &refused.Refusal
			return answer
		}
		if err != nil {
			answer.Stderr = []byte(err.Error())
			return answer
		}
	}
	path, err := lookPath(m.Argv[0])
	if err != nil {
		answer.Stderr = []byte(err.Error())
		return answer
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Cmd{Path: path, Args: m.Argv, Env: environment(), Stdout: &stdout, Stderr: &stderr}
	err = cmd.Run()
	answer.Stdout, answer.Stderr = stdout.Bytes(), stderr.Bytes()
	var exit *exec.ExitError
	switch {
	case err == nil:
		answer.Code = 0
	case errors.As(err, &exit):
		answer.Code = exit.ExitCode()
	default:
		answer.Stderr = append(answer.Stderr, err.Error()...)
	}
	return answer
}

// died says how a process ended, if it has.
func died(pid int, name string) string {
	var status unix.WaitStatus
	if ended, _ := unix.Wait4(pid, &status, unix.WNOHANG, nil); ended != pid {
		return ""
	}
	if status.Signaled() {
		return fmt.Sprintf("%s died of signal %d (%v)", name, status.Signal(), status.Signal())
	}
	return fmt.Sprintf("%s ended with status %d", name, status.ExitStatus())
}

// shellConsole is the console that the host has connected with its terminal.
const shellConsole = "/dev/tty1"

// shell runs a shell on the console until it ends.
func shell(m *wire.Shell) *wire.Executed {
	answer := &wire.Executed{Code: -1}
	if err := runShell(m); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			answer.Stderr = []byte(err.Error())
			return answer
		}
		answer.Code = exit.ExitCode()
		return answer
	}
	answer.Code = 0
	return answer
}

func runShell(m *wire.Shell) error {
	path, err := lookPath("sh")
	if err != nil {
		return err
	}
	console, err := os.OpenFile(shellConsole, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer console.Close()
	cmd := exec.Cmd{
		Path: path, Args: []string{"sh", "-i"}, Dir: "/run",
		Env:   append(environment(), "PS1="+m.Prompt),
		Stdin: console, Stdout: console, Stderr: console,
		// A session of its own, so that Ctrl-C reaches what runs in it.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true},
	}
	return cmd.Run()
}
