package campaign

import (
	"fmt"
	"os"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
)

// The environment variables that choose for a fuzz target under go test what
// options choose for the ctdiff command.
const (
	// ProfileEnv names the profile; debian-11 if it is not set.
	ProfileEnv = "CTDIFF_PROFILE"
	// KernelSrcEnv, KernelImageEnv and OVSRootEnv are what --kernel-src,
	// --kernel-image and --ovs-root are: the user's own kernel and root.
	KernelSrcEnv   = "CTDIFF_KERNEL_SRC"
	KernelImageEnv = "CTDIFF_KERNEL_IMAGE"
	OVSRootEnv     = "CTDIFF_OVS_ROOT"
	// BridgesEnv is a list such as "system,tc", which is what it is if not set.
	BridgesEnv = "CTDIFF_BRIDGES"
	// LevelEnv is the isolation level of the screening; warm if it is not set.
	LevelEnv = "CTDIFF_LEVEL"
	// CoverageEnv says what the kernels' coverage is for: see [Coverage].
	CoverageEnv = "CTDIFF_COVERAGE"
	// PipelineEnv is a file of rules that take the place of those of the
	// target.
	PipelineEnv = "CTDIFF_PIPELINE"
	// KnownEnv is a file of known issues, besides those that ctdiff knows.
	KnownEnv = "CTDIFF_KNOWN"
	// OutEnv is the directory of a campaign: see package corpus. The target
	// then does not fail when bridges differ, but leaves the trace there to be
	// examined, and goes on.
	OutEnv = "CTDIFF_OUT"
)

// Coverage says what the coverage of the guests' kernels is for.
type Coverage string

// What it can be for.
const (
	// CoverageGuide has it, and what else is observed, lead Go's fuzzer.
	CoverageGuide Coverage = "guide"
	// CoverageMeasure has it counted only.
	CoverageMeasure Coverage = "measure"
	// CoverageOff has none recorded, which is faster.
	CoverageOff Coverage = "off"
)

// ParseCoverage returns what a word stands for.
func ParseCoverage(word string) (Coverage, error) {
	switch c := Coverage(word); c {
	case CoverageGuide, CoverageMeasure, CoverageOff:
		return c, nil
	}
	return "", fmt.Errorf("coverage %q: not one of guide, measure, off", word)
}

// Settings are what the environment chooses for a fuzz target. Files and
// directories are empty if there are none.
type Settings struct {
	Profile                         string
	KernelSrc, KernelImage, OVSRoot string
	Bridges                         []string
	Level                           replay.Level
	Coverage                        Coverage
	Pipeline, Known, Out            string
}

// FromEnv returns the settings of the environment.
func FromEnv() (Settings, error) {
	s := Settings{
		Profile:   env(ProfileEnv, "debian-11"),
		KernelSrc: os.Getenv(KernelSrcEnv), KernelImage: os.Getenv(KernelImageEnv), OVSRoot: os.Getenv(OVSRootEnv),
		Bridges:  strings.Split(env(BridgesEnv, "system,tc"), ","),
		Pipeline: os.Getenv(PipelineEnv), Known: os.Getenv(KnownEnv), Out: os.Getenv(OutEnv),
	}
	level, err := replay.ParseLevel(env(LevelEnv, string(replay.Warm)))
	if err != nil {
		return s, fmt.Errorf("%s: %w", LevelEnv, err)
	}
	if s.Level = level; len(s.Bridges) < 2 {
		return s, fmt.Errorf("%s: %d bridge, and a comparison needs two", BridgesEnv, len(s.Bridges))
	}
	if s.Coverage, err = ParseCoverage(env(CoverageEnv, string(CoverageGuide))); err != nil {
		return s, fmt.Errorf("%s: %w", CoverageEnv, err)
	}
	return s, nil
}

func env(name, standard string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return standard
}

// environ returns the environment that has FromEnv return s.
func (s Settings) environ() []string {
	list := os.Environ()
	for _, v := range [][2]string{
		{ProfileEnv, s.Profile}, {KernelSrcEnv, s.KernelSrc}, {KernelImageEnv, s.KernelImage}, {OVSRootEnv, s.OVSRoot},
		{BridgesEnv, strings.Join(s.Bridges, ",")}, {LevelEnv, string(s.Level)}, {CoverageEnv, string(s.Coverage)},
		{PipelineEnv, s.Pipeline}, {KnownEnv, s.Known}, {OutEnv, s.Out},
	} {
		list = append(list, v[0]+"="+v[1])
	}
	return list
}
