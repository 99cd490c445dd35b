package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
)

// A side is one bridge of a comparison, and what it boots from.
type side struct {
	bridge string
	spec   image.Spec
}

type sides []side

// parseSides reads what --bridges says: for each [PROFILE:]BRIDGE. One without
// a profile has what the other options say.
func parseSides(words []string, flags imageFlags) (sides, error) {
	if len(words) < 2 {
		return nil, badUsage("--bridges %s: one bridge has none to be compared with", strings.Join(words, ","))
	}
	var list sides
	for _, word := range words {
		s := side{bridge: word, spec: flags.spec()}
		if profile, bridge, ok := strings.Cut(word, ":"); ok {
			if _, err := image.FindProfile(profile); err != nil {
				return nil, badUsage("--bridges %s: %w", word, err)
			}
			s = side{bridge: bridge, spec: image.Spec{Profile: profile}}
		}
		if err := checkBridge(s.bridge); err != nil {
			return nil, badUsage("--bridges %s: %w", word, err)
		}
		list = append(list, s)
	}
	return list, nil
}

// profile names the profile of all sides, or where they differ that of each.
func (l sides) profile() string {
	var names []string
	for _, s := range l {
		names = append(names, s.spec.Profile)
	}
	if len(slices.Compact(slices.Clone(names))) == 1 {
		return names[0]
	}
	return strings.Join(names, ",")
}

// during boots all bridges at once, calls do, and ends them.
func (r *replayer) during(ctx context.Context, do func() error) (err error) {
	if err := r.open(ctx); err != nil {
		return err
	}
	defer func() {
		if closed := r.close(); err == nil {
			err = closed
		}
	}()
	return do()
}

func (r *replayer) open(ctx context.Context) (err error) {
	var list []lab.Side
	for _, s := range r.sides {
		img, err := image.Find(s.spec)
		if err != nil {
			return err
		}
		list = append(list, lab.Side{Image: img, Name: s.bridge})
	}
	r.guests, err = lab.OpenAll(ctx, list...)
	for _, b := range r.guests {
		r.bridges = append(r.bridges, b)
	}
	return err
}

func (r *replayer) close() error {
	var errs []error
	for _, b := range r.guests {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}
