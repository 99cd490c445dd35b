// Guidance measures whether the coverage of the guests' kernels leads Go's fuzzer
// anywhere: it runs campaigns with it and without, in turn, each from an empty
// corpus, and prints as Markdown how many places in the kernels they reached by
// when, and when they first saw each signature.
//
//	guidance RUNS TIME PROFILE
//
// Each number is the median of the runs, with the least and the greatest.
package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ctdiff/ctdiff/corpus"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "guidance:", err)
		os.Exit(1)
	}
}

// modes are the values of --coverage that are compared.
var modes = []string{"guide", "measure"}

func run() error {
	if len(os.Args) != 4 {
		return fmt.Errorf("want RUNS TIME PROFILE")
	}
	runs, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	limit, err := time.ParseDuration(os.Args[2])
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ctdiff-guidance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	campaigns := map[string][]corpus.Campaign{}
	for i := range runs {
		for _, mode := range modes {
			out := filepath.Join(dir, fmt.Sprint(mode, i))
			cmd := exec.Command("bin/ctdiff", "fuzz", "--profile", os.Args[3], "--coverage", mode, "--time", limit.String(),
				"--out", out, "--corpus", out+"-inputs")
			cmd.Stderr = os.Stderr
			if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 1 {
				return fmt.Errorf("%s: %w", cmd, err)
			}
			c, err := corpus.Read(out)
			if err != nil {
				return err
			}
			campaigns[mode] = append(campaigns[mode], c)
		}
	}
	fmt.Printf("%d runs of %v each on %s.\n\n", runs, limit, os.Args[3])
	coverage(campaigns, limit)
	fmt.Println()
	signatures(campaigns)
	return nil
}

func coverage(campaigns map[string][]corpus.Campaign, limit time.Duration) {
	fmt.Println("| | traces/s | " + strings.Join(titles(limit), " | ") + " |")
	fmt.Println("|---|---|" + strings.Repeat("---|", len(titles(limit))))
	for _, mode := range modes {
		var rates []float64
		for _, c := range campaigns[mode] {
			last := c.Last()
			rates = append(rates, float64(last.Traces)/last.Seconds)
		}
		row := []string{mode, spread(rates, "%.0f")}
		for _, part := range parts {
			var reached []float64
			for _, c := range campaigns[mode] {
				reached = append(reached, at(c, part*limit.Seconds()))
			}
			row = append(row, spread(reached, "%.0f"))
		}
		fmt.Println("| " + strings.Join(row, " | ") + " |")
	}
}

// parts of the time at which it is looked how many places were reached.
var parts = []float64{0.1, 0.25, 0.5, 1}

func titles(limit time.Duration) (list []string) {
	for _, p := range parts {
		list = append(list, fmt.Sprintf("places after %v", time.Duration(p*float64(limit)).Round(time.Second)))
	}
	return list
}

func at(c corpus.Campaign, seconds float64) float64 {
	reached := uint64(0)
	for _, s := range c.Samples {
		if s.Seconds <= seconds {
			reached = max(reached, s.Coverage)
		}
	}
	return float64(reached)
}

func signatures(campaigns map[string][]corpus.Campaign) {
	seen := map[string]map[string][]float64{}
	for mode, list := range campaigns {
		for _, c := range list {
			for _, s := range c.Signatures {
				if s.Status == corpus.Inconclusive {
					continue
				}
				if seen[s.Signature] == nil {
					seen[s.Signature] = map[string][]float64{}
				}
				seen[s.Signature][mode] = append(seen[s.Signature][mode], s.FirstSeen)
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(seen), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(seen[b]["guide"])+len(seen[b]["measure"]), len(seen[a]["guide"])+len(seen[a]["measure"])), cmp.Compare(a, b))
	})
	fmt.Println("| signature | guide: runs, first after s | measure: runs, first after s |")
	fmt.Println("|---|---|---|")
	for _, name := range names {
		row := "| `" + name + "` |"
		for _, mode := range modes {
			times := seen[name][mode]
			if len(times) == 0 {
				row += " 0 |"
				continue
			}
			row += fmt.Sprintf(" %d, %s |", len(times), spread(times, "%.1f"))
		}
		fmt.Println(row)
	}
}

func spread(values []float64, format string) string {
	slices.Sort(values)
	text := func(v float64) string { return fmt.Sprintf(format, v) }
	return fmt.Sprintf("%s (%s–%s)", text(values[len(values)/2]), text(values[0]), text(values[len(values)-1]))
}
