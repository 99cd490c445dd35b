package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
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
	defer func() { _ = term.Restore(int(console.Fd()), state) }()
	b, err := prepare(ctx, img, bridge)
	if err != nil {
		return err
	}
	ours, theirs, err := consolePair()
	if err != nil {
		return err
	}
	defer ours.Close()
	fmt.Fprintf(console, "starting bridge %s, in real time\n", bridge)
	g, err := startGuest(ctx, b.files, guestOptions{offload: bridge == TC, console: theirs})
	theirs.Close()
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
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		joinConsole(console, ours)
	}()
	prompt := fmt.Sprintf("%s %s (Linux %s, OVS %s)\\$ ", img.Profile, bridge, g.kernel, g.ovs)
	answer, err := g.wait(ctx, &wire.Shell{Prompt: prompt}, "shell")
	// What the guest has written last may still be on its way.
	g.close()
	<-shown
	if err != nil {
		return fmt.Errorf("bridge %s: %w", bridge, err)
	}
	if done, ok := answer.(*wire.Executed); ok && done.Code < 0 {
		return &GuestError{Doing: "start a shell", Err: errors.New(string(done.Stderr))}
	}
	return nil
}

// consolePair returns the two ends of a guest's console. It is not the terminal
// itself, of which a guest, in a process group of its own, would be stopped by
// SIGTTIN and SIGTTOU.
func consolePair() (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("console of a guest: %w", err)
	}
	return os.NewFile(uintptr(pair[0]), "console of a guest"), os.NewFile(uintptr(pair[1]), "guest's end of its console"), nil
}

// joinConsole copies between the terminal and a guest's console until that is
// gone. What was typed before the shell first wrote would be lost: the guest's
// kernel reads from a console that a program has open.
func joinConsole(terminal, console *os.File) {
	first := make([]byte, 4096)
	n, err := console.Read(first)
	if err != nil {
		return
	}
	if _, err := terminal.Write(first[:n]); err != nil {
		return
	}
	go func() { _, _ = io.Copy(console, terminal) }()
	_, _ = io.Copy(terminal, console)
}
