package fuzz

import (
	"crypto/sha256"
	"fmt"
)

// InputFile returns the file in which Go's fuzzer keeps an input, of those of its
// cache and of testdata/fuzz: its name and what is in it (internal/fuzz,
// encoding.go and fuzz.go).
func InputFile(data []byte) (name string, content []byte) {
	content = fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", data)
	return fmt.Sprintf("%x", sha256.Sum256(content))[:16], content
}
