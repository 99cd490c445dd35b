package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/replay/tracetext"
)

func newTraceShow() *cobra.Command {
	var capture captureFlags
	cmd := &cobra.Command{
		Use:   "show TRACE...",
		Short: "Print a trace as text",
		Long: `Print a trace as the text that ctdiff trace new makes the same trace from. TRACE
is a trace, a trace's text, or a capture (pcap, pcapng).`,
		Example: `  ctdiff trace show founding.pcapng
  ctdiff trace show --port p1 --pipeline rules.txt capture.pcap`,
		Args: takes(1, 0, "TRACE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTraceShow(cmd.Context(), capture, args)
		},
	}
	capture.add(cmd)
	return withExits(cmd,
		"0    done",
		"2    bad usage or bad input",
		"3    the output could not be written")
}

func runTraceShow(ctx context.Context, capture captureFlags, files []string) error {
	sources, err := capture.read(ctx, files)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for i, s := range sources {
		if len(sources) > 1 {
			if i > 0 {
				fmt.Fprintln(out)
			}
			fmt.Fprintf(out, "# %s\n", s.file)
		}
		if err := tracetext.Format(out, s.trace); err != nil {
			return err
		}
	}
	return out.Flush()
}
