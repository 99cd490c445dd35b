package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/cavaliergopher/cpio"

	"github.com/ctdiff/ctdiff/replay/agent"
	"github.com/ctdiff/ctdiff/replay/lab/image"
)

const agentPackage = "github.com/ctdiff/ctdiff/cmd/ctdiff-agent"

// Prepare builds the guests' agent unless that is done: some seconds, which
// [Open] would take otherwise.
func Prepare(ctx context.Context) error {
	_, err := initrd(ctx)
	return err
}

// initrd returns the archive with the agent of this build, which it makes with
// the Go toolchain unless the cache has it: some seconds. Two that make it at
// once make the same.
func initrd(ctx context.Context) (string, error) {
	cache, err := image.DefaultCache()
	if err != nil {
		return "", err
	}
	path := filepath.Join(string(cache), "agent", agent.Build()+".cpio")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("keep the agent: %w", err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), tempPrefix)
	if err != nil {
		return "", fmt.Errorf("keep the guests' agent, which is not built yet: %w; build it as a user who may write there, with: ctdiff lab build", err)
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "ctdiff-agent")
	if err := buildAgent(ctx, program); err != nil {
		return "", err
	}
	text, err := os.ReadFile(program)
	if err != nil {
		return "", fmt.Errorf("keep the agent: %w", err)
	}
	var archive bytes.Buffer
	if err := writeInitrd(&archive, text); err != nil {
		return "", fmt.Errorf("pack the agent: %w", err)
	}
	packed := filepath.Join(dir, "initrd")
	if err := os.WriteFile(packed, archive.Bytes(), 0o644); err != nil {
		return "", fmt.Errorf("keep the agent: %w", err)
	}
	// What another has made meanwhile must stay: a guest that is starting may open
	// that file and no other (confine).
	if err := os.Link(packed, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("keep the agent: %w", err)
	}
	return path, removeStale(filepath.Dir(path))
}

// removeStale removes what builds of the agent that were killed have left.
func removeStale(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range left {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > time.Hour {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove what a killed build has left: %w", err)
			}
		}
	}
	return nil
}

// tempPrefix is of directories in which the agent is being built.
const tempPrefix = ".new-"

// buildAgent compiles the agent from the source that this program was compiled
// from. That is where the compiler found it, in a checkout or in the module
// cache, so that it works in the tests of any module; a program built with
// -trimpath has to be run in a module that requires this one.
func buildAgent(ctx context.Context, program string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, agentPackage)
	if _, file, _, ok := runtime.Caller(0); ok {
		if dir := filepath.Dir(file); exists(dir) {
			cmd.Dir = dir
		}
	}
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS=linux", "GOARCH=amd64", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the guests' agent: go build %s: %w\n%s", agentPackage, err, bytes.TrimSpace(out))
	}
	built, err := exec.CommandContext(ctx, program).Output()
	if err != nil {
		return fmt.Errorf("run the guests' agent: %w", err)
	}
	if got := string(bytes.TrimSpace(built)); got != agent.Build() {
		return fmt.Errorf("the agent's source is of build %s, this program of %s: build the program anew", got, agent.Build())
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// writeInitrd writes the archive from which a guest's kernel starts the agent:
// the agent, and the directory that devices are made in.
func writeInitrd(w io.Writer, agent []byte) error {
	archive := cpio.NewWriter(w)
	entries := []struct {
		name string
		mode cpio.FileMode
		body []byte
	}{
		{"dev", cpio.TypeDir | 0o755, nil},
		{"ctdiff-agent", cpio.TypeReg | 0o755, agent},
	}
	for _, e := range entries {
		if err := archive.WriteHeader(&cpio.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.body)), Links: 1}); err != nil {
			return err
		}
		if _, err := archive.Write(e.body); err != nil {
			return err
		}
	}
	return archive.Close()
}
