package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A kernelRecord is what kernel.json says of a kernel.
type kernelRecord struct {
	Version string `json:"version"` // as uname -r says
	// Source is the package and its version, or the user's directory.
	Source   string    `json:"source"`
	Compiler string    `json:"compiler"`
	Recipe   string    `json:"recipe"`
	KCOV     bool      `json:"kcov"`
	Objects  int       `json:"objects"` // files that a build from nothing compiles
	Built    time.Time `json:"built"`
}

// current reports whether this version of ctdiff would build it likewise.
func (r kernelRecord) current() bool {
	v, err := parseVersion(r.Version)
	return err == nil && r.Recipe == kernelRecipe(v)
}

// A kernelBuild makes one kernel from a tree.
type kernelBuild struct {
	cache  Cache
	source string // never written to
	build  string // where the objects go
	record kernelRecord
	// key is the artefact's name; from a user's tree it is known once the
	// kernel is.
	key string
}

// objectsGuess is how many objects a kernel has if none was built before:
// 733 (5.10) to 837 (7.2) with the options above.
const objectsGuess = 800

// unneeded are files that no User-Mode Linux is made from: two thirds of a
// tree. A source that were needed after all would stop the build.
var unneeded = regexp.MustCompile(`^(` +
	`arch/([^/]+)/.*` +
	`|drivers/(accel|clk|crypto|gpu|hwmon|iio|infiniband|media|mtd|net/ethernet|net/wireless|phy|pinctrl|scsi|soc|staging|usb)/.*\.[chS]` +
	`|sound/.*\.[ch]` +
	`|Documentation/[^/]+/.*` +
	`|tools/(perf|testing)/.*` +
	`)$`)

// makeFiles are read by Kconfig and make for all architectures.
var makeFiles = regexp.MustCompile(`(^|/)(Kconfig|Kbuild|Makefile)[^/]*$`)

// wantSource reports whether a file of a kernel's source is to be unpacked.
func wantSource(name string) bool {
	m := unneeded.FindStringSubmatch(name)
	return m == nil || m[2] == "um" || m[2] == "x86" || makeFiles.MatchString(name)
}

// parseVersion reads "6.12", or the beginning of "6.12.3-rc1".
func parseVersion(text string) (version, error) {
	var v version
	if n, _ := fmt.Sscanf(text, "%d.%d", &v.major, &v.minor); n != 2 {
		return version{}, fmt.Errorf("%q is not a kernel version", text)
	}
	return v, nil
}

var makefileVersion = regexp.MustCompile(`(?m)^VERSION = (\d+)\nPATCHLEVEL = (\d+)$`)

// sourceVersion reads the version of a kernel tree from its Makefile.
func sourceVersion(tree string) (version, error) {
	text, err := os.ReadFile(filepath.Join(tree, "Makefile"))
	if err != nil {
		return version{}, err
	}
	m := makefileVersion.FindSubmatch(text)
	if m == nil {
		return version{}, fmt.Errorf("%s/Makefile does not give a kernel version", tree)
	}
	return parseVersion(string(m[1]) + "." + string(m[2]))
}

// checkTree returns an [InputError] if a user's directory is not a kernel
// tree that can be built without writing to it.
func checkTree(dir string) error {
	for _, file := range []string{"Makefile", "Kconfig", "arch/um/Makefile", "net/openvswitch/Makefile"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			return badInput("%s is not a Linux source tree: %w", dir, err)
		}
	}
	// The top Makefile refuses such a tree, in other words.
	for _, file := range []string{".config", "include/config", "arch/um/include/generated"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
			return badInput("%s holds the results of a build inside the tree (%s), which keeps make from building elsewhere: "+
				"run make ARCH=um mrproper there, which removes its .config too, or give a clean copy such as git worktree add makes", dir, file)
		}
	}
	return checkMakePath(dir)
}

// checkMakePath refuses what the kernel's Makefile does not take as a
// directory's name, and apt's configuration does not either.
func checkMakePath(dir string) error {
	if strings.ContainsAny(dir, " \t\n:\"#$%'\\") {
		return badInput("%q: make takes no directory with spaces, colons, quotes, or one of #$%%\\ in its name", dir)
	}
	return nil
}

// reproducible are the variables that keep time, user and host out of a
// kernel, so that the same source gives the same bytes on every machine with
// the same compiler.
var reproducible = []string{
	"KBUILD_BUILD_TIMESTAMP=@0", "KBUILD_BUILD_USER=ctdiff", "KBUILD_BUILD_HOST=ctdiff", "KBUILD_BUILD_VERSION=1",
}

func (k *kernelBuild) make(argv ...string) command {
	// The versions of these two get into .config where they are installed,
	// though nothing here is made with them.
	argv = append([]string{"make", "-C", k.source, "O=" + k.build, "ARCH=um", "RUSTC=false", "PAHOLE=false", "CC=" + k.compiler()}, argv...)
	return command{argv: argv, env: reproducible}
}

// compilerScript is gcc, but for one constant that it writes into the assembly
// of arch/x86/um/user-offsets.c: the room that User-Mode Linux has for a
// process's extended registers. Up to Linux 6.12 that is 2696 bytes, and where
// the processor has more (AMX: 11008) the host's ptrace refuses to set them,
// so that the guest's first process dies. No tree needs a patch this way.
const compilerScript = `#!/bin/sh
gcc "$@" || exit
out=
for word; do
	case $previous in -o) out=$word ;; esac
	previous=$word
done
case $out in
*/user-offsets.s) sed -i 's/->HOST_FP_SIZE \$337 /->HOST_FP_SIZE $1536 /' "$out" ;;
esac
`

func (k *kernelBuild) compiler() string { return filepath.Join(k.build, "ctdiff-cc") }

// configure writes .config, and checks that every option took effect.
func (k *kernelBuild) configure(ctx context.Context, s *step) error {
	if err := os.MkdirAll(k.build, 0o755); err != nil {
		return err
	}
	v, err := sourceVersion(k.source)
	if err != nil {
		return err
	}
	if err := os.WriteFile(k.compiler(), []byte(compilerScript), 0o755); err != nil {
		return err
	}
	wanted := filepath.Join(k.build, "ctdiff.config")
	if err := os.WriteFile(wanted, []byte(fragment(v)), 0o644); err != nil {
		return err
	}
	all := k.make("allnoconfig")
	all.env = append([]string{"KCONFIG_ALLCONFIG=" + wanted}, all.env...)
	if err := s.run(ctx, all); err != nil {
		return err
	}
	if err := s.run(ctx, k.make("olddefconfig")); err != nil {
		return err
	}
	return checkConfig(filepath.Join(k.build, ".config"), v)
}

func checkConfig(file string, v version) error {
	config, err := os.Open(file)
	if err != nil {
		return err
	}
	defer config.Close()
	missing, err := missingOptions(config, optionsFor(v))
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if missing != nil {
		return &MissingOptionError{Kernel: v.String(), Names: missing}
	}
	return nil
}

// compile makes the executable. Interrupted, it goes on where it was.
func (k *kernelBuild) compile(ctx context.Context, s *step) error {
	variables, err := coverVariables(k.source)
	if err != nil {
		return err
	}
	argv := append([]string{"-j" + strconv.Itoa(runtime.NumCPU())}, variables...)
	c := k.make(append(argv, "linux")...)
	compiled, expected := countObjects(k.build), max(k.record.Objects, 1)
	c.line = func(text string) {
		if strings.HasPrefix(text, "  CC ") {
			compiled++
			s.advance(float64(compiled) / float64(expected))
		}
	}
	if err := s.run(ctx, c); err != nil {
		return err
	}
	k.record.Objects = countObjects(k.build)
	return nil
}

func countObjects(dir string) (n int) {
	// What cannot be read is not counted: the number moves the bar, no more.
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".o" {
			n++
		}
		return nil
	})
	return n
}

// store keeps the kernel under its name, without its symbol table, which is
// kept beside it.
func (k *kernelBuild) store(ctx context.Context, s *step) error {
	stripped := filepath.Join(k.build, "linux.stripped")
	if err := s.run(ctx, command{argv: []string{"strip", "-o", stripped, filepath.Join(k.build, "linux")}}); err != nil {
		return err
	}
	release, err := s.output(ctx, command{argv: []string{stripped, "--version"}})
	if err != nil {
		return fmt.Errorf("the kernel does not run here (is %s on a file system mounted noexec?): %w", k.cache, err)
	}
	k.record.Version = strings.TrimSpace(release)
	v, err := sourceVersion(k.source)
	if err != nil {
		return err
	}
	k.record.KCOV, k.record.Recipe, k.record.Built = true, kernelRecipe(v), time.Now().UTC()
	if k.key == "" {
		sum, err := hashFile(filepath.Join(k.build, "linux"))
		if err != nil {
			return err
		}
		k.key = k.record.Version + "-" + hash(sum, k.record.Recipe)
	}
	if k.cache.has(kernelKind, k.key) {
		return nil
	}
	return k.cache.store(kernelKind, k.key, k.record, func(dir string) error {
		for to, from := range map[string]string{"linux": "linux.stripped", "vmlinux": "linux", "System.map": "System.map", "config": ".config"} {
			if err := copyFile(filepath.Join(k.build, from), filepath.Join(dir, to)); err != nil {
				return err
			}
		}
		return nil
	})
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm()|0o444)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
