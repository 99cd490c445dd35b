package campaign

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ctdiff/ctdiff/corpus"
)

// A run is one of a campaign's.
type run struct {
	Options
	binary  string
	started time.Time
	writer  *corpus.Writer
	inputs  atomic.Uint64
	// restarts counts the fuzzer's.
	restarts uint64
	recent   []Status
}

// A fuzzer that ends before its time is started anew, but not if it ended so soon
// so many times in a row.
const (
	soon    = 20 * time.Second
	attempt = 3
)

// ErrFuzzer is the error of a fuzzer that ends again and again.
var ErrFuzzer = errors.New("the fuzzer ends again and again")

// all runs Go's fuzzer until the time is over, and examines what its workers saw.
func (r *run) all(ctx context.Context) error {
	ended, done := make(chan struct{}), make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { r.watch(done) })
	examined := make(chan error, 1)
	go func() { examined <- r.examine(ctx, ended) }()
	err := r.loop(ctx)
	close(ended)
	err = errors.Join(err, <-examined)
	close(done)
	watching.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s, statusErr := r.status(); err == nil && statusErr == nil && s.Traces == 0 {
		return errors.New("the time was over before a trace was replayed: see fuzz.log in the campaign's directory")
	}
	return err
}

// loop runs Go's fuzzer until the time is over.
func (r *run) loop(ctx context.Context) error {
	for early := 0; ; {
		left := r.Time - time.Since(r.started)
		if left <= 0 || ctx.Err() != nil {
			return ctx.Err()
		}
		begun := time.Now()
		words, err := r.fuzz(ctx, left)
		if ctx.Err() != nil || err == nil {
			return ctx.Err()
		}
		if time.Since(begun) > soon {
			early = 0
		}
		if early++; early == attempt {
			return fmt.Errorf("%w: %w; its last words:\n%s", ErrFuzzer, err, words)
		}
		r.restarts++
		if err := r.writer.Sample(corpus.Sample{Restarts: r.restarts}); err != nil {
			return err
		}
	}
}

// fuzz runs Go's fuzzer once, and returns the end of what it said.
func (r *run) fuzz(ctx context.Context, limit time.Duration) (words string, err error) {
	// What fails an input in a campaign is no divergence: it is kept where Go's
	// fuzzer puts it.
	dir := filepath.Join(r.Out, "failed")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("campaign: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(r.Out, "fuzz.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return "", fmt.Errorf("campaign: %w", err)
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, r.binary, "-test.run=^$", "-test.fuzz=^"+r.Target.Name+"$", "-test.timeout=0",
		"-test.fuzzcachedir="+r.Corpus, "-test.fuzztime="+limit.String(), "-test.parallel="+strconv.Itoa(r.Parallel),
		// It knows bytes, not packets: what it makes smaller is worth little.
		"-test.fuzzminimizetime=16x")
	cmd.Dir = dir
	cmd.Env = append(r.environ(), "CTDIFF_REQUIRE_LAB=1")
	// In a group of its own it is not hit by the terminal's Ctrl-C, and told by
	// us to end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 15 * time.Second
	read, write := io.Pipe()
	cmd.Stdout, cmd.Stderr = write, write
	said := make(chan string)
	go func() { said <- r.listen(io.TeeReader(read, log)) }()
	err = cmd.Run()
	write.Close()
	words = <-said
	if err != nil {
		return words, fmt.Errorf("go's fuzzer: %w", err)
	}
	return words, nil
}

var inputsWord = regexp.MustCompile(`\(total: (\d+)\)`)

// listen reads what the fuzzer says, and returns the end of it.
func (r *run) listen(from io.Reader) string {
	var last []string
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := inputsWord.FindStringSubmatch(lines.Text()); m != nil {
			if n, err := strconv.ParseUint(m[1], 10, 64); err == nil {
				r.inputs.Store(n)
			}
			continue
		}
		last = append(last, lines.Text())
		last = last[max(0, len(last)-lastLines):]
	}
	_, _ = io.Copy(io.Discard, from)
	text := ""
	for _, l := range last {
		text += l + "\n"
	}
	return text
}

const lastLines = 20

// watch tells how far the campaign has come until it has ended.
func (r *run) watch(ended <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		if r.Watch == nil {
			continue
		}
		if s, err := r.status(); err == nil {
			r.Watch(s)
		}
	}
}

// rateOver is over how many seconds the rate is.
const rateOver = 5

func (r *run) status() (Status, error) {
	c, err := corpus.Read(r.Out)
	if err != nil {
		return Status{}, err
	}
	s := Status{Seconds: c.Seconds(), Inputs: r.inputs.Load(), Signatures: map[corpus.Status]int{}}
	last := c.Last()
	s.Traces, s.Coverage, s.Restarts = last.Traces, last.Coverage, last.Restarts
	for _, sig := range c.Signatures {
		s.Signatures[sig.Status]++
	}
	r.recent = append(r.recent, s)
	r.recent = r.recent[max(0, len(r.recent)-rateOver-1):]
	if first := r.recent[0]; s.Seconds > first.Seconds {
		s.Rate = float64(s.Traces-first.Traces) / (s.Seconds - first.Seconds)
	}
	return s, nil
}
