package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ctdiff/ctdiff/replay/lab/image"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ctdiff": main})
}

// TestScript runs the scripts, each of which specifies one behaviour. They have
// the commands
//
//	exits CODE CMD [ARG]...       exec, which must end with the code
//	json PATH VALUE               a value in the last output, such as bridges.0.name
//	signal NAME [GUESTS [DELAY]]  sends a signal to what runs in the background, once it has so many guests (2)
//	                              and the delay has passed
//	killguest [GUESTS [DELAY]]    kills one guest of what runs in the background, likewise
//	ended CODE                    after wait: what ran in the background ended with the code, -1 for a signal that
//	                              it does not catch, and its guests are gone
//
// and the conditions [lab] and [lab:PROFILE]: what guests boot from is built.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "json": jsonValue, "signal": signalCommand, "killguest": killGuest, "ended": ended,
		},
	})
}

// setup lets scripts find the lab, and the Go toolchain its cache: the guests'
// agent is built with it.
func setup(env *testscript.Env) error {
	for _, name := range []string{"HOME", image.CacheEnv, "XDG_CACHE_HOME", "GOCACHE", "GOPATH", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN"} {
		if value := os.Getenv(name); value != "" {
			env.Setenv(name, value)
		}
	}
	env.Values[backgroundKey{}] = &background{}
	return nil
}

// requireEnv makes a missing lab a failure.
const requireEnv = "CTDIFF_REQUIRE_LAB"

func condition(cond string) (bool, error) {
	name, profile, given := strings.Cut(cond, ":")
	if name != "lab" {
		return false, fmt.Errorf("no such condition: %s", cond)
	}
	if !given {
		profile = defaultProfile
	}
	_, err := image.Find(image.Spec{Profile: profile})
	if errors.Is(err, image.ErrNotBuilt) && os.Getenv(requireEnv) != "1" {
		return false, nil
	}
	return err == nil, err
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE CMD [ARG]...")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, not %s", code, args[0])
	}
}

func jsonValue(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &value))
	for key := range strings.SplitSeq(args[0], ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			n, err := strconv.Atoi(key)
			if err != nil || n >= len(v) {
				ts.Fatalf("%s: %q is no place in a list of %d", args[0], key, len(v))
			}
			value = v[n]
		default:
			ts.Fatalf("%s: no %q in %v", args[0], key, v)
		}
	}
	if (fmt.Sprint(value) == args[1]) == neg {
		ts.Fatalf("%s is %v", args[0], value)
	}
}

// background is what runs in the background of a script, and its guests, by
// their process groups.
type background struct {
	cmd    *exec.Cmd
	guests []int
}

type backgroundKey struct{}

func backgroundOf(ts *testscript.TestScript) *background {
	return ts.Value(backgroundKey{}).(*background)
}

// await waits until the last command in the background has the number of
// guests that the first argument says, by default 2, and then for the time
// that the second says.
func (b *background) await(ts *testscript.TestScript, args []string) {
	guests, delay := 2, time.Duration(0)
	var err error
	if len(args) > 0 {
		guests, err = strconv.Atoi(args[0])
		ts.Check(err)
	}
	if len(args) > 1 {
		delay, err = time.ParseDuration(args[1])
		ts.Check(err)
	}
	cmds := ts.BackgroundCmds()
	if len(cmds) == 0 {
		ts.Fatalf("nothing runs in the background")
	}
	b.cmd = cmds[len(cmds)-1]
	for deadline := time.Now().Add(time.Minute); !b.has(guests); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%d guests after a minute, not %d", len(b.guests), guests)
		}
	}
	time.Sleep(delay)
	b.has(guests)
}

// has looks for guests, and reports whether there are so many. The fuzzer, which
// has a group of processes as they do, is one too.
func (b *background) has(guests int) bool {
	b.guests = nil
	list := processes()
	parents := map[int]int{}
	for _, p := range list {
		parents[p.id] = p.parent
	}
	for _, p := range list {
		above := p.parent
		for above > 1 && above != b.cmd.Process.Pid {
			above = parents[above]
		}
		if above == b.cmd.Process.Pid && p.group == p.id {
			b.guests = append(b.guests, p.group)
		}
	}
	return len(b.guests) >= guests
}

func signalCommand(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}
	if neg || len(args) == 0 || len(args) > 3 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal INT|TERM|HUP|KILL [GUESTS [DELAY]]")
	}
	b := backgroundOf(ts)
	b.await(ts, args[1:])
	ts.Check(b.cmd.Process.Signal(signals[args[0]]))
}

func killGuest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 2 {
		ts.Fatalf("usage: killguest [GUESTS [DELAY]]")
	}
	b := backgroundOf(ts)
	b.await(ts, args)
	ts.Check(syscall.Kill(b.guests[0], syscall.SIGKILL))
}

func ended(ts *testscript.TestScript, neg bool, args []string) {
	b := backgroundOf(ts)
	if neg || len(args) != 1 || b.cmd == nil {
		ts.Fatalf("usage, after signal or killguest, and wait: ended CODE")
	}
	if code := b.cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, not %s", code, args[0])
	}
	// A program that was killed cannot wait for its guests, so allow a moment.
	for deadline := time.Now().Add(time.Second); ; time.Sleep(5 * time.Millisecond) {
		left := slices.DeleteFunc(processes(), func(p process) bool { return !slices.Contains(b.guests, p.group) })
		if len(left) == 0 {
			return
		}
		if args[0] != "-1" || time.Now().After(deadline) {
			ts.Fatalf("processes of guests are left: %v", left)
		}
	}
}

type process struct{ id, parent, group int }

// processes returns those that run; of a process that ends meanwhile nothing
// can be read.
func processes() []process {
	var list []process
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// The name, in brackets, may have blanks and brackets itself.
		after := string(text[bytes.LastIndexByte(text, ')')+1:])
		var p process
		var state string
		if n, _ := fmt.Sscan(after, &state, &p.parent, &p.group); n < 3 || state == "Z" {
			continue
		}
		p.id, _ = strconv.Atoi(filepath.Base(filepath.Dir(file)))
		list = append(list, p)
	}
	return list
}
