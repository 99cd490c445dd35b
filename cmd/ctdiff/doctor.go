package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/replay/lab/image"
)

func newDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what the lab needs of this machine, and what is missing",
		Long: `Look at everything that the lab needs of this machine, and print a line for
each, and below what is missing the command that mends it. Nothing is changed.

A profile that is not built is no fault, except for ` + defaultProfile + `, the default.`,
		Args: takesNone,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd.Context()) },
	}
	return withExits(cmd,
		"0    nothing is missing",
		"2    bad usage",
		"3    something is missing")
}

func runDoctor(ctx context.Context) error {
	findings := image.Check(ctx, "")
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var missing []string
	for _, f := range findings {
		mark := "✓"
		switch {
		case f.OK:
		case optional(f):
			mark = "-"
		default:
			mark = "✗"
			missing = append(missing, f.Name)
		}
		fmt.Printf("%s %s: %s\n", mark, f.Name, f.Detail)
		if f.Mend != "" {
			fmt.Printf("    %s\n", f.Mend)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the lab is not ready, missing: %s", strings.Join(missing, ", "))
	}
	return nil
}

// optional reports whether the lab works without: all profiles but the default.
func optional(f image.Finding) bool {
	profile, ok := strings.CutPrefix(f.Name, "profile ")
	return ok && profile != defaultProfile
}
