package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/replay/lab/image"
)

type labRmOptions struct{ profiles []string }

func newLabRm() *cobra.Command {
	var opts labRmOptions
	cmd := &cobra.Command{
		Use:   "rm [NAME]...",
		Short: "Remove what is built",
		Long: `Remove the kernel, the Open vSwitch root and the downloads that go by a name of
ctdiff lab list, or by "all". Nothing is removed without a name. Guests that
still run on them fail.`,
		Example: `  ctdiff lab rm debian-12
  ctdiff lab rm --profile all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runLabRm(cmd.Context(), append(args, opts.profiles...))
		},
	}
	cmd.Flags().StringSliceVar(&opts.profiles, "profile", nil, "`NAME`s to remove, or \""+allProfiles+"\"; the same as NAME")
	completeWith(cmd, "profile", append(profileNames(), allProfiles))
	return withExits(cmd,
		"0    all is removed",
		"2    bad usage, or nothing goes by the name",
		"3    something could not be removed")
}

func runLabRm(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return badUsage("no NAME given")
	}
	cache, err := image.DefaultCache()
	if err != nil {
		return err
	}
	if slices.Contains(names, allProfiles) {
		if names, err = builtNames(cache); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := image.Remove(ctx, cache, name); err != nil {
			return err
		}
		fmt.Println("removed", name)
	}
	return nil
}

func builtNames(cache image.Cache) ([]string, error) {
	all, err := image.List(cache)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, b := range all {
		if b.Kernel != "" || b.Root != "" {
			names = append(names, b.Name)
		}
	}
	return names, nil
}
