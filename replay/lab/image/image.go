package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// A Spec says which kernel and which OVS are wanted.
type Spec struct {
	// Profile is a name of [Profiles]: the kernel and the OVS, where the
	// fields below do not replace them. It may be empty if they replace both.
	Profile string
	// KernelSrc is a Linux source tree of the user's, to build the kernel
	// from. Nothing is written to it.
	KernelSrc string
	// KernelImage is a User-Mode Linux executable of the user's. At most one
	// of KernelSrc and KernelImage is set.
	KernelImage string
	// OVSRoot is a root directory of the user's with OVS, used in place.
	OVSRoot string
	// Mirror is the URL of a Debian archive; that of the machine's own apt
	// if empty.
	Mirror string
	// Refresh has [Build] ask the mirror for newer packages, though the
	// profile is built.
	Refresh bool
	// Cache is where artefacts are; [DefaultCache] if empty.
	Cache Cache
}

// An Image is what a guest boots from. All paths are absolute.
type Image struct {
	Profile string
	// Kernel is the User-Mode Linux executable.
	Kernel string
	// KernelVersion is what uname -r says in the guest, such as "5.10.223".
	KernelVersion string
	// KCOV says that the kernel records coverage.
	KCOV bool
	// Symbols is the executable with its symbol table, SystemMap the table as
	// text; both are empty for a user's own executable.
	Symbols, SystemMap string
	// Root is the directory that becomes the guest's root, read-only.
	Root string
	// OVSVersion is such as "2.15.0"; empty for a user's own root, where the
	// guest has to be asked.
	OVSVersion string
}

// normalize makes a spec's paths absolute and checks what can be checked
// without looking at the disk.
func (s Spec) normalize() (Spec, error) {
	if s.KernelSrc != "" && s.KernelImage != "" {
		return s, badInput("--kernel-src and --kernel-image exclude each other")
	}
	if s.Profile == "" && (s.OVSRoot == "" || s.KernelSrc+s.KernelImage == "") {
		return s, badInput("no profile: it gives the kernel and the OVS root where they are not both given")
	}
	if s.Profile != "" {
		if _, err := FindProfile(s.Profile); err != nil {
			return s, err
		}
	}
	if s.Mirror != "" {
		if err := checkMirror(s.Mirror); err != nil {
			return s, err
		}
		s.Mirror = strings.TrimRight(s.Mirror, "/")
	}
	if s.Cache == "" {
		cache, err := DefaultCache()
		if err != nil {
			return s, err
		}
		s.Cache = cache
	}
	for _, path := range []*string{&s.KernelSrc, &s.KernelImage, &s.OVSRoot, (*string)(&s.Cache)} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return s, err
		}
		*path = abs
	}
	return s, checkMakePath(string(s.Cache))
}

// kernelName is the name in the cache that the kernel goes by.
func (s Spec) kernelName() string {
	if s.KernelSrc != "" {
		return "src-" + hash(s.KernelSrc)
	}
	return s.Profile
}

// command is what builds the spec.
func (s Spec) command() string {
	words := []string{"ctdiff lab build"}
	for _, o := range []struct{ flag, value string }{
		{"--profile", s.Profile}, {"--kernel-src", s.KernelSrc}, {"--kernel-image", s.KernelImage}, {"--ovs-root", s.OVSRoot},
	} {
		if o.value != "" {
			words = append(words, o.flag, o.value)
		}
	}
	return strings.Join(words, " ")
}

// Find returns the image of a spec. It takes a millisecond: it asks neither
// the network nor a process. What is not built is an [ErrNotBuilt]; bad input
// is an [InputError]. With KernelSrc it returns the kernel that was last built
// from the directory, whether or not that has changed since.
func Find(spec Spec) (Image, error) {
	spec, err := spec.normalize()
	if err != nil {
		return Image{}, err
	}
	image := Image{Profile: spec.Profile}
	if err := image.findKernel(spec); err != nil {
		return Image{}, err
	}
	if err := image.findRoot(spec); err != nil {
		return Image{}, err
	}
	return image, nil
}

func (i *Image) findKernel(spec Spec) error {
	if spec.KernelImage != "" {
		return i.readKernel(spec.KernelImage)
	}
	var record kernelRecord
	dir, err := spec.Cache.read(kernelKind, spec.kernelName(), &record)
	if err == nil && !record.current() {
		err = fmt.Errorf("%w by this version of ctdiff, which wants other options", ErrNotBuilt)
	}
	if err != nil {
		return fmt.Errorf("kernel of %s: %w; build it with: %s", cmpName(spec.Profile, spec.KernelSrc), err, spec.command())
	}
	i.Kernel, i.Symbols, i.SystemMap = filepath.Join(dir, "linux"), filepath.Join(dir, "vmlinux"), filepath.Join(dir, "System.map")
	i.KernelVersion, i.KCOV = record.Version, record.KCOV
	return nil
}

func cmpName(profile, dir string) string {
	if dir != "" {
		return dir
	}
	return profile
}

func (i *Image) findRoot(spec Spec) error {
	if spec.OVSRoot != "" {
		for _, name := range []string{"ovs-vswitchd", "ovsdb-server"} {
			if _, ok := findIn(spec.OVSRoot, name, rootNeeds[name]); !ok {
				return badInput("--ovs-root %s: no %s in %s", spec.OVSRoot, name, strings.Join(rootNeeds[name], ", "))
			}
		}
		i.Root = spec.OVSRoot
		return nil
	}
	var record rootRecord
	dir, err := spec.Cache.read(rootKind, spec.Profile, &record)
	if err == nil && record.Recipe != rootRecipe() {
		err = fmt.Errorf("%w by this version of ctdiff, which wants other packages", ErrNotBuilt)
	}
	if err != nil {
		return fmt.Errorf("OVS of %s: %w; build it with: %s", spec.Profile, err, spec.command())
	}
	i.Root, i.OVSVersion = filepath.Join(dir, "files"), record.OVS
	return nil
}

// read returns the directory that a name stands for, and its record.
func (c Cache) read(k kind, name string, record any) (string, error) {
	key, err := os.Readlink(c.path(string(k), name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrNotBuilt
	}
	if err != nil {
		return "", err
	}
	dir := c.path(string(k), key)
	text, err := os.ReadFile(filepath.Join(dir, k.record()))
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrNotBuilt
	}
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(text, record); err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(dir, k.record()), err)
	}
	return dir, nil
}

// Built says what is there under one name: a profile, or src-HASH for a
// kernel of a user's tree. What is not built is empty.
type Built struct {
	Name                      string
	KernelVersion, OVSVersion string
	// Source is the kernel's: the package, or the user's directory.
	Source string
	// Kernel is the executable, Root the OVS root.
	Kernel, Root string
	// Time is when the later of them was built.
	Time time.Time
	// Bytes is what both take on the disk, not counting what they share with
	// others.
	Bytes int64
	// Stale says that this version of ctdiff builds them in another way.
	Stale bool
}

// List returns all profiles, and the user's own trees that kernels were built
// from.
func List(cache Cache) ([]Built, error) {
	var names []string
	for _, p := range Profiles() {
		names = append(names, p.Name)
	}
	kernels, _, err := cache.entries(kernelKind)
	if err != nil {
		return nil, fmt.Errorf("list the cache: %w", err)
	}
	var own []string
	for name := range kernels {
		if strings.HasPrefix(name, "src-") {
			own = append(own, name)
		}
	}
	sort.Strings(own)
	var list []Built
	for _, name := range append(names, own...) {
		b, err := cache.built(name)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", name, err)
		}
		list = append(list, b)
	}
	return list, nil
}

func (c Cache) built(name string) (Built, error) {
	b := Built{Name: name}
	var kernel kernelRecord
	switch dir, err := c.read(kernelKind, name, &kernel); {
	case err == nil:
		b.Kernel, b.KernelVersion, b.Source = filepath.Join(dir, "linux"), kernel.Version, kernel.Source
		b.Time, b.Bytes = kernel.Built, sizeOf(dir)
		b.Stale = !kernel.current()
	case !errors.Is(err, ErrNotBuilt):
		return b, err
	}
	var root rootRecord
	switch dir, err := c.read(rootKind, name, &root); {
	case err == nil:
		b.Root, b.OVSVersion = filepath.Join(dir, "files"), root.OVS
		b.Bytes += sizeOf(dir)
		b.Stale = b.Stale || root.Recipe != rootRecipe()
		if root.Built.After(b.Time) {
			b.Time = root.Built
		}
	case !errors.Is(err, ErrNotBuilt):
		return b, err
	}
	return b, nil
}

func sizeOf(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // what cannot be read is not counted
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}
