package main

import (
	"fmt"
	"os"
	"time"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/fuzz/campaign"
)

// A statusLine shows how far a campaign has come: in one line that changes, or
// where there is no terminal, in a line now and then.
type statusLine struct {
	terminalLine
	shown bool
	last  time.Time
}

// linesEvery is how often a line is written where there is no terminal.
const linesEvery = 10 * time.Second

func newStatusLine(out *os.File) *statusLine {
	return &statusLine{terminalLine: newTerminalLine(out), last: time.Now()}
}

func (l *statusLine) update(s campaign.Status) {
	text := fmt.Sprintf("%s  %d traces, %.0f/s  %d places in the kernels  %d inputs  %d new, %d known, %d inconclusive  %s",
		time.Duration(s.Seconds*float64(time.Second)).Round(time.Second), s.Traces, s.Rate, s.Coverage, s.Inputs,
		s.Signatures[corpus.New], s.Signatures[corpus.Known], s.Signatures[corpus.Inconclusive], counted(s.Restarts, "restart"))
	if !l.terminal {
		if time.Since(l.last) >= linesEvery {
			l.last = time.Now()
			fmt.Fprintln(l.out, text)
		}
		return
	}
	l.tell(text)
	l.shown = true
}

// end leaves the line as it is.
func (l *statusLine) end() {
	if l.shown {
		fmt.Fprintln(l.out)
	}
}
