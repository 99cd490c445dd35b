package fuzz

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/golden anew: the bytes that are missing, and all texts")

// TestGolden pins what bytes mean. A text that changes without
// [GrammarVersion] breaks every corpus.
func TestGolden(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	files, err := filepath.Glob("testdata/golden/*.bytes")
	if err != nil || len(files) < 90 {
		t.Fatalf("%d golden inputs, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := format(t, Decode(data, nil))
		text := strings.TrimSuffix(file, ".bytes") + ".txt"
		if *update {
			if err := os.WriteFile(text, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// writeGolden writes inputs that have each operation, each value of each field
// of a row that all have, and random bytes. Those that are there stay.
func writeGolden(t *testing.T) {
	t.Helper()
	inputs := map[string][]byte{"empty": nil, "short": {0x0b, 0x02, 0x00}}
	random := rand.NewChaCha8([32]byte{})
	for code, op := range operations {
		r := row{atOp: byte(code)}
		varied := r
		random.Read(varied[atCode:])
		inputs[fmt.Sprintf("op-%02x-%s", code, op.name)] = seed(row{atOp: 2, atFlow: 2}, row{atFlow: 2}, r, varied)
	}
	for i := range 32 {
		data := make([]byte, 64)
		random.Read(data)
		inputs[fmt.Sprintf("random-%02d", i)] = data
	}
	for i, data := range Seeds() {
		inputs[fmt.Sprintf("seed-%02d", i)] = data
	}
	for at, name := range map[int]string{
		atFlow: "flow", atGap: "gap", atAddresses: "addresses", atHeader: "header", atChain: "chain",
		atDelivery: "delivery", atSpoil: "spoil", atPayload: "payload",
	} {
		inputs[name] = everyValue(at)
	}
	inputs["raw"] = append(seed(waitRow(1), limitRow(100), rawRow(20)), make([]byte, 40)...)
	if err := os.MkdirAll("testdata/golden", 0o777); err != nil {
		t.Fatal(err)
	}
	for name, data := range inputs {
		file := filepath.Join("testdata/golden", name+".bytes")
		if _, err := os.Stat(file); err == nil {
			continue
		}
		if err := os.WriteFile(file, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// everyValue returns an input with a row for each value of a byte.
func everyValue(at int) []byte {
	rows := []row{limitRow(1024)}
	for value := range 256 {
		r := row{atOp: 2, atFlow: 2}
		if at == atDelivery {
			r[atChain] = oneExtension | destOpts
		}
		r[at] = byte(value)
		rows = append(rows, r)
	}
	return seed(rows...)
}
