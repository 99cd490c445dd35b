package labtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ctdiff/ctdiff/replay/lab/labtest"
)

// TestOtherModule fuzzes another team's rules from a module of their own, as
// testdata/team has it, on a kernel with the founding bug.
func TestOtherModule(t *testing.T) {
	labtest.Image(t, "debian-11")
	ours, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/team")); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "mod", "init", "example.com/team")
	run(t, dir, "mod", "edit", "-require=github.com/ctdiff/ctdiff@v0.0.0", "-replace=github.com/ctdiff/ctdiff="+ours)
	run(t, dir, "mod", "tidy")
	out, err := goCommand(dir, "test", "-run=^$", "-fuzz=FuzzRules", "-fuzztime=60s", "-fuzzminimizetime=1x").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "diverge  system~tc/ct_state/recirc1/") {
		t.Errorf("go test -fuzz: %v\n%s", err, out)
	}
	inputs, err := filepath.Glob(filepath.Join(dir, "testdata/fuzz/FuzzRules/*"))
	if err != nil || len(inputs) != 1 {
		t.Errorf("%d inputs kept, want the one that failed (%v)", len(inputs), err)
	}
}

func goCommand(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "CTDIFF_PROFILE=debian-11")
	return cmd
}

func run(t *testing.T, dir string, args ...string) {
	t.Helper()
	if out, err := goCommand(dir, args...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
