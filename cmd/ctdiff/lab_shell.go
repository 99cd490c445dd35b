package main

import (
	"cmp"
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/replay/lab"
)

func newLabShell() *cobra.Command {
	var flags guestFlags
	cmd := &cobra.Command{
		Use:   "shell",
		Short: "Give a prompt inside a guest",
		Long: `Boot a guest in real time, with the bridge br0 and its ports p1 to p4 up, and give
a prompt in it. Leave it with exit or Ctrl-D; the guest goes with it, and with
all that was changed in it.`,
		Example: "  ctdiff lab shell --bridge tc --pipeline rules.txt",
		Args:    takesNone,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runLabShell(cmd.Context(), flags) },
	}
	flags.add(cmd)
	return withExits(cmd,
		"0    the shell ended",
		"2    bad usage or bad input, or there is no terminal",
		"3    the lab failed")
}

func runLabShell(ctx context.Context, flags guestFlags) error {
	// Standard input may be a file; and a guest writes to its console too.
	console, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return badInput("a shell needs a terminal: %w", err)
	}
	defer console.Close()
	img, rules, err := flags.find(ctx)
	if err != nil {
		return err
	}
	err = lab.Shell(ctx, img, flags.bridge, rules, console)
	return cmp.Or(refusal(err, flags.pipeline), err)
}
