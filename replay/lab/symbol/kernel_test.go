package symbol_test

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/ctdiff/ctdiff/replay/lab/image"
	"github.com/ctdiff/ctdiff/replay/lab/labtest"
	"github.com/ctdiff/ctdiff/replay/lab/symbol"
)

// TestKernels compares the functions of the lab's kernels with System.map, which
// make wrote of them.
func TestKernels(t *testing.T) {
	for _, profile := range []string{"debian-11", "debian-12", "debian-13"} {
		t.Run(profile, func(t *testing.T) {
			img := labtest.Image(t, profile)
			table, err := symbol.Read(img.Symbols)
			if err != nil {
				t.Fatal(err)
			}
			names := systemMap(t, img)
			found := map[string]bool{}
			for address, at := range names {
				name, ok := table.Function(address + 1)
				if !ok {
					continue // a label
				}
				if !at[name] {
					t.Errorf("%#x is in %s, not in one of %v", address, name, at)
				}
				found[name] = true
			}
			if len(found) < 10_000 {
				t.Errorf("%d functions", len(found))
			}
			for _, name := range []string{"tcf_ct_act", "ovs_ct_execute", "nf_conntrack_in", "fl_classify", "__skb_flow_dissect"} {
				if !found[name] {
					t.Errorf("no function %s", name)
				}
			}
			if _, err := symbol.Read(img.Kernel); !errors.Is(err, symbol.ErrStripped) {
				t.Errorf("stripped kernel: %v, want %v", err, symbol.ErrStripped)
			}
		})
	}
}

// systemMap returns the names of text symbols, without what the compiler added,
// by address.
func systemMap(t *testing.T, img image.Image) map[uint64]map[string]bool {
	t.Helper()
	f, err := os.Open(img.SystemMap)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names := map[uint64]map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		word := strings.Fields(lines.Text())
		if len(word) != 3 || !strings.ContainsAny(word[1], "tTwW") {
			continue
		}
		address, err := strconv.ParseUint(word[0], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if names[address] == nil {
			names[address] = map[string]bool{}
		}
		name, _, _ := strings.Cut(word[2], ".")
		names[address][name] = true
	}
	return names
}

func BenchmarkRead(b *testing.B) {
	img := labtest.Image(b, "debian-11")
	for b.Loop() {
		if _, err := symbol.Read(img.Symbols); err != nil {
			b.Fatal(err)
		}
	}
}
