package export

import (
	"fmt"
	"io"
)

// GoFuzz writes an input of Go's fuzzer as a file of testdata/fuzz, in the form
// that package testing reads ("Seed corpus" in go.dev/doc/security/fuzz): data
// is what the fuzz target takes, see fuzz.Encode.
func GoFuzz(w io.Writer, data []byte) error {
	_, err := fmt.Fprintf(w, "go test fuzz v1\n[]byte(%q)\n", data)
	return err
}
