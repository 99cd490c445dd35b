package image

import (
	"bytes"
	"fmt"
	"os"
	"regexp"

	"golang.org/x/sys/unix"
)

// readKernel takes a user's executable, of which it reads the version and the
// options.
func (i *Image) readKernel(file string) error {
	text, unmap, err := mapProgram(file)
	if err != nil {
		return badInput("--kernel-image %s: %w", file, err)
	}
	defer unmap()
	set := builtOptions(text)
	m := banner.FindSubmatch(text)
	if m == nil || !set["UML"] {
		return badInput("--kernel-image %s: not a User-Mode Linux kernel", file)
	}
	v, err := parseVersion(string(m[1]))
	if err != nil {
		return badInput("--kernel-image %s: %w", file, err)
	}
	var missing []string
	for _, name := range optionsFor(v) {
		// Coverage is wanted, but not needed.
		if !set[name] && name != "KCOV" && name != "DEBUG_FS" {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return &InputError{&MissingOptionError{Kernel: file, Names: missing}}
	}
	i.Kernel, i.KernelVersion, i.KCOV = file, string(m[1]), set["KCOV"]
	return nil
}

// mapProgram maps an executable file: reading one of 8 MB takes longer than
// everything else that Find does.
func mapProgram(file string) (text []byte, unmap func(), err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 || info.Size() == 0 {
		return nil, nil, fmt.Errorf("not an executable")
	}
	text, err = unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return nil, nil, fmt.Errorf("map: %w", err)
	}
	return text, func() { _ = unix.Munmap(text) }, nil
}

var banner = regexp.MustCompile(`Linux version (\d+\.\d+\S*) \(`)

// builtOptions returns the options that a kernel was built with: User-Mode
// Linux carries its .config as strings, for its option --showconfig.
func builtOptions(text []byte) map[string]bool {
	set := map[string]bool{}
	prefix := []byte("CONFIG_")
	for {
		i := bytes.Index(text, prefix)
		if i < 0 {
			return set
		}
		text = text[i+len(prefix):]
		end := bytes.IndexFunc(text, func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		})
		if end > 0 && bytes.HasPrefix(text[end:], []byte("=y")) {
			set[string(text[:end])] = true
		}
	}
}
