package main

import (
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
