package main

import "github.com/spf13/cobra"

func newTrace() *cobra.Command {
	return withExits(group(&cobra.Command{
		Use:   "trace",
		Short: "Make a trace from text, and print it as text",
		Long: `A trace is packets, each with its port and the time since the one before, and
the OpenFlow rules that they meet. It is kept as a pcapng file, which Wireshark
and tcpdump open, or written as text.`,
	}, newTraceNew(), newTraceShow()),
		"0    done",
		"2    bad usage or bad input",
		"3    the output could not be written")
}
