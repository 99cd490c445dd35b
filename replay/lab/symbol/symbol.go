// Package symbol names the functions of a kernel that its coverage is made of.
//
// A User-Mode Linux kernel is an executable at addresses of its own, the same in
// every guest: there is no offset to be known. What KCOV records is where
// __sanitizer_cov_trace_pc returns to (kernel/kcov.c), with no more done to it,
// since User-Mode Linux has no CONFIG_RANDOMIZE_BASE.
package symbol

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Errors of [Read] that say what is to be done about it.
var (
	// ErrStripped says that the executable has no symbol table. A profile's
	// kernel has it in another file.
	ErrStripped = errors.New("no symbol table (was it stripped?)")
	// ErrRelocated says that the executable is one that runs at another
	// address each time: link it with -no-pie.
	ErrRelocated = errors.New("position-independent: its addresses are not those that it runs at")
)

// A Table has the functions of a kernel, by address.
type Table struct {
	functions []function
}

type function struct {
	start, size uint64
	name        string
}

// Read reads the functions of a kernel from its executable, which must be one that
// is not stripped: image.Image.Symbols, or the user's own. Any error names the
// file.
func Read(kernel string) (*Table, error) {
	f, err := os.Open(kernel)
	if err != nil {
		return nil, fmt.Errorf("functions of the kernel: %w", err)
	}
	defer f.Close()
	t, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("functions of the kernel %s: %w", kernel, err)
	}
	return t, nil
}

func read(r io.ReaderAt) (t *Table, err error) {
	// Package debug/elf says of itself that a malformed file may have it panic.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed: %v", p)
		}
	}()
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	if f.Type == elf.ET_DYN {
		return nil, ErrRelocated
	}
	if f.Type != elf.ET_EXEC {
		return nil, fmt.Errorf("not an executable, but of type %v", f.Type)
	}
	symbols, err := f.Symbols()
	if errors.Is(err, elf.ErrNoSymbols) {
		return nil, ErrStripped
	}
	if err != nil {
		return nil, err
	}
	return newTable(symbols)
}

func newTable(symbols []elf.Symbol) (*Table, error) {
	t := &Table{}
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Section != elf.SHN_UNDEF && s.Size > 0 && s.Name != "" {
			t.functions = append(t.functions, function{s.Value, s.Size, plain(s.Name)})
		}
	}
	if len(t.functions) == 0 {
		return nil, ErrStripped
	}
	// Of several names of one function, always the same.
	slices.SortFunc(t.functions, func(a, b function) int {
		return cmp.Or(cmp.Compare(a.start, b.start), -cmp.Compare(a.size, b.size), strings.Compare(a.name, b.name))
	})
	t.functions = slices.CompactFunc(t.functions, func(a, b function) bool { return a.start == b.start })
	return t, nil
}

// plain cuts off what the compiler has added to the name of a part or a variant of
// a function: ".isra.0", ".constprop.0", ".part.0", ".cold". No C identifier has
// a dot.
func plain(name string) string {
	if i := strings.IndexByte(name, '.'); i > 0 {
		return name[:i]
	}
	return name
}

// Function returns the name of the function that pc, which KCOV recorded, is in, as
// its source has it. Static functions of several files may have the same name. ok
// is false if no function is there.
func (t *Table) Function(pc uint64) (name string, ok bool) {
	// The call that pc follows may be the last instruction of its function.
	call := pc - 1
	i, found := slices.BinarySearchFunc(t.functions, call, func(f function, pc uint64) int { return cmp.Compare(f.start, pc) })
	if !found {
		i--
	}
	if i < 0 || call-t.functions[i].start >= t.functions[i].size {
		return "", false
	}
	return t.functions[i].name, true
}

// Only returns the functions that one side has run and the other has not, given
// the addresses that either has covered: each function once, in the order of
// the side's first address in it. An address in no function is left out.
func (t *Table) Only(a, b []uint32) (onlyA, onlyB []string) {
	ofA, ofB := t.functionsOf(a), t.functionsOf(b)
	return without(ofA, ofB), without(ofB, ofA)
}

// functionsOf returns the functions that addresses are in, in order.
func (t *Table) functionsOf(pcs []uint32) []string {
	var names []string
	for _, pc := range pcs {
		if name, ok := t.Function(uint64(pc)); ok {
			names = append(names, name)
		}
	}
	return names
}

// without returns the names that are not among others, each once.
func without(names, others []string) (left []string) {
	seen := map[string]bool{}
	for _, name := range others {
		seen[name] = true
	}
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			left = append(left, name)
		}
	}
	return left
}
