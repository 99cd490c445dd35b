// Package campaign runs a native fuzz target for as long as one likes: it goes on
// past what the target finds, and where it stopped.
//
// The target is one of package labtest, in a test binary that is built with Go's
// instrumentation for fuzzing. Its workers keep findings and counts in the
// campaign's directory (package corpus); the process that runs the campaign only
// looks on.
package campaign

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ctdiff/ctdiff/corpus"
)

// Options are those of a campaign.
type Options struct {
	// Settings are what the workers are told. Out is the campaign's
	// directory, which is made, or gone on with.
	Settings
	// Inputs is the directory of the target's inputs; Run sets it.
	Inputs string
	// Target is what is fuzzed.
	Target Target
	// Time is how long.
	Time time.Duration
	// Parallel is the number of workers.
	Parallel int
	// Corpus is the directory for inputs; if it is empty, that which go test
	// -fuzz has for the target.
	Corpus string
	// Ctdiff is the version of ctdiff.
	Ctdiff string
	// Examiner examines what the workers' screening saw.
	Examiner Examiner
	// Watch, if not nil, is told every second how far the campaign has come.
	Watch func(Status)
}

// Status is how far a campaign has come.
type Status struct {
	// Seconds and Traces are those of all runs of the campaign.
	Seconds float64
	Traces  uint64
	// Rate is in traces a second, over the last few.
	Rate float64
	// Coverage is the number of places in the kernels that were reached, and
	// Inputs that of the fuzzer's interesting inputs.
	Coverage, Inputs uint64
	// Restarts is how often a guest or the fuzzer was started anew.
	Restarts uint64
	// Signatures are those seen, by their status.
	Signatures map[corpus.Status]int
}

// Run runs a campaign, until its time is over or ctx ends. What it has found by
// then is in its directory. If that is of another campaign, the error is a
// [corpus.InputError].
func Run(ctx context.Context, o Options) error {
	if err := prepare(&o); err != nil {
		return err
	}
	w, err := open(o)
	if err != nil {
		return err
	}
	defer w.Close()
	binary, err := o.Target.build(ctx, o.Out, o.Coverage)
	if err != nil {
		return err
	}
	defer os.Remove(binary)
	if err := o.Target.seed(ctx, o.Inputs); err != nil {
		return err
	}
	r := run{Options: o, binary: binary, started: time.Now(), writer: w}
	return r.all(ctx)
}

// prepare makes paths absolute: the workers run in another directory.
func prepare(o *Options) error {
	for _, path := range []*string{&o.Out, &o.Corpus, &o.Pipeline, &o.Known, &o.KernelSrc, &o.KernelImage, &o.OVSRoot} {
		if *path == "" {
			continue
		}
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	if o.Corpus == "" {
		var err error
		if o.Corpus, err = o.Target.cache(); err != nil {
			return err
		}
	}
	o.Inputs = filepath.Join(o.Corpus, o.Target.Name)
	if err := os.MkdirAll(o.Inputs, 0o777); err != nil {
		return fmt.Errorf("inputs of %s: %w", o.Target.Name, err)
	}
	return nil
}

// open makes the campaign, or opens that which is there.
func open(o Options) (*corpus.Writer, error) {
	s := corpus.Settings{Profile: o.Profile, Ctdiff: o.Ctdiff, Level: o.Level, Options: map[string]string{"target": o.Target.Name}}
	for _, b := range o.Bridges {
		s.Bridges = append(s.Bridges, corpus.Bridge{Name: b})
	}
	for name, value := range map[string]string{"pipeline": o.Pipeline, "kernel": o.KernelSrc + o.KernelImage, "ovs": o.OVSRoot} {
		if value != "" {
			s.Options[name] = value
		}
	}
	w, err := corpus.Create(o.Out, s)
	if !errors.Is(err, fs.ErrExist) {
		return w, err
	}
	if w, err = corpus.Open(o.Out); err != nil {
		return nil, err
	}
	if is := w.Settings; is.Profile != s.Profile || !slices.Equal(is.Bridges, s.Bridges) || is.Level != s.Level || fmt.Sprint(is.Options) != fmt.Sprint(s.Options) {
		w.Close()
		return nil, &corpus.InputError{File: o.Out, Err: fmt.Errorf("is a campaign of %s, not of %s: name another directory", describe(is), describe(s))}
	}
	return w, nil
}

func describe(s corpus.Settings) string {
	text := s.Profile
	for _, b := range s.Bridges {
		text += " " + b.Name
	}
	return fmt.Sprintf("%s at level %s with %v", text, s.Level, s.Options)
}
