package image

import (
	"context"
	"net/url"
	"strings"
)

// debianMirror is Debian's own public default, for a host whose apt knows no
// Debian archive, such as Ubuntu's.
const debianMirror = "http://deb.debian.org/debian"

// checkMirror returns an [InputError] for what is no mirror's address: it
// goes into a sources.list, where it must stay one word.
func checkMirror(mirror string) error {
	u, err := url.Parse(mirror)
	if err != nil {
		return badInput("--mirror: %w", err)
	}
	switch u.Scheme {
	case "http", "https", "file":
	default:
		return badInput("--mirror %q: not an http, https or file URL", mirror)
	}
	if strings.ContainsAny(mirror, " \t\r\n[]\"#") {
		return badInput("--mirror %q: has characters that do not belong in a URL", mirror)
	}
	return nil
}

// findMirror returns the Debian mirror that the host's own apt uses, and
// where it has it from, in words.
func findMirror(ctx context.Context, s *step) (mirror, source string, err error) {
	targets, err := s.output(ctx, command{argv: []string{"apt-get", "indextargets",
		"--format", "$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(CREATED_BY)"}})
	if err != nil {
		return "", "", err
	}
	if mirror := debianIn(targets); mirror != "" {
		return mirror, "this machine's apt configuration", nil
	}
	return debianMirror, "Debian's default, as this machine's apt has no Debian archive", nil
}

// debianIn picks the main Debian archive from the lines of apt's index
// targets, or returns nothing.
func debianIn(targets string) string {
	guess := ""
	for line := range strings.Lines(targets) {
		fields := strings.Split(strings.TrimSpace(line), "|")
		if len(fields) != 4 || fields[3] != "Packages" {
			continue
		}
		mirror := strings.TrimRight(fields[0], "/")
		if fields[1] == "Debian" && fields[2] == "Debian" {
			return mirror
		}
		// apt knows no origin before its first update.
		if guess == "" && fields[1] == "" && strings.HasSuffix(mirror, "/debian") {
			guess = mirror
		}
	}
	return guess
}
