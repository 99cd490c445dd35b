package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/report"
)

var reportFormats = map[string]func(*report.Page, io.Writer) error{
	"html": (*report.Page).HTML,
	"md":   (*report.Page).Markdown,
}

type reportOptions struct{ format, output string }

func newReport() *cobra.Command {
	var opts reportOptions
	cmd := &cobra.Command{
		Use:   "report DIR... [-o FILE]",
		Short: "Show what a campaign found, as a page",
		Long: `Write a page about campaigns and findings: what ran, the signatures that were
found and how often, the table of a sweep, and for each finding what is wrong in
words, the bridges side by side, the packet and its way, where to look, and how to
reproduce it.

DIR is a campaign's directory (ctdiff fuzz --out), that of a sweep (ctdiff sweep
--out), a directory of findings, or a finding. The page is one file, which needs no
network.

What cannot be read is said on the page and on standard error; the rest is there.`,
		Example: `  ctdiff report ctdiff-out/debian-11 -o report.html
  ctdiff report --format md ctdiff-out/debian-11/findings/system-tc-* | less`,
		Args: takes(1, 0, "DIR"),
		RunE: func(cmd *cobra.Command, args []string) error { return runReport(cmd.Context(), opts, args) },
	}
	cmd.Flags().StringVarP(&opts.output, "output", "o", "", "`FILE` to write, whole or not at all (default standard output)")
	cmd.Flags().StringVar(&opts.format, "format", "", "`FORMAT`: html or md, Markdown (default that of FILE's name, or html)")
	completeWith(cmd, "format", []string{"html", "md"})
	return withExits(cmd,
		"0    the page is written, whatever was found",
		"2    bad usage or bad input; if part of it could be read, the page is written",
		"3    the page could not be written")
}

func runReport(ctx context.Context, opts reportOptions, dirs []string) error {
	if opts.format == "" {
		opts.format = "html"
		if strings.EqualFold(filepath.Ext(opts.output), ".md") {
			opts.format = "md"
		}
	}
	write, ok := reportFormats[opts.format]
	if !ok {
		return badUsage("--format %q: not one of html, md", opts.format)
	}
	page, err := await(ctx, func() (*report.Page, error) { return readPage(dirs) })
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := write(page, &text); err != nil {
		return err
	}
	if err := writeOutput(opts.output, text.Bytes()); err != nil {
		return err
	}
	return tellFaults(page.Faults)
}

// readPage reads what can be read; if nothing can, that is the error.
func readPage(dirs []string) (*report.Page, error) {
	var campaigns []corpus.Campaign
	var faults []error
	for _, dir := range dirs {
		c, err := corpus.Read(dir)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		campaigns = append(campaigns, c)
	}
	if len(campaigns) == 0 {
		return nil, errors.Join(faults...)
	}
	page := report.NewPage(campaigns...)
	page.Faults = append(faults, page.Faults...)
	return page, nil
}

func writeOutput(file string, text []byte) error {
	if file == "" {
		_, err := os.Stdout.Write(text)
		return err
	}
	return explainWrite(corpus.WriteFile(file, text), file)
}

// mostFaults is the number of faults that are said on standard error.
const mostFaults = 20

func tellFaults(faults []error) error {
	for i, fault := range faults {
		if i == mostFaults {
			fmt.Fprintf(os.Stderr, "ctdiff: and %d more\n", len(faults)-i)
			break
		}
		fmt.Fprintf(os.Stderr, "ctdiff: %v\n", fault)
	}
	if len(faults) > 0 {
		return exitError(exitInput)
	}
	return nil
}
