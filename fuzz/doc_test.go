package fuzz

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/grammar.md lists each operation with all its opcodes and its type.
func TestGrammarIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/grammar.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("Grammar version %d.", GrammarVersion); !strings.Contains(string(text), want) {
		t.Errorf("no %q", want)
	}
	codes := map[string][]string{}
	for code, op := range operations {
		codes[op.name] = append(codes[op.name], fmt.Sprintf("%02x", code))
	}
	for _, op := range operations {
		row := fmt.Sprintf("| %s | `%s` | ", strings.Join(codes[op.name], " "), op.name)
		if op.kind != 0 {
			row += fmt.Sprintf("%d |", op.kind)
		}
		if !strings.Contains(string(text), row) {
			t.Errorf("no row %q", row)
		}
	}
}
