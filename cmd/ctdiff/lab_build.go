package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
)

type labBuildOptions struct {
	image    imageFlags
	profiles []string
	mirror   string
	refresh  bool
}

func newLabBuild() *cobra.Command {
	var opts labBuildOptions
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build what is not there yet",
		Long: `Build the kernel and the Open vSwitch root of one or more profiles: about three
minutes each on two processors. What is built already is left as it is. An
interrupted build goes on where it was.`,
		Example: `  ctdiff lab build
  ctdiff lab build --profile debian-11,debian-12
  ctdiff lab build --kernel-src ~/src/linux`,
		Args: takesNone,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLabBuild(cmd.Context(), opts) },
	}
	cmd.Flags().StringSliceVar(&opts.profiles, "profile", nil, "`PROFILE`s to build, or \""+allProfiles+"\" (default "+defaultProfile+")")
	completeWith(cmd, "profile", append(profileNames(), allProfiles))
	opts.image.addOwn(cmd)
	cmd.Flags().StringVar(&opts.mirror, "mirror", "", "`URL` of a Debian archive (default that of this machine's apt)")
	cmd.Flags().BoolVar(&opts.refresh, "refresh", false, "ask the mirror for newer packages, though the profile is built")
	return withExits(cmd,
		"0    all is built",
		"2    bad usage or bad input",
		"3    a build failed")
}

func runLabBuild(ctx context.Context, opts labBuildOptions) error {
	specs, err := opts.specs()
	if err != nil {
		return err
	}
	if err := lab.Prepare(ctx); err != nil {
		return err
	}
	var failed []error
	for _, spec := range specs {
		img, err := image.Build(ctx, spec, image.NewProgress(os.Stderr))
		if err != nil {
			failed = append(failed, err)
			// A mirror may lack one release and have the next.
			if ctx.Err() != nil || inputsFault(err) {
				break
			}
			continue
		}
		fmt.Println(described(img))
	}
	return errors.Join(failed...)
}

// specs checks all profiles' names before any is built.
func (o labBuildOptions) specs() ([]image.Spec, error) {
	names := o.profiles
	switch {
	case slices.Contains(names, allProfiles):
		names = profileNames()
	case len(names) == 0:
		names = []string{""}
	}
	var specs []image.Spec
	for _, name := range names {
		flags := o.image
		flags.profile = name
		spec := flags.spec()
		spec.Mirror, spec.Refresh = o.mirror, o.refresh
		if spec.Profile != "" {
			if _, err := image.FindProfile(spec.Profile); err != nil {
				return nil, err
			}
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

func described(img image.Image) string {
	text := "Linux " + img.KernelVersion
	if img.OVSVersion != "" {
		text += ", Open vSwitch " + img.OVSVersion
	}
	if img.Profile != "" {
		text = img.Profile + ": " + text
	}
	return text
}
