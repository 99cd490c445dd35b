// Ctdiff replays packets through Open vSwitch bridges whose datapaths differ,
// and says where connection tracking does.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := interruptible(context.Background())
	defer stop()
	cmd, err := newRoot().ExecuteContextC(ctx)
	return explain(ctx, os.Stderr, cmd, err)
}

func newRoot() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "ctdiff",
		Short: "Find where Open vSwitch's datapaths disagree about connection tracking",
		Long: `ctdiff replays packets through real Open vSwitch bridges, one with the kernel
datapath and one with TC offload, each in a guest of its own, and says where
they differ.

To begin: ctdiff doctor, then ctdiff lab build, then ctdiff replay TRACE.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}, newFuzz(), newSweep(), newReplay(), newMinimize(), newReport(), newExport(), newExplain(), newTrace(), newLab(), newDoctor())
	root.SetUsageTemplate(root.UsageTemplate() + exitsTemplate)
	root.SetVersionTemplate("ctdiff {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SetHelpCommand(newHelp())
	root.CompletionOptions.HiddenDefaultCmd = true
	return withExits(root,
		"0    the bridges agree, or what was asked for is done",
		"1    a divergence was found",
		"2    bad usage or bad input",
		"3    the lab failed")
}

// newHelp is what cobra has by itself, which also reports success for help on a
// command that does not exist.
func newHelp() *cobra.Command {
	return withExits(&cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "Say what a command does, as --help does",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			switch {
			case err != nil:
				return &usageError{err}
			case len(rest) > 0:
				return unknownCommand(found, rest[0])
			}
			return found.Help()
		},
	}, "0    done", "2    there is no such command")
}

// group makes a command of others. Without this, cobra prints help and reports
// success for a command that does not exist.
func group(cmd *cobra.Command, members ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(members...)
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		if !cmd.HasParent() {
			return cmd.Help()
		}
		var names []string
		for _, m := range members {
			names = append(names, m.Name())
		}
		return badUsage("%s needs a command: %s", cmd.CommandPath(), strings.Join(names, ", "))
	}
	return cmd
}

func unknownCommand(cmd *cobra.Command, name string) error {
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return badUsage("%s has no command %q: did you mean %s?", cmd.CommandPath(), name, strings.Join(near, " or "))
	}
	return badUsage("%s has no command %q", cmd.CommandPath(), name)
}

// version is that of the module, from which Go also makes one for a build of a
// Git checkout.
func version() string {
	v := "(unknown version)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v = info.Main.Version
	}
	return fmt.Sprintf("%s %s %s/%s", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
