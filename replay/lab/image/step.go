package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// A plan is the steps of one build, with what share of its time each takes.
type plan struct {
	cache    Cache
	progress Progress
	total    float64 // seconds, of all steps
	done     float64 // seconds, of the steps that have ended
}

// A step is one step of a plan while it runs. Its methods may be called by
// several goroutines.
type step struct {
	plan    *plan
	name    string
	seconds float64
	log     *os.File

	mu   sync.Mutex
	tail []string
	full bool // something ran out of disk space
}

// A task is a step to be done.
type task struct {
	name string // what it does, such as "compile the kernel"
	log  string // the log's name
	// seconds is about how long it takes on two processors. Only the ratios
	// matter: they move the bar.
	seconds float64
	do      func(context.Context, *step) error
}

// run does the tasks one after the other.
func (p *plan) run(ctx context.Context, name string, tasks ...task) error {
	for _, t := range tasks {
		if err := p.step(ctx, name, t); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) step(ctx context.Context, name string, t task) error {
	if err := ctx.Err(); err != nil {
		return stopped(ctx)
	}
	log := p.cache.path("logs", name+"-"+t.log+".log")
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return p.cache.full(err)
	}
	f, err := os.Create(log)
	if err != nil {
		return p.cache.full(fmt.Errorf("log of a step: %w", err))
	}
	defer f.Close()
	s := &step{plan: p, name: name + ": " + t.name, seconds: t.seconds, log: f}
	p.progress.Step(s.name)
	err = t.do(ctx, s)
	p.done += t.seconds
	p.progress.Advance(p.done / p.total)
	return s.explain(ctx, err)
}

// explain gives a step's error what one needs to mend it.
func (s *step) explain(ctx context.Context, err error) error {
	var release *ReleaseError
	var missing *MissingOptionError
	var input *InputError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", s.name, stopped(ctx))
	case s.full || errors.Is(err, syscall.ENOSPC):
		return s.plan.cache.full(syscall.ENOSPC)
	case errors.As(err, &release), errors.As(err, &missing), errors.As(err, &input):
		return err
	}
	return &StepError{Step: s.name, Log: s.log.Name(), Tail: s.tail, Err: err}
}

// print writes a line to the step's log.
func (s *step) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(text, "No space left on device") {
		s.full = true
	}
	if s.tail = append(s.tail, text); len(s.tail) > tailLines {
		s.tail = s.tail[1:]
	}
	if _, err := fmt.Fprintln(s.log, text); errors.Is(err, syscall.ENOSPC) {
		s.full = true
	}
}

// advance says how much of the step is done, 0 to 1.
func (s *step) advance(done float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan.progress.Advance((s.plan.done + min(done, 1)*s.seconds) / s.plan.total)
}
