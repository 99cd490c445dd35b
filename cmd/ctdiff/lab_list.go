package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/replay/lab/image"
)

type labListOptions struct{ json bool }

func newLabList() *cobra.Command {
	var opts labListOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the profiles and what is built of them",
		Long: `List the profiles, and the kernels of your own trees (src-...), with the version
of what is built. A stale one was built by another version of ctdiff, and is to
be built again.`,
		Args: takesNone,
		RunE: func(*cobra.Command, []string) error { return runLabList(opts) },
	}
	cmd.Flags().BoolVar(&opts.json, "json", false, "print a JSON list")
	return withExits(cmd,
		"0    done",
		"2    bad usage",
		"3    the cache directory cannot be read")
}

// listed is what is said of one name.
type listed struct {
	Profile string `json:"profile"`
	Kernel  string `json:"kernel"`
	OVS     string `json:"ovs"`
	Source  string `json:"source"`
	Bytes   int64  `json:"bytes"`
	// Built is the time in RFC 3339; empty if nothing is built.
	Built      string `json:"built"`
	State      string `json:"state"`
	KernelPath string `json:"kernel_path"`
	RootPath   string `json:"root_path"`
}

func runLabList(opts labListOptions) error {
	cache, err := image.DefaultCache()
	if err != nil {
		return err
	}
	all, err := image.List(cache)
	if err != nil {
		return err
	}
	rows := make([]listed, 0, len(all))
	for _, b := range all {
		rows = append(rows, newListed(b))
	}
	if opts.json {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	return printList(rows)
}

func newListed(b image.Built) listed {
	row := listed{
		Profile: b.Name, Kernel: b.KernelVersion, OVS: b.OVSVersion, Source: b.Source,
		Bytes: b.Bytes, State: stateOf(b), KernelPath: b.Kernel, RootPath: b.Root,
	}
	if !b.Time.IsZero() {
		row.Built = b.Time.Format(time.RFC3339)
	}
	return row
}

func stateOf(b image.Built) string {
	_, err := image.FindProfile(b.Name)
	own := err != nil
	switch {
	case b.Kernel == "" && b.Root == "":
		return "not built"
	case b.Kernel == "":
		return "no kernel"
	case b.Stale:
		return "stale"
	case own:
		return "kernel only"
	case b.Root == "":
		return "no Open vSwitch"
	}
	return "ready"
}

func printList(rows []listed) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROFILE\tKERNEL\tOVS\tSIZE\tBUILT\tSTATE\tSOURCE")
	for _, r := range rows {
		size, built := "-", "-"
		if t, err := time.Parse(time.RFC3339, r.Built); err == nil {
			size = fmt.Sprintf("%d MB", r.Bytes/1e6)
			built = t.Local().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			r.Profile, cmp.Or(r.Kernel, "-"), cmp.Or(r.OVS, "-"), size, built, r.State, cmp.Or(r.Source, "-"))
	}
	return w.Flush()
}
