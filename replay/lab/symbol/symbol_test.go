package symbol_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay/lab/symbol"
)

// kernel has functions with a hole between two of them, and what is none.
var kernel = []sym{
	function("tcf_ct_act.cold", 0x60030000, 0x40),
	function("tcf_ct_act", 0x60001000, 0x100),
	function("nf_ct_put", 0x60001100, 0x10),
	function("nf_ct_put", 0x60001110, 0x10),
	function("ovs_ct_execute.part.0.isra.3", 0x60002000, 0x80),
	function("__alias", 0x60003000, 0x20),
	function("_alias.constprop.0", 0x60003000, 0x20),
	function("write", 0x60003100, 0), // of a library
	{"etext", 0x60003200, 8, elf.STT_NOTYPE, text},
	{"table", 0x60003300, 8, elf.STT_OBJECT, text},
	{"missing", 0x60003400, 8, elf.STT_FUNC, elf.SHN_UNDEF},
	function("last", 1<<64-16, 16),
}

func table(t testing.TB) *symbol.Table {
	t.Helper()
	table, err := symbol.ReadFrom(bytes.NewReader(program(t, elf.ET_EXEC, kernel...)))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestFunction(t *testing.T) {
	table := table(t)
	for pc, want := range map[uint64]string{
		0:                  "last", // where a call that ends it returns to
		1:                  "",
		0x60001000:         "",
		0x60001001:         "tcf_ct_act",
		0x60001005:         "tcf_ct_act",
		0x60001100:         "tcf_ct_act", // ends with a call
		0x60001101:         "nf_ct_put",
		0x60001115:         "nf_ct_put",
		0x60001121:         "",
		0x60002001:         "ovs_ct_execute",
		0x60002081:         "",
		0x60003005:         "__alias",
		0x60003101:         "",
		0x60003202:         "",
		0x60003302:         "",
		0x60003402:         "",
		0x60030005:         "tcf_ct_act",
		0x60030041:         "",
		1<<64 - 16:         "",
		1<<64 - 15:         "last",
		0xffff_ffff_ffff_f: "",
	} {
		name, ok := table.Function(pc)
		if name != want || ok != (want != "") {
			t.Errorf("%#x: %q, %v, want %q", pc, name, ok, want)
		}
	}
}

func TestOnly(t *testing.T) {
	const act, cold, put, otherPut, execute, alias, none = 0x60001005, 0x60030005, 0x60001105, 0x60001115, 0x60002005, 0x60003005, 0x60005000
	tests := []struct {
		name         string
		a, b         []uint32
		onlyA, onlyB []string
	}{
		{"nothing", nil, nil, nil, nil},
		{"alike", []uint32{act, put}, []uint32{put, act}, nil, nil},
		{"in order", []uint32{execute, act, execute + 1, put, act + 1}, []uint32{put}, []string{"ovs_ct_execute", "tcf_ct_act"}, nil},
		{"either", []uint32{put, execute}, []uint32{act, alias, put}, []string{"ovs_ct_execute"}, []string{"tcf_ct_act", "__alias"}},
		{"another part", []uint32{act}, []uint32{cold}, nil, nil},
		{"another file's", []uint32{put}, []uint32{otherPut}, nil, nil},
		{"no function", []uint32{none, act}, []uint32{none}, []string{"tcf_ct_act"}, nil},
	}
	table := table(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onlyA, onlyB := table.Only(test.a, test.b)
			if diff := cmp.Diff([][]string{test.onlyA, test.onlyB}, [][]string{onlyA, onlyB}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	good := program(t, elf.ET_EXEC, kernel...)
	far := bytes.Clone(good)
	far[0x28+6] = 0x7f // e_shoff
	tests := []struct {
		name string
		file []byte
		is   error
		says string
	}{
		{"stripped", program(t, elf.ET_EXEC), symbol.ErrStripped, "no symbol table"},
		{"only data", program(t, elf.ET_EXEC, kernel[9]), symbol.ErrStripped, "no symbol table"},
		{"position-independent", program(t, elf.ET_DYN, kernel...), symbol.ErrRelocated, "position-independent"},
		{"object file", program(t, elf.ET_REL, kernel...), nil, "not an executable, but of type ET_REL"},
		{"empty", nil, nil, "EOF"},
		{"text", []byte("#!/bin/sh\nexit 0\n" + strings.Repeat(" ", 64)), nil, "bad magic number"},
		{"cut", good[:len(good)-4], nil, "EOF"},
		{"sections far away", far, nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "linux")
			if err := os.WriteFile(path, test.file, 0o700); err != nil {
				t.Fatal(err)
			}
			_, err := symbol.Read(path)
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, want an error that says %q and names the file", err, test.says)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
		})
	}
	if _, err := symbol.Read(filepath.Join(t.TempDir(), "linux")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// FuzzRead reads what may be no kernel.
func FuzzRead(f *testing.F) {
	f.Add(program(f, elf.ET_EXEC, kernel...))
	f.Add(program(f, elf.ET_EXEC))
	f.Add(program(f, elf.ET_DYN, kernel...))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := symbol.ReadFrom(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, pc := range []uint64{0, 1, 0x60001005, 1<<64 - 1} {
			if name, ok := table.Function(pc); ok != (name != "") {
				t.Errorf("%#x: %q, %v", pc, name, ok)
			}
		}
	})
}
