package tracefile

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ctdiff/ctdiff/replay"
)

func TestWriteReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.pcapng")
	for _, want := range []replay.Trace{foundingTrace(), {Packets: foundingTrace().Packets[:1]}} {
		if err := WriteFile(path, want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(path, ImportOptions{Port: 4, Pipeline: replay.Pipeline{"drop"}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := diff(want, got); diff != "" {
			t.Errorf("trace (-want +got):\n%s", diff)
		}
	}
	wantOnly(t, filepath.Dir(path), "t.pcapng")
}

func TestWriteFileWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	if err := WriteFile(filepath.Join(dir, "invalid"), replay.Trace{}); err == nil {
		t.Error("no error for a trace without packets")
	}
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "taken"), foundingTrace()); err == nil {
		t.Error("no error for a name that is a directory's")
	}
	if err := WriteFile(filepath.Join(dir, "missing", "t"), foundingTrace()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want %v", err, fs.ErrNotExist)
	}
	wantOnly(t, dir, "taken")
}

func wantOnly(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff([]string{name}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestReadFileCapture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.pcap")
	data := pcap(binary.LittleEndian, 0xa1b2c3d4, 1, record{1, 0, 86, solicitation})
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path, ImportOptions{Port: 4, Pipeline: foundingRules})
	if err != nil {
		t.Fatal(err)
	}
	want := replay.Trace{Pipeline: foundingRules, Packets: []replay.Packet{{Port: 4, Frame: solicitation}}}
	if diff := diff(want, got); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
	_, err = ReadFile(path, ImportOptions{})
	wantInputError(t, err, path+": a pcap file does not name ports")
}

func TestReadFileMissing(t *testing.T) {
	_, err := ReadFile(filepath.Join(t.TempDir(), "none"), ImportOptions{})
	var input *InputError
	if !errors.Is(err, fs.ErrNotExist) || errors.As(err, &input) {
		t.Errorf("error %v, want %v that is no InputError", err, fs.ErrNotExist)
	}
}

func TestParsePipeline(t *testing.T) {
	const text = "# the founding rules\n\n  table=0,actions=drop  # all\r\n\tip, actions=normal\n"
	got, err := ParsePipeline(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(replay.Pipeline{"table=0,actions=drop", "ip, actions=normal"}, got); diff != "" {
		t.Errorf("pipeline (-want +got):\n%s", diff)
	}
}

func TestParsePipelineRefuses(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"control":   {"drop\nip\x00", "line 2: rule \"ip\\x00\": has a control character"},
		"long rule": {strings.Repeat("x", MaxRule+1), "line 1: rule of 4097 bytes"},
		"total":     {strings.Repeat(strings.Repeat("x", MaxRule)+"\n", 250), "line 245: rules are longer than 1000000"},
		"long line": {"drop\n" + strings.Repeat("#", maxPipelineLine+1), "line 2: longer than"},
		"rules":     {strings.Repeat("drop\n", replay.MaxRules+1), "line 4097: more than 4096 rules"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParsePipeline(strings.NewReader(test.text))
			wantInputError(t, err, test.want)
		})
	}
}
