package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/corpus/corpustest"
	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
)

// A finding has what the bridges did: every format is written without a lab.
func TestExportFinding(t *testing.T) {
	t.Setenv(image.CacheEnv, t.TempDir())
	w, err := corpus.Create(filepath.Join(t.TempDir(), "campaign"), corpus.Settings{Profile: "debian-11"})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := w.Record(corpustest.Founding())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{
		"pcapng": "ctdiff trace 1",
		"sh":     "What ctdiff saw:\nPacket 1 (ICMPv6 neighbor solicitation",
		"at":     "AT_SETUP([offloads - conntrack - ct_state/recirc1/-inv-trk/icmpv6])",
		"md":     "# system~tc/ct_state/recirc1/-inv-trk/icmpv6\n",
		"junit":  `<testsuite name="ctdiff" tests="1" failures="1" errors="0" skipped="0">`,
		"go":     "go test fuzz v1\n[]byte(\"",
	} {
		t.Run(format, func(t *testing.T) {
			opts := exportOptions{
				replayOptions: replayOptions{bridges: lab.Bridges(), level: string(replay.Purged), repeat: 2, color: "never"},
				format:        format, output: filepath.Join(t.TempDir(), "out"),
			}
			if err := runExport(t.Context(), opts, dir+"/"); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(opts.output)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(got), want) {
				t.Errorf("no %q in:\n%s", want, got)
			}
		})
	}
}
