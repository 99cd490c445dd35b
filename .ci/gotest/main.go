// Gotest reads what go test -json writes, prints it as go test does without
// -json, and fails if a test failed or was skipped for another reason than one
// in .ci/allowed-skips: on a machine where everything can be installed, a test
// that did not run is one that nobody noticed.
//
// Lines that are not go test's, such as make's, are printed as they are.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// An event is what one line says: see go doc test2json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// A test is what is known of one test, or of what a package prints outside of
// its tests.
type test struct{ pkg, name string }

func main() {
	if err := run(os.Stdin, os.Stdout, ".ci/allowed-skips"); err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}

func run(r io.Reader, w io.Writer, allowedFile string) error {
	allowed, err := readAllowed(allowedFile)
	if err != nil {
		return err
	}
	output := map[test][]string{}
	var refused []string
	var passed, failed, skipped, packages int
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF && line == "" {
			break
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("read go test's output: %w", err)
		}
		var e event
		if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil {
			fmt.Fprint(w, line)
			continue
		}
		at := test{e.Package, e.Test}
		switch e.Action {
		case "output", "build-output":
			if e.Test == "" {
				// "ok", "FAIL" and what a package printed, but not the
				// "PASS" that go test leaves out too.
				if e.Output != "PASS\n" {
					fmt.Fprint(w, e.Output)
				}
				continue
			}
			output[at] = append(output[at], e.Output)
		case "pass", "fail", "skip":
			if e.Test == "" {
				if e.Action == "fail" {
					packages++
				}
				continue
			}
			switch e.Action {
			case "pass":
				passed++
			case "fail":
				failed++
				fmt.Fprint(w, strings.Join(told(output[at]), ""))
			case "skip":
				skipped++
				reason, _, _ := strings.Cut(strings.Join(told(output[at]), ""), "--- SKIP: ")
				reason = strings.TrimSpace(reason)
				fmt.Fprintf(w, "skipped: %s: %s\n", e.Test, reason)
				if !slices.ContainsFunc(allowed, func(a *regexp.Regexp) bool { return a.MatchString(reason) }) {
					refused = append(refused, fmt.Sprintf("%s %s", e.Package, e.Test))
				}
			}
			delete(output, at)
		}
	}
	// A test that hung, or whose process died, has no end.
	for _, at := range slices.SortedFunc(maps.Keys(output), func(a, b test) int {
		return cmp.Or(strings.Compare(a.pkg, b.pkg), strings.Compare(a.name, b.name))
	}) {
		failed++
		fmt.Fprintf(w, "did not end: %s %s\n%s", at.pkg, at.name, strings.Join(told(output[at]), ""))
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	switch {
	case failed > 0 || packages > 0:
		return fmt.Errorf("%d tests failed, in %d packages", failed, packages)
	case len(refused) > 0:
		return fmt.Errorf("tests were skipped that must run here (the reasons that may be are in %s):\n\t%s",
			allowedFile, strings.Join(refused, "\n\t"))
	case passed == 0:
		return fmt.Errorf("no test ran")
	}
	return nil
}

// told leaves out the lines that say that a test begins or goes on.
func told(output []string) []string {
	return slices.DeleteFunc(output, func(line string) bool { return strings.HasPrefix(line, "=== ") })
}

// readAllowed reads one regular expression a line.
func readAllowed(file string) ([]*regexp.Regexp, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []*regexp.Regexp
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		re, err := regexp.Compile(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, re)
	}
	return all, nil
}
