package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// width returns the columns of the terminal that f is; 0 if it is none.
func width(f *os.File) int {
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// A terminalLine is a line that changes, and that only a terminal gets.
type terminalLine struct {
	out      *os.File
	terminal bool
}

func newTerminalLine(out *os.File) terminalLine { return terminalLine{out, isTerminal(out)} }

// tell has the line say something else, as far as the terminal is wide.
func (l terminalLine) tell(text string) {
	if !l.terminal {
		return
	}
	if columns := width(l.out); columns > 0 && len(text) >= columns {
		text = text[:columns-1]
	}
	fmt.Fprintf(l.out, "\r\x1b[K%s", text)
}

// colors are the values of --color.
var colors = []string{"auto", "always", "never"}

// wantsColor decides what --color says, by https://no-color.org where it is
// auto.
func wantsColor(option string, f *os.File) (bool, error) {
	switch option {
	case "auto":
		return isTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", nil
	case "always":
		return true, nil
	case "never":
		return false, nil
	}
	return false, badUsage("--color %q: not one of %s", option, strings.Join(colors, ", "))
}
