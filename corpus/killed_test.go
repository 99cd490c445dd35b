package corpus_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/corpustest"
)

const killEnv = "CTDIFF_TEST_CAMPAIGN"

// TestKilled kills a process that writes, many times, and finds everything
// whole that it said it had written.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(killEnv); dir != "" {
		write(dir)
	}
	dir, w := create(t)
	must(t, w.Close())
	said := 0
	for round := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s", killEnv, dir))
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for n := 0; n < 5+3*round && lines.Scan(); n++ {
			said++
		}
		must(t, cmd.Process.Kill())
		for lines.Scan() {
			said++
		}
		_ = cmd.Wait()
	}
	// What a killed writer leaves is removed by the next.
	must(t, os.Mkdir(filepath.Join(dir, "findings", ".ctdiff-tmp-0"), 0o777))
	w = open(t, dir)
	_, err := w.Record(corpustest.Findings()[0])
	must(t, err)
	if left, _ := filepath.Glob(filepath.Join(dir, "findings", ".*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	c := read(t, dir)
	if len(c.Faults) > 0 {
		t.Error(c.Faults)
	}
	if len(c.Findings)-1 < said {
		t.Errorf("%d findings, and %d were said to be kept", len(c.Findings)-1, said)
	}
	for _, f := range c.Findings {
		if _, err := corpus.ReadFinding(f.Dir); err != nil {
			t.Error(err)
		}
		if f.Count != 1 {
			t.Errorf("%s counted %d times", f.Signature, f.Count)
		}
	}
}

// write writes until it is killed, and says so of each finding.
func write(dir string) {
	w, err := corpus.Open(dir)
	if err != nil {
		panic(err)
	}
	f := corpustest.Findings()[0]
	for i := 0; ; i++ {
		f.Signature = fmt.Sprintf("%d of %d", i, os.Getpid())
		if err := w.Seen(f.Signature, f.Status, 1); err != nil {
			panic(err)
		}
		if _, err := w.Record(f); err != nil {
			panic(err)
		}
		fmt.Println(f.Signature)
	}
}

// A directory that another process is writing is left alone.
func TestTemporaryOfOther(t *testing.T) {
	dir, w := create(t)
	other := filepath.Join(dir, "findings", ".ctdiff-tmp-1")
	must(t, os.Mkdir(other, 0o777))
	lock := exec.Command("flock", other, "cat")
	in, err := lock.StdinPipe()
	must(t, err)
	out, err := lock.StdoutPipe()
	must(t, err)
	must(t, lock.Start())
	fmt.Fprintln(in, "locked")
	_, err = bufio.NewReader(out).ReadString('\n')
	must(t, err)
	_, err = w.Record(corpustest.Findings()[0])
	must(t, err)
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
	must(t, in.Close())
	must(t, lock.Wait())
	_, err = w.Record(corpustest.Findings()[1])
	must(t, err)
	if _, err := os.Stat(other); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the other's directory is still there: %v", err)
	}
}
