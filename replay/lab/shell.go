package lab

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab/image"
	"github.com/ctdiff/ctdiff/replay/wire"
)

// Shell boots a bridge in real time and runs a shell in its guest until it
// ends, with rules as the bridge's flow table if there are any. The console is
// a terminal, which is left as it was.
func Shell(ctx context.Context, img image.Image, bridge string, rules replay.Pipeline, console *os.File) error {
	state, err := term.GetState(int(console.Fd()))
	if err != nil {
		return &image.InputError{Err: fmt.Errorf("a shell needs a terminal: %w", err)}
	}
	defer term.Restore(int(console.Fd()), state)
	b, err := prepare(ctx, img, bridge)
	if err != nil {
		return err
	}
	g, err := startGuest(ctx, b.files, guestOptions{offload: bridge == TC, console: console})
	if err != nil {
		return fmt.Errorf("bridge %s: %w", bridge, err)
	}
	defer g.close()
	if len(rules) > 0 {
		answer, err := g.call(ctx, &wire.Exec{Rules: rules, Argv: []string{"ovs-ofctl", "--version"}}, "load the pipeline")
		if err != nil {
			return err
		}
		if done, ok := answer.(*wire.Executed); ok && done.Refused != nil {
			return refusedError(rules, done.Refused)
		}
	}
	// The guest's kernel does what a terminal does: echo, and Ctrl-C.
	if _, err := term.MakeRaw(int(console.Fd())); err != nil {
		return fmt.Errorf("prepare the terminal: %w", err)
	}
	prompt := fmt.Sprintf("%s %s (Linux %s, OVS %s)\\$ ", img.Profile, bridge, g.kernel, g.ovs)
	answer, err := g.wait(ctx, &wire.Shell{Prompt: prompt}, "shell")
	if err != nil {
		return fmt.Errorf("bridge %s: %w", bridge, err)
	}
	if done, ok := answer.(*wire.Executed); ok && done.Code < 0 {
		return &GuestError{Doing: "start a shell", Err: errors.New(string(done.Stderr))}
	}
	return nil
}
