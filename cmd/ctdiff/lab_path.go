package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/replay/lab/image"
)

func newLabPath() *cobra.Command {
	var flags imageFlags
	cmd := &cobra.Command{
		Use:   "path",
		Short: "Print where the kernel and the Open vSwitch root are",
		Long:  "Print the paths of what a guest boots from: one line for the kernel, one for the\nOpen vSwitch root.",
		Args:  takesNone,
		RunE:  func(*cobra.Command, []string) error { return runLabPath(flags) },
	}
	flags.add(cmd)
	return withExits(cmd,
		"0    done",
		"2    bad usage or bad input",
		"3    it is not built")
}

func runLabPath(flags imageFlags) error {
	img, err := image.Find(flags.spec())
	if err != nil {
		return err
	}
	fmt.Printf("kernel %s\nroot %s\n", img.Kernel, img.Root)
	return nil
}
