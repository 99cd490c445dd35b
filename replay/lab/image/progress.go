package image

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress is told how a build gets on. Its methods are called by one
// goroutine at a time.
type Progress interface {
	// Step says that a step begins, and that the one before has ended.
	Step(name string)
	// Advance says how much of the whole build is done, 0 to 1.
	Advance(done float64)
	// Note has something to say that is no step.
	Note(text string)
	// Close ends it, after a build that failed as well.
	Close()
}

// NewProgress returns a bar with the step and the time left if w is a
// terminal, else one line per step with the time it took.
func NewProgress(w io.Writer) Progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return newBar(w)
	}
	return &lines{w: w}
}

// barSteps is how finely the bar moves.
const barSteps = 1000

type bar struct {
	w   io.Writer
	bar *progressbar.ProgressBar
}

func newBar(w io.Writer) *bar {
	return &bar{w: w, bar: progressbar.NewOptions(barSteps,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

func (b *bar) Step(name string)     { b.bar.Describe(name) }
func (b *bar) Advance(done float64) { _ = b.bar.Set(int(done * (barSteps - 1))) }

func (b *bar) Note(text string) {
	_ = b.bar.Clear()
	fmt.Fprintln(b.w, text)
}

func (b *bar) Close() { _ = b.bar.Finish() }

type lines struct {
	w     io.Writer
	step  string
	since time.Time
}

func (l *lines) Step(name string) {
	l.end()
	l.step, l.since = name, time.Now()
}

func (l *lines) end() {
	if l.step != "" {
		fmt.Fprintf(l.w, "%s: %v\n", l.step, time.Since(l.since).Round(100*time.Millisecond))
	}
	l.step = ""
}

func (l *lines) Advance(float64)  {}
func (l *lines) Note(text string) { fmt.Fprintln(l.w, text) }
func (l *lines) Close()           { l.end() }

type silent struct{}

func (silent) Step(string)     {}
func (silent) Advance(float64) {}
func (silent) Note(string)     {}
func (silent) Close()          {}
