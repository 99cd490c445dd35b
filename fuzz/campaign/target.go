package campaign

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A Target is a native fuzz target of package labtest.
type Target struct {
	// Package is the package's path, or a directory such as "./rules", as the
	// go command takes it.
	Package string
	// Name is the function's: "FuzzICMPv6".
	Name string
	// dir is where the go command is run.
	dir string
}

// Own returns the target that ctdiff has itself, from the source that this program
// was compiled from.
func Own() Target {
	t := Target{Package: "github.com/ctdiff/ctdiff/fuzz", Name: "FuzzICMPv6"}
	if _, file, _, ok := runtime.Caller(0); ok {
		if dir := filepath.Dir(filepath.Dir(filepath.Dir(file))); exists(dir) {
			t.dir = dir
		}
	}
	return t
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// binaryName is that of the test binary in a campaign's directory, while it runs.
const binaryName = ".fuzz.test"

// counted returns the packages whose code Go's fuzzer is led by: what hands on what
// was seen in the lab, or, where that does not lead, the grammar. With both, it keeps
// as many inputs again that are new to the grammar and nothing new to the kernels
// (docs/guidance.md). go test -fuzz takes all packages, the standard library too, in
// which much depends on time; and it looks at each counter for each input.
func counted(c Coverage) string {
	if c == CoverageGuide {
		return "github.com/ctdiff/ctdiff/fuzz/feedback"
	}
	return "github.com/ctdiff/ctdiff/fuzz"
}

// build compiles the test binary.
func (t Target) build(ctx context.Context, dir string, c Coverage) (string, error) {
	path := filepath.Join(dir, binaryName)
	_, err := t.goCommand(ctx, "test", "-c", "-o", path, "-gcflags="+counted(c)+"=-d=libfuzzer", t.Package)
	return path, err
}

func (t Target) goCommand(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

// Check returns an error if there is no such target.
func (t Target) Check(ctx context.Context) error {
	list, err := t.goCommand(ctx, "test", "-list", "^"+t.Name+"$", t.Package)
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Split(list, "\n"), t.Name) {
		return fmt.Errorf("package %s has no fuzz target %s", t.Package, t.Name)
	}
	return nil
}

// cache returns the directory where go test -fuzz keeps inputs of the package's
// targets (cmd/go, test.go: fuzz in the build cache).
func (t Target) cache() (string, error) {
	ctx := context.Background()
	root, err := t.goCommand(ctx, "env", "GOCACHE")
	if err != nil {
		return "", err
	}
	path, err := t.goCommand(ctx, "list", t.Package)
	return filepath.Join(root, "fuzz", path), err
}

// seed copies the inputs of the package's testdata/fuzz, with which go test -fuzz
// begins, to those that the campaign begins with.
func (t Target) seed(ctx context.Context, inputs string) error {
	dir, err := t.goCommand(ctx, "list", "-f", "{{.Dir}}", t.Package)
	if err != nil {
		return err
	}
	seeds, err := filepath.Glob(filepath.Join(dir, "testdata/fuzz", t.Name, "*"))
	if err != nil {
		return err
	}
	for _, from := range seeds {
		to := filepath.Join(inputs, filepath.Base(from))
		if exists(to) {
			continue
		}
		content, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, content, 0o666)
		}
		if err != nil {
			return fmt.Errorf("seeds of %s: %w", t.Name, err)
		}
	}
	return nil
}
