package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// buildSpace is the disk space that a build takes at its height: packages
// and lists (0.4 GB), the source tree (0.4 GB), objects and results (0.3 GB),
// and some to spare.
const buildSpace = 2 << 30

// Build returns the image of a spec, building what is not there: about three
// minutes for a profile on two processors, seconds for a user's tree that was
// built before. One build runs at a time in a cache; others wait. Cancelled,
// it leaves no process and no half of an artefact behind, and the next build
// goes on where it was. A progress of nil is silent.
//
// Errors are an [InputError], a [StepError], a [DiskFullError], a
// [ReleaseError], a [MissingOptionError], or ctx's cause, wrapped.
func Build(ctx context.Context, spec Spec, progress Progress) (Image, error) {
	if progress == nil {
		progress = silent{}
	}
	defer progress.Close()
	spec, err := spec.normalize()
	if err != nil {
		return Image{}, err
	}
	if spec.KernelSrc != "" {
		if err := checkTree(spec.KernelSrc); err != nil {
			return Image{}, err
		}
	}
	if spec.OVSRoot != "" {
		if err := checkRoot(spec.OVSRoot); err != nil {
			return Image{}, &InputError{err}
		}
	}
	if image, err := Find(spec); err == nil && !spec.rebuilds() || errors.As(err, new(*InputError)) {
		return image, err
	}
	if runtime.GOARCH != "amd64" {
		return Image{}, fmt.Errorf("the lab needs an x86-64 machine, as User-Mode Linux does; this is %s", runtime.GOARCH)
	}
	unlock, err := spec.Cache.lock(ctx, func() { progress.Note("another ctdiff builds in " + string(spec.Cache) + ": waiting for it") })
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	// Who held the lock may have built just this.
	if image, err := Find(spec); err == nil && !spec.rebuilds() {
		return image, nil
	}
	b := &builder{spec: spec, plan: &plan{cache: spec.Cache, progress: progress, total: 200}}
	if err := b.build(ctx); err != nil {
		return Image{}, err
	}
	return Find(spec)
}

// rebuilds reports whether there may be something to do though all is there.
func (s Spec) rebuilds() bool { return s.Refresh || s.KernelSrc != "" }

// A builder is one build, holding the cache's lock.
type builder struct {
	spec Spec
	plan *plan
}

func (b *builder) build(ctx context.Context) error {
	free, err := spaceOf(string(b.spec.Cache))
	if err != nil {
		return err
	}
	// What an interrupted build has left is part of it.
	if done := uint64(sizeOf(b.spec.Cache.work(b.spec.kernelName()))); free+done < buildSpace {
		return &DiskFullError{Dir: string(b.spec.Cache), Need: buildSpace - done, Free: free}
	}
	if err := b.spec.Cache.clean(); err != nil {
		return fmt.Errorf("clean up after an interrupted build: %w", err)
	}
	if b.spec.KernelSrc != "" {
		if err := b.treeKernel(ctx); err != nil {
			return err
		}
	}
	return b.release(ctx)
}

// treeKernel builds a user's tree. Its objects stay, so that the next time
// only what changed is compiled.
func (b *builder) treeKernel(ctx context.Context) error {
	if err := lookPrograms(kernelPrograms...); err != nil {
		return err
	}
	name := b.spec.kernelName()
	k := &kernelBuild{cache: b.spec.Cache, source: b.spec.KernelSrc, build: b.spec.Cache.path("work", name, "build")}
	k.record = kernelRecord{Source: b.spec.KernelSrc, Objects: objectsGuess}
	var before kernelRecord
	if _, err := b.spec.Cache.read(kernelKind, name, &before); err == nil {
		k.record.Objects = before.Objects
	}
	tasks := append([]task{{"ask for the compiler's version", "compiler", 1, k.askCompiler}}, k.tasks()...)
	b.expect(tasks)
	if err := b.plan.run(ctx, name, tasks...); err != nil {
		return err
	}
	return b.spec.Cache.use(kernelKind, name, k.key)
}

// kernelPrograms and debianPrograms are what the host needs to build a kernel,
// and to get packages.
var (
	kernelPrograms = []string{"gcc", "ld", "strip", "make", "flex", "bison", "bc", "perl"}
	debianPrograms = []string{"apt-get", "apt-cache", "apt-config", "dpkg-deb", "xz"}
)

func (k *kernelBuild) tasks() []task {
	return []task{
		{"configure the kernel", "configure", 6, k.configure},
		{"compile the kernel", "compile", 150, k.compile},
		{"keep the kernel", "keep", 1, k.store},
	}
}

func (k *kernelBuild) askCompiler(ctx context.Context, s *step) error {
	text, err := s.output(ctx, command{argv: []string{"gcc", "--version"}})
	k.record.Compiler, _, _ = strings.Cut(text, "\n")
	return err
}

// release builds what of the profile is wanted and not there.
func (b *builder) release(ctx context.Context) error {
	cache, name := b.spec.Cache, b.spec.Profile
	needKernel := b.spec.KernelSrc+b.spec.KernelImage == ""
	needRoot := b.spec.OVSRoot == ""
	if !b.spec.Refresh {
		var image Image
		needKernel = needKernel && image.findKernel(b.spec) != nil
		needRoot = needRoot && image.findRoot(b.spec) != nil
	}
	if !needKernel && !needRoot {
		return nil
	}
	d, err := b.openRelease(ctx, needKernel, needRoot)
	if err != nil {
		return err
	}
	if err := b.plan.run(ctx, name, d.tasks()...); err != nil {
		return err
	}
	if needKernel {
		if err := cache.use(kernelKind, name, d.kernel.key); err != nil {
			return cache.full(err)
		}
	}
	if needRoot {
		if err := cache.use(rootKind, name, d.root.key); err != nil {
			return cache.full(err)
		}
	}
	return os.RemoveAll(cache.work(name))
}

// A release is a profile's kernel and root while they are built; those that
// are not wanted are nil.
type release struct {
	archive *archive
	deb     deb // the kernel's source
	kernel  *kernelBuild
	root    *rootBuild
	unpack  string // where the source is unpacked, until it is whole
}

// openRelease finds out from the mirror what is to be built.
func (b *builder) openRelease(ctx context.Context, kernel, root bool) (*release, error) {
	profile, err := FindProfile(b.spec.Profile)
	if err != nil {
		return nil, err
	}
	programs := debianPrograms
	if kernel {
		programs = append(programs, kernelPrograms...)
	}
	if err := lookPrograms(programs...); err != nil {
		return nil, err
	}
	if err := checkKeyring(); err != nil {
		return nil, err
	}
	work := b.spec.Cache.work(profile.Name)
	r := &release{archive: &archive{dir: work, profile: profile, mirror: b.spec.Mirror}}
	if kernel {
		r.kernel = &kernelBuild{cache: b.spec.Cache, record: kernelRecord{Objects: objectsGuess}}
	}
	if root {
		r.root = &rootBuild{cache: b.spec.Cache, archive: r.archive}
	}
	look := task{"look at the mirror", "mirror", 6, func(ctx context.Context, s *step) error { return b.look(ctx, s, r) }}
	if err := b.plan.run(ctx, profile.Name, look); err != nil {
		return nil, err
	}
	b.expect(r.tasks())
	return r, nil
}

// look asks the mirror for the packages, which give the artefacts their keys.
func (b *builder) look(ctx context.Context, s *step, r *release) error {
	if r.archive.mirror == "" {
		mirror, source, err := findMirror(ctx, s)
		if err != nil {
			return err
		}
		r.archive.mirror = mirror
		b.plan.progress.Note("mirror " + mirror + ", from " + source)
	}
	if err := r.archive.open(ctx, s); err != nil {
		return err
	}
	if err := r.archive.update(ctx, s); err != nil {
		return err
	}
	if r.root != nil {
		if err := r.root.locate(ctx, s); err != nil {
			return err
		}
	}
	if r.kernel == nil {
		return nil
	}
	return r.locateKernel(ctx, s)
}

func (r *release) locateKernel(ctx context.Context, s *step) error {
	name, err := r.archive.kernelPackage(ctx, s)
	if err != nil {
		return err
	}
	debs, err := r.archive.locate(ctx, s, name)
	if err != nil {
		return err
	}
	if len(debs) != 1 {
		return fmt.Errorf("the mirror %s has no package %s", r.archive.mirror, name)
	}
	r.deb = debs[0]
	if err := r.kernel.askCompiler(ctx, s); err != nil {
		return err
	}
	k := r.kernel
	k.record.Source = r.deb.name + " " + r.deb.version
	v, err := parseVersion(r.deb.version)
	if err != nil {
		return err
	}
	inputs := hash(kernelRecipe(v), r.deb.hash, k.record.Compiler)
	k.key = r.deb.version + "-" + inputs
	// An interrupted build's of something else is not to be built on.
	work := hash(inputs, unneeded, makeFiles)
	k.source, k.build = r.archive.dir+"/source-"+work, r.archive.dir+"/build-"+work
	r.unpack = k.source + ".part"
	return nil
}

// tasks are what is left to do.
func (r *release) tasks() []task {
	var tasks []task
	if r.root != nil && !r.root.cache.has(rootKind, r.root.key) {
		tasks = append(tasks,
			task{"download Open vSwitch " + r.root.record.OVS, "ovs-download", 3, r.root.fetch},
			task{"unpack Open vSwitch " + r.root.record.OVS, "ovs-unpack", 2, r.root.assemble})
	}
	if r.kernel != nil && !r.kernel.cache.has(kernelKind, r.kernel.key) {
		tasks = append(tasks,
			task{"download " + r.deb.name + " " + r.deb.version, "download", 8, r.fetchSource},
			task{"unpack the kernel", "unpack", 10, r.unpackSource})
		tasks = append(tasks, r.kernel.tasks()...)
	}
	return tasks
}

func (r *release) fetchSource(ctx context.Context, s *step) error {
	if _, err := os.Stat(r.kernel.source); err == nil {
		return nil // An interrupted build got this far.
	}
	return r.archive.fetch(ctx, s, []deb{r.deb})
}

func (r *release) unpackSource(ctx context.Context, s *step) error {
	if _, err := os.Stat(r.kernel.source); err == nil {
		return nil
	}
	if err := os.RemoveAll(r.unpack); err != nil {
		return err
	}
	if err := os.MkdirAll(r.unpack, 0o755); err != nil {
		return err
	}
	if err := unpackSource(ctx, s, r.archive.file(r.deb), r.deb.size, r.unpack); err != nil {
		return err
	}
	return os.Rename(r.unpack, r.kernel.source)
}

// expect tells the bar what is to come.
func (b *builder) expect(tasks []task) {
	b.plan.total = b.plan.done
	for _, t := range tasks {
		b.plan.total += t.seconds
	}
	if b.spec.KernelSrc != "" && b.spec.OVSRoot == "" {
		b.plan.total += 12 // the root, which comes after
	}
}
