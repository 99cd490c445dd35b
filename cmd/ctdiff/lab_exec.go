package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
)

// guestFlags are the options that say which guest, and with what rules.
type guestFlags struct {
	image            imageFlags
	bridge, pipeline string
}

func (f *guestFlags) add(cmd *cobra.Command) {
	f.image.add(cmd)
	cmd.Flags().StringVar(&f.bridge, "bridge", lab.System, "`BRIDGE` of the guest: "+strings.Join(lab.Bridges(), " or "))
	completeWith(cmd, "bridge", lab.Bridges())
	cmd.Flags().StringVar(&f.pipeline, "pipeline", "", "`FILE` of rules for the bridge, as ovs-ofctl add-flows takes them")
}

func newLabExec() *cobra.Command {
	var flags guestFlags
	cmd := &cobra.Command{
		Use:   "exec [flags] -- CMD [ARG]...",
		Short: "Run a command in a guest",
		Long: `Run a command in a guest that is booted for it, with the bridge up, and print
what it prints. The command is one of the Open vSwitch root: ovs-vsctl, ovs-ofctl,
ovs-appctl, ip, tc.`,
		Example: `  ctdiff lab exec -- ovs-vsctl show
  ctdiff lab exec --bridge tc --pipeline rules.txt -- ovs-ofctl dump-flows br0`,
		Args: takes(1, 0, "CMD"),
		RunE: func(cmd *cobra.Command, args []string) error { return runLabExec(cmd.Context(), flags, args) },
	}
	// What follows CMD is its own.
	cmd.Flags().SetInterspersed(false)
	flags.add(cmd)
	return withExits(cmd,
		"N    what CMD exits with; 127 if it could not be run",
		"2    bad usage or bad input",
		"3    the lab failed")
}

func runLabExec(ctx context.Context, flags guestFlags, argv []string) (err error) {
	img, rules, err := flags.find(ctx)
	if err != nil {
		return err
	}
	bridge, err := lab.Open(ctx, img, flags.bridge)
	if err != nil {
		return err
	}
	defer closing(bridge, &err)
	result, err := bridge.Exec(ctx, rules, argv...)
	if err != nil {
		return cmp.Or(refusal(err, flags.pipeline), err)
	}
	if _, err := os.Stdout.Write(result.Stdout); err != nil {
		return err
	}
	if result.Code < 0 {
		why := cmp.Or(string(bytes.TrimSpace(result.Stderr)), "ended by a signal")
		fmt.Fprintf(os.Stderr, "ctdiff: %s: %s\n", argv[0], why)
		return exitError(exitNotRun)
	}
	if _, err := os.Stderr.Write(result.Stderr); err != nil {
		return err
	}
	if result.Code > 0 {
		return exitError(result.Code)
	}
	return nil
}

// exitNotRun is what a shell exits with for a command that it does not find.
const exitNotRun = 127

// find returns what the guest boots from, and its rules.
func (f guestFlags) find(ctx context.Context) (image.Image, replay.Pipeline, error) {
	if err := checkBridge(f.bridge); err != nil {
		return image.Image{}, nil, err
	}
	rules, err := await(ctx, func() (replay.Pipeline, error) { return readPipeline(f.pipeline) })
	if err != nil {
		return image.Image{}, nil, err
	}
	img, err := image.Find(f.image.spec())
	return img, rules, err
}

func checkBridge(name string) error {
	if !slices.Contains(lab.Bridges(), name) {
		return badUsage("bridge %q: not one of %s", name, strings.Join(lab.Bridges(), ", "))
	}
	return nil
}

// closing closes a bridge when a function that returns err ends.
func closing(bridge *lab.Bridge, err *error) {
	if closed := bridge.Close(); *err == nil {
		*err = closed
	}
}
