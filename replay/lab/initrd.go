package lab

import (
	"io"

	"github.com/cavaliergopher/cpio"
)

// writeInitrd writes the archive from which a guest's kernel starts the agent:
// the agent, and the directories and devices that it needs before it has
// mounted anything.
func writeInitrd(w io.Writer, agent []byte) error {
	archive := cpio.NewWriter(w)
	entries := []struct {
		name string
		mode cpio.FileMode
		body []byte
	}{
		{"dev", cpio.TypeDir | 0o755, nil},
		{"ctdiff-agent", cpio.TypeReg | 0o755, agent},
	}
	for _, e := range entries {
		if err := archive.WriteHeader(&cpio.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.body)), Links: 1}); err != nil {
			return err
		}
		if _, err := archive.Write(e.body); err != nil {
			return err
		}
	}
	return archive.Close()
}
