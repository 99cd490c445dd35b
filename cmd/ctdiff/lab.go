package main

import (
	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/replay/lab/image"
)

// defaultProfile is the one that has the bug which this project began with.
const defaultProfile = "debian-11"

// allProfiles stands for all of them in --profile.
const allProfiles = "all"

func newLab() *cobra.Command {
	return withExits(group(&cobra.Command{
		Use:   "lab",
		Short: "Build, list, enter and remove what guests boot from",
		Long: `The lab's guests are User-Mode Linux processes: they need neither root nor KVM.
Each boots from a kernel and a directory with Open vSwitch, built from a Debian
release, the profile, or your own. They are kept in ` + "$" + image.CacheEnv + `, by default
ctdiff/lab in your cache directory.`,
	}, newLabBuild(), newLabList(), newLabRm(), newLabShell(), newLabExec(), newLabPath()),
		"0    done",
		"2    bad usage or bad input",
		"3    the lab failed")
}

// imageFlags are the options that say which kernel and which Open vSwitch.
type imageFlags struct{ profile, kernelSrc, kernelImage, ovsRoot string }

func (f *imageFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.profile, "profile", "", "`PROFILE` that gives kernel and Open vSwitch (default "+defaultProfile+")")
	completeWith(cmd, "profile", profileNames())
	f.addOwn(cmd)
}

// addOwn adds the options for what is the user's own.
func (f *imageFlags) addOwn(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.kernelSrc, "kernel-src", "", "kernel built from the source tree in `DIR`")
	cmd.Flags().StringVar(&f.kernelImage, "kernel-image", "", "kernel in `FILE`, a User-Mode Linux executable")
	cmd.Flags().StringVar(&f.ovsRoot, "ovs-root", "", "Open vSwitch in `DIR`, a root directory")
}

// spec returns what is to be booted. No profile goes by the name of none where
// kernel and Open vSwitch are both the user's.
func (f imageFlags) spec() image.Spec {
	if f.profile == "" && (f.ovsRoot == "" || f.kernelSrc+f.kernelImage == "") {
		f.profile = defaultProfile
	}
	return image.Spec{Profile: f.profile, KernelSrc: f.kernelSrc, KernelImage: f.kernelImage, OVSRoot: f.ovsRoot}
}

func profileNames() []string {
	var names []string
	for _, p := range image.Profiles() {
		names = append(names, p.Name)
	}
	return names
}

// completeWith has a shell complete an option's value.
func completeWith(cmd *cobra.Command, flag string, values []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // there is no such option
	}
}
