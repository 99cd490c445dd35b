package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// debianKeyring verifies what Debian signs; a host that is not Debian has it
// in the package debian-archive-keyring.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// An archive is a private apt: one release of one mirror, with its own lists
// and an empty list of installed packages. The host's apt is not touched.
type archive struct {
	dir     string
	profile Profile
	mirror  string
}

// config names every file that apt would otherwise take from the host, but
// for the credentials of mirrors in auth.conf. Hooks of the host's are left
// out: they clean up after the host's apt.
const aptConfig = `Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "%[1]s";
Dir::State::lists "%[1]s/lists";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
Dir::Log "%[1]s/log";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
`

// open writes the private apt's configuration, with how the host's gets
// through to the network.
func (a *archive) open(ctx context.Context, s *step) error {
	for _, dir := range []string{"lists/partial", "cache/archives/partial", "log", "debs"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			return err
		}
	}
	dump, err := s.output(ctx, command{argv: []string{"apt-config", "dump"}})
	if err != nil {
		return err
	}
	files := map[string]string{
		"apt.conf": transport(dump) + fmt.Sprintf(aptConfig, a.dir),
		"status":   "",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// transport returns the lines of a dumped apt configuration that say how to
// reach mirrors: proxies, certificates, timeouts.
func transport(dump string) string {
	var b strings.Builder
	for line := range strings.Lines(dump) {
		for _, prefix := range []string{"Acquire::http", "Acquire::Retries", "Acquire::ForceIP", "Acquire::Proxy"} {
			if strings.HasPrefix(line, prefix) {
				b.WriteString(line)
				break
			}
		}
	}
	return b.String()
}

// update fetches the lists of the profile's release, and of its extra suite
// if the mirror carries that.
func (a *archive) update(ctx context.Context, s *step) error {
	suites := []string{a.profile.Suite}
	if a.profile.extra != "" {
		suites = append(suites, a.profile.extra)
	}
	for {
		err := a.updateSuites(ctx, s, suites)
		var gone *ReleaseError
		if errors.As(err, &gone) && gone.Suite == a.profile.extra {
			suites = suites[:1]
			continue
		}
		return err
	}
}

func (a *archive) updateSuites(ctx context.Context, s *step, suites []string) error {
	var sources strings.Builder
	for _, suite := range suites {
		// The Release file of a release that is not updated any more has
		// expired; its signature is still verified.
		fmt.Fprintf(&sources, "deb [signed-by=%s check-valid-until=no] %s %s main\n", debianKeyring, a.mirror, suite)
	}
	if err := os.WriteFile(filepath.Join(a.dir, "sources.list"), []byte(sources.String()), 0o644); err != nil {
		return err
	}
	absent := ""
	c := a.command("apt-get", "update", "-q")
	c.line = func(text string) {
		if suite := absentSuite(text, suites); suite != "" {
			absent = suite
		}
	}
	if err := s.run(ctx, c); err != nil {
		if absent != "" && ctx.Err() == nil {
			return &ReleaseError{Mirror: a.mirror, Suite: absent, Profile: a.profile.Name}
		}
		return err
	}
	return nil
}

// noRelease is what apt says of a suite that a mirror does not carry, with
// the suite's name.
var noRelease = regexp.MustCompile(`^E: The repository '\S+ (\S+) Release' (?:does not have|no longer has) a Release file`)

// absentSuite returns which of the suites a line of apt's says is not there.
func absentSuite(line string, suites []string) string {
	if m := noRelease.FindStringSubmatch(line); m != nil && slices.Contains(suites, m[1]) {
		return m[1]
	}
	return ""
}

func (a *archive) command(argv ...string) command {
	return command{
		argv: argv,
		dir:  filepath.Join(a.dir, "debs"),
		env:  []string{"APT_CONFIG=" + filepath.Join(a.dir, "apt.conf")},
	}
}

// A deb is a package as the archive has it.
type deb struct {
	name    string
	version string // Debian's, with the revision
	file    string // base name
	size    int64  // bytes
	hash    string // "SHA256:…"
}

// locate returns the packages of some names.
func (a *archive) locate(ctx context.Context, s *step, names ...string) ([]deb, error) {
	c := a.command(append([]string{"apt-get", "download", "--print-uris", "-qq"}, names...)...)
	c.dir = a.dir // It leaves out what is in its directory already.
	out, err := s.output(ctx, c)
	if err != nil {
		return nil, err
	}
	return parseURIs(out)
}

// closure returns the names of all packages that some need, themselves
// included.
func (a *archive) closure(ctx context.Context, s *step, names ...string) ([]string, error) {
	out, err := s.output(ctx, a.command(append([]string{"apt-get", "install", "--print-uris", "-qq", "-y"}, names...)...))
	if err != nil {
		return nil, err
	}
	debs, err := parseURIs(out)
	var all []string
	for _, d := range debs {
		all = append(all, d.name)
	}
	return all, err
}

// parseURIs reads what apt-get prints with --print-uris:
//
//	'http://…/pool/…' name_version_arch.deb size SHA256:…
func parseURIs(out string) ([]deb, error) {
	var debs []deb
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) != 4 || !strings.HasPrefix(line, "'") {
			continue
		}
		size, err := strconv.ParseInt(fields[2], 10, 64)
		parts := strings.Split(strings.TrimSuffix(fields[1], ".deb"), "_")
		if err != nil || len(parts) != 3 {
			return nil, fmt.Errorf("apt-get --print-uris: not understood: %q", line)
		}
		version, err := url.PathUnescape(parts[1])
		if err != nil {
			return nil, fmt.Errorf("apt-get --print-uris: %q: %w", line, err)
		}
		debs = append(debs, deb{name: parts[0], version: version, file: fields[1], size: size, hash: fields[3]})
	}
	slices.SortFunc(debs, func(a, b deb) int { return cmp.Compare(a.name, b.name) })
	return debs, nil
}

// fetch downloads packages, or what of them is not there yet; apt verifies
// each against the signed lists.
func (a *archive) fetch(ctx context.Context, s *step, debs []deb) error {
	argv := []string{"apt-get", "download", "-q"}
	var total int64
	for _, d := range debs {
		argv = append(argv, d.name)
		total += d.size
	}
	ctx, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil {
			s.advance(float64(a.fetched(debs)) / float64(max(total, 1)))
			select {
			case <-ctx.Done():
			case <-time.After(fetchPoll):
			}
		}
	}()
	err := s.run(ctx, a.command(argv...))
	stop()
	<-watched
	return err
}

// fetchPoll is how often the progress of a download is looked at.
const fetchPoll = 200 * time.Millisecond

// fetched returns how many bytes of packages are there.
func (a *archive) fetched(debs []deb) (sum int64) {
	for _, d := range debs {
		if info, err := os.Stat(a.file(d)); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

func (a *archive) file(d deb) string { return filepath.Join(a.dir, "debs", d.file) }

// kernelPackage returns the name of the profile's linux-source package.
func (a *archive) kernelPackage(ctx context.Context, s *step) (string, error) {
	const prefix = "linux-source-"
	if a.profile.Kernel != "" {
		return prefix + a.profile.Kernel, nil
	}
	names, err := s.output(ctx, a.command("apt-cache", "pkgnames", prefix))
	if err != nil {
		return "", err
	}
	newest := version{}
	for name := range strings.Lines(names) {
		v, err := parseVersion(strings.TrimPrefix(strings.TrimSpace(name), prefix))
		if err == nil && newest.before(v) {
			newest = v
		}
	}
	if newest == (version{}) {
		return "", fmt.Errorf("%s of the mirror %s has no linux-source package", a.profile.Suite, a.mirror)
	}
	return prefix + newest.String(), nil
}

// checkKeyring says how to get the keys that Debian's archive is signed with.
func checkKeyring() error {
	if _, err := os.Stat(debianKeyring); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no %s, which verifies Debian's packages; install with: apt-get install debian-archive-keyring", debianKeyring)
	}
	return nil
}
