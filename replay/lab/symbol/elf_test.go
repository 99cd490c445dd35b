package symbol_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
)

// A sym is a symbol of an executable.
type sym struct {
	name        string
	value, size uint64
	kind        elf.SymType
	section     elf.SectionIndex
}

// text is the section that functions are in; programs has others than those of
// symbols and names.
const text = elf.SectionIndex(1)

func function(name string, value, size uint64) sym { return sym{name, value, size, elf.STT_FUNC, text} }

// program returns an ELF file with symbols; without a symbol table if there are none.
func program(t testing.TB, kind elf.Type, symbols ...sym) []byte {
	t.Helper()
	names := []byte("\x00.text\x00.symtab\x00.strtab\x00")
	table := []elf.Sym64{{}}
	for _, s := range symbols {
		table = append(table, elf.Sym64{Name: uint32(len(names)), Info: elf.ST_INFO(elf.STB_LOCAL, s.kind), Shndx: uint16(s.section), Value: s.value, Size: s.size})
		names = append(append(names, s.name...), 0)
	}
	header := elf.Header64{
		Type: uint16(kind), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Ehsize: 64, Phentsize: 56, Shentsize: 64, Shoff: 64,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA], header.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_NOBITS), Flags: uint64(elf.SHF_ALLOC | elf.SHF_EXECINSTR)},
		{Name: 15, Type: uint32(elf.SHT_STRTAB), Size: uint64(len(names))},
		{Name: 7, Type: uint32(elf.SHT_SYMTAB), Size: uint64(len(table)) * elf.Sym64Size, Entsize: elf.Sym64Size, Link: 2},
	}
	if symbols == nil {
		sections = sections[:3]
	}
	header.Shnum, header.Shstrndx = uint16(len(sections)), 2
	end := header.Shoff + uint64(len(sections))*uint64(header.Shentsize)
	sections[2].Off = end
	if symbols != nil {
		sections[3].Off = end + uint64(len(names))
	}
	var file bytes.Buffer
	for _, part := range []any{header, sections, names, table} {
		if err := binary.Write(&file, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}
