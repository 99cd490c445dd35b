package image

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A rootRecord is what root.json says of an OVS root.
type rootRecord struct {
	OVS      string    `json:"ovs"` // upstream's version
	Packages []string  `json:"packages"`
	Recipe   string    `json:"recipe"`
	Built    time.Time `json:"built"`
}

// rootPackages are what a guest runs: OVS, tc and ip, and a shell for a
// person who looks into one.
var rootPackages = []string{"openvswitch-switch", "iproute2", "busybox-static"}

// unwanted packages are depended on by scripts that no guest runs. Whether
// the programs we keep have all their libraries is checked.
var unwanted = regexp.MustCompile(`^(adduser|libpam|python3?|libpython|perl|libperl|debconf|systemd|udev|kmod|openssl$|uuid-runtime|` +
	`media-types|mime-support|tzdata|netbase|lsb-base|libc-gconv|procps|ca-certificates|passwd|dpkg|tar|gcc-.*-base|sysvinit|init-)`)

// wantedFiles are the parts of packages that go into a root.
var wantedFiles = regexp.MustCompile(`^(usr/(bin|sbin|lib64|libexec|share/openvswitch|share/iproute2|lib)|etc/(iproute2|openvswitch))/`)

// unwantedFiles are left out of those.
var unwantedFiles = regexp.MustCompile(`^usr/(lib/(systemd|python3|udev|modprobe\.d|tmpfiles\.d|sysusers\.d|locale)|lib/[^/]*/(gconv|perl|perl-base|audit|systemd)|share/openvswitch/python)/`)

// rootRecipe is the hash of everything that we decide about a root. The
// number stands for what finishRoot does.
func rootRecipe() string {
	return hash(2, rootPackages, unwanted, wantedFiles, unwantedFiles)
}

// A rootBuild makes one OVS root from packages.
type rootBuild struct {
	cache   Cache
	archive *archive
	debs    []deb
	record  rootRecord
	key     string
}

// locate finds out which packages the root is made from.
func (r *rootBuild) locate(ctx context.Context, s *step) error {
	names, err := r.archive.closure(ctx, s, rootPackages...)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, unwanted.MatchString)
	if r.debs, err = r.archive.locate(ctx, s, names...); err != nil {
		return err
	}
	r.record = rootRecord{Recipe: rootRecipe(), Built: time.Now().UTC()}
	contents := []any{rootRecipe()}
	for _, d := range r.debs {
		if d.name == "openvswitch-switch" {
			r.record.OVS = upstream(d.version)
		}
		contents = append(contents, d.name+d.hash)
		r.record.Packages = append(r.record.Packages, d.name+" "+d.version)
	}
	if len(r.debs) != len(names) || r.record.OVS == "" {
		return fmt.Errorf("the mirror %s has %d of %d packages that Open vSwitch needs", r.archive.mirror, len(r.debs), len(names))
	}
	r.key = r.record.OVS + "-" + hash(contents...)
	return nil
}

// upstream returns the upstream part of a Debian version: of
// "2.15.0+ds1-2+deb11u5" it is "2.15.0".
func upstream(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	if i := strings.IndexAny(version, "+-~"); i >= 0 {
		version = version[:i]
	}
	return version
}

func (r *rootBuild) fetch(ctx context.Context, s *step) error {
	return r.archive.fetch(ctx, s, r.debs)
}

// assemble unpacks the packages, without running any of their scripts.
func (r *rootBuild) assemble(ctx context.Context, s *step) error {
	return r.cache.store(rootKind, r.key, r.record, func(dir string) error {
		files := filepath.Join(dir, "files")
		for _, d := range []string{"proc", "sys", "dev", "run", "tmp", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "var"} {
			if err := os.MkdirAll(filepath.Join(files, d), 0o755); err != nil {
				return err
			}
		}
		for _, d := range mergedDirs {
			if err := os.Symlink("usr/"+d, filepath.Join(files, d)); err != nil {
				return err
			}
		}
		for i, d := range r.debs {
			s.print("unpack " + d.file)
			if err := unpackDeb(ctx, s, r.archive.file(d), files, rootName); err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			s.advance(float64(i+1) / float64(len(r.debs)))
		}
		return finishRoot(files)
	})
}

// mergedDirs are links into /usr, as they are in Debian from 12 on: one
// layout for every release.
var mergedDirs = []string{"bin", "sbin", "lib", "lib64"}

// rootName returns where a package's file goes, or "" for nowhere.
func rootName(name string) string {
	if first, _, ok := strings.Cut(name, "/"); ok && slices.Contains(mergedDirs, first) {
		name = "usr/" + name
	}
	if !wantedFiles.MatchString(name) || unwantedFiles.MatchString(name) {
		return ""
	}
	return name
}

// splitDirs are where Debian keeps ovs-vswitchd, and Debian 11 some of its
// libraries; its update-alternatives, a script, links them to where they are
// looked for.
var splitDirs = []string{"usr/lib/openvswitch-common", "usr/lib/openvswitch-switch"}

// libraryDirs are where a guest's dynamic linker looks without a cache; the
// packages' links by soname are in the first.
var libraryDirs = []string{"usr/lib/x86_64-linux-gnu", "usr/lib"}

// finishRoot does what scripts of packages would, and checks the result.
func finishRoot(files string) error {
	for _, dir := range splitDirs {
		if err := linkSplit(files, dir); err != nil {
			return err
		}
	}
	if err := os.Symlink("busybox", filepath.Join(files, "usr/bin/sh")); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return checkRoot(files)
}

func linkSplit(files, from string) error {
	list, err := os.ReadDir(filepath.Join(files, from))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range list {
		dir := "usr/sbin"
		if strings.Contains(e.Name(), ".so") {
			dir = libraryDirs[0]
		}
		target, err := filepath.Rel("/"+dir, "/"+from+"/"+e.Name())
		if err != nil {
			return err
		}
		if err := os.Symlink(target, filepath.Join(files, dir, e.Name())); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// rootNeeds are the files without which a directory is no OVS root, each
// with the directories it may be in. The agent looks there too.
var rootNeeds = map[string][]string{
	"ovs-vswitchd":         append([]string{"usr/sbin", "usr/local/sbin", "sbin"}, splitDirs...),
	"ovsdb-server":         {"usr/sbin", "usr/local/sbin", "sbin"},
	"vswitch.ovsschema":    {"usr/share/openvswitch", "usr/local/share/openvswitch"},
	"tc":                   {"usr/sbin", "sbin", "usr/bin", "bin"},
	"ovs-ofctl":            {"usr/bin", "usr/local/bin", "bin"},
	"ovs-appctl":           {"usr/bin", "usr/local/bin", "bin"},
	"ld-linux-x86-64.so.2": {"usr/lib64", "lib64"},
}

// findIn returns the path of a file in a root.
func findIn(root, name string, dirs []string) (string, bool) {
	for _, dir := range dirs {
		path := filepath.Join(root, dir, name)
		if _, err := os.Lstat(path); err == nil {
			return path, true
		}
	}
	return "", false
}

// checkRoot reports whether a directory has OVS, and every library that OVS
// asks for.
func checkRoot(root string) error {
	var checked = map[string]bool{}
	for name, dirs := range rootNeeds {
		path, ok := findIn(root, name, dirs)
		switch {
		case !ok && strings.HasPrefix(name, "ov"):
			return fmt.Errorf("OVS root %s: no %s in %s", root, name, strings.Join(dirs, ", "))
		case !ok || name == "vswitch.ovsschema":
			continue
		}
		if err := checkLibraries(root, path, checked); err != nil {
			return fmt.Errorf("OVS root %s: %w", root, err)
		}
	}
	return nil
}

// checkLibraries follows what an executable needs.
func checkLibraries(root, path string, checked map[string]bool) error {
	path, err := resolveIn(root, path)
	if err != nil || checked[path] {
		return err
	}
	checked[path] = true
	f, err := elf.Open(path)
	if errors.As(err, new(*elf.FormatError)) || errors.Is(err, io.EOF) {
		return nil // A script.
	}
	if err != nil {
		return err
	}
	defer f.Close()
	needed, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, name := range needed {
		library, ok := findIn(root, name, slices.Concat(libraryDirs, splitDirs, []string{"usr/lib64", "lib64", "lib/x86_64-linux-gnu", "lib", "usr/local/lib"}))
		if !ok {
			return fmt.Errorf("%s needs %s, which is not there", path, name)
		}
		if err := checkLibraries(root, library, checked); err != nil {
			return err
		}
	}
	return nil
}

// linksFollowed bounds a chain of links, as the kernel's 40 does.
const linksFollowed = 40

// resolveIn follows links as they are in a guest, whose / is root.
func resolveIn(root, path string) (string, error) {
	for range linksFollowed {
		target, err := os.Readlink(path)
		if err != nil {
			return path, nil //nolint:nilerr // not a link; if it is not there, the caller sees
		}
		if filepath.IsAbs(target) {
			path = filepath.Join(root, target)
		} else {
			path = filepath.Join(filepath.Dir(path), target)
		}
	}
	return "", fmt.Errorf("%s: too many links", path)
}
