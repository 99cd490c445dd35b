package agent

import (
	"bytes"
	"errors"
	"os/exec"

	"github.com/ctdiff/ctdiff/replay/wire"
)

// exec runs a command in the guest.
func (g *guest) exec(m *wire.Exec) *wire.Executed {
	answer := &wire.Executed{Code: -1}
	if len(m.Rules) > 0 {
		if err := g.given.load(m.Rules); err != nil {
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
