package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/tracefile"
)

type traceNewOptions struct{ output string }

func newTraceNew() *cobra.Command {
	var opts traceNewOptions
	cmd := &cobra.Command{
		Use:   "new [-o FILE] [TEXTFILE]",
		Short: "Make a trace from text",
		Long: `Make a trace, a pcapng file, from text. Without TEXTFILE, or if it is "-", the
text is read from standard input; without -o, the trace goes to standard output,
unless that is a terminal.

The text has one rule or one packet on each line; what follows a "#" is a
comment. A packet has its port, the time since the one before, and its frame:

  rule table=0,in_port=p1,ct_state=-trk,ipv6,actions=ct(table=1)
  rule table=1,in_port=p1,ct_state=+trk+new,ipv6,actions=ct(commit),output:p2

  p1 +0s    icmp6 ns 2001:db8::1 > ff02::1:ff00:2 target 2001:db8::2
  p1 +800ms icmp6 echo-request 2001:db8::1 > 2001:db8::2 id 7 seq 1
  p2 +1ms   udp6 2001:db8::2 53 > 2001:db8::1 4242 payload c0ffee
  p1 +1ms   hex 3333ff0000020200000000010806

Kinds of icmp6 are ns, na, rs, ra, echo-request, echo-reply, mld-query,
mld-report, mld-done, mld2-report, unreachable, packet-too-big, time-exceeded,
parameter-problem, and "type N code N"; there are icmp, udp and tcp (IPv4) and
tcp6, too. All forms and keys: go doc github.com/ctdiff/ctdiff/replay/tracetext`,
		Example: `  ctdiff trace new -o founding.pcapng founding.txt
  ctdiff trace show founding.pcapng | ctdiff trace new > same.pcapng`,
		Args: takes(0, 1, "TEXTFILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTraceNew(cmd.Context(), opts, append(args, "-")[0])
		},
	}
	cmd.Flags().StringVarP(&opts.output, "output", "o", "", "`FILE` to write, whole or not at all")
	return withExits(cmd,
		"0    the trace is written",
		"2    bad usage or bad input",
		"3    the output could not be written")
}

func runTraceNew(ctx context.Context, opts traceNewOptions, input string) error {
	if opts.output == "" && isTerminal(os.Stdout) {
		return badUsage("a trace is not for a terminal: name a file with -o, or redirect standard output")
	}
	t, err := await(ctx, func() (replay.Trace, error) { return readText(input) })
	if err != nil {
		return err
	}
	if opts.output == "" {
		return tracefile.Encode(os.Stdout, t)
	}
	return explainWrite(tracefile.WriteFile(opts.output, t), opts.output)
}

// explainWrite makes it the input's fault if there can be no such file.
func explainWrite(err error, file string) error {
	for _, why := range []error{fs.ErrNotExist, fs.ErrPermission, fs.ErrExist, syscall.ENOTDIR, syscall.EISDIR, syscall.EROFS} {
		if errors.Is(err, why) {
			return badInput("%s: %w", file, why)
		}
	}
	return err
}

func readText(input string) (replay.Trace, error) {
	if input == "-" {
		return parseText("standard input", os.Stdin)
	}
	f, err := os.Open(input)
	if err != nil {
		return replay.Trace{}, &inputError{err}
	}
	defer f.Close()
	return parseText(input, f)
}
