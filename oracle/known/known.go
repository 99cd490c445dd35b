package known

import (
	"bytes"
	_ "embed" // known.yaml
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/ctdiff/ctdiff/oracle"
)

// maxFile bounds a file of known issues, in bytes.
const maxFile = 1 << 20

// A List is a list of known issues. Lists are joined with append.
type List []Entry

// An Entry is a known issue. See the package's documentation for its fields.
type Entry struct {
	Signature string  `yaml:"signature"`
	Kernel    []Range `yaml:"kernel"`
	OVS       []Range `yaml:"ovs"`
	Fixed     string  `yaml:"fixed"`
	Rule      string  `yaml:"rule"`
	Reason    string  `yaml:"reason"`
	Link      string  `yaml:"link"`

	// where it stands
	file         string
	number, line int
}

// String says where the entry stands: "entry 1 of known.yaml, line 9".
func (e Entry) String() string {
	return fmt.Sprintf("entry %d of %s, line %d", e.number, e.file, e.line)
}

//go:embed known.yaml
var shipped []byte

// Shipped returns the list that ctdiff ships.
func Shipped() List {
	list, err := Read(bytes.NewReader(shipped), "ctdiff's known.yaml")
	if err != nil {
		panic(err) // a test reads it
	}
	return list
}

// ReadFile returns the list in a file of up to 1 MiB. An error names the file
// and, where there is one, the line.
func ReadFile(name string) (List, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("known issues: %w", err)
	}
	defer f.Close()
	return Read(f, filepath.Base(name))
}

// Read is [ReadFile] for what r has; name stands for the file's.
func Read(r io.Reader, name string) (List, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("%s: longer than %d bytes", name, maxFile)
	}
	var nodes []yaml.Node
	if err := yaml.Load(text, &nodes); err != nil {
		return nil, located(name, err)
	}
	var list List
	for i, n := range nodes {
		e := Entry{file: name, number: i + 1, line: n.Line}
		if err := n.Load(&e, yaml.WithKnownFields()); err != nil {
			return nil, located(name, err)
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, e.line, err)
		}
		list = append(list, e)
	}
	return list, nil
}

// located puts file and line before what the library says.
func located(name string, err error) error {
	var all []*yaml.LoadError
	if several, ok := errors.AsType[*yaml.LoadErrors](err); ok {
		all = several.Errors
	} else if one, ok := errors.AsType[*yaml.LoadError](err); ok {
		all = []*yaml.LoadError{one}
	}
	var list []error
	for _, e := range all {
		if e.Mark.Line == 0 {
			list = append(list, fmt.Errorf("%s: %s", name, e.Message))
			continue
		}
		list = append(list, fmt.Errorf("%s:%d: %s", name, e.Mark.Line, e.Message))
	}
	if len(list) == 0 {
		return fmt.Errorf("%s: %w", name, err)
	}
	return errors.Join(list...)
}

func (e Entry) check() error {
	if _, err := path.Match(e.Signature, ""); err != nil {
		return fmt.Errorf("signature %q: %w", e.Signature, err)
	}
	bridges, _, _ := strings.Cut(e.Signature, "/")
	link, err := url.Parse(e.Link)
	switch {
	case !strings.Contains(bridges, "~") || len(bridges) == len(e.Signature):
		return fmt.Errorf("signature %q: does not begin with two bridges, as in system~tc/", e.Signature)
	case strings.TrimSpace(e.Reason) == "" || strings.Contains(strings.TrimSpace(e.Reason), "\n"):
		return errors.New("reason: not one line of text")
	case err != nil || link.Scheme != "https" && link.Scheme != "http" || link.Host == "":
		return fmt.Errorf("link %q: not the address of a page", e.Link)
	case e.Fixed != "" && len(e.Kernel)+len(e.OVS) == 0:
		return fmt.Errorf("fixed %q: but no range of versions says which are affected", e.Fixed)
	case e.Rule != "":
		if _, err := oracle.ParseStrict(e.Rule); err != nil || e.Rule == oracle.AllRules {
			return fmt.Errorf("rule %q: there is none", e.Rule)
		}
	}
	return nil
}
