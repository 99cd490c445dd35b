package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFinishRoot(t *testing.T) {
	root := fakeRoot(t)
	for _, dir := range append(libraryDirs, splitDirs...) {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// As Debian 11 has it.
	if err := os.Rename(filepath.Join(root, "usr/sbin/ovs-vswitchd"), filepath.Join(root, splitDirs[0], "ovs-vswitchd")); err != nil {
		t.Fatal(err)
	}
	write(t, "library", root, splitDirs[0], "libofproto.so.0.0.0")
	if err := finishRoot(root); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"usr/sbin/ovs-vswitchd", libraryDirs[0] + "/libofproto.so.0.0.0"} {
		if !exists(filepath.Join(root, name)) {
			t.Errorf("no %s", name)
		}
	}
}

func TestCheckRoot(t *testing.T) {
	root := fakeRoot(t)
	if err := checkRoot(root); err != nil {
		t.Error(err)
	}
	// A program with a library that is not in the root; a link is followed
	// inside of it.
	program, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	write(t, string(program), root, "opt/ovsdb-server")
	server := filepath.Join(root, "usr/sbin/ovsdb-server")
	if err := os.Remove(server); err != nil {
		t.Fatal(err)
	}
	if err := checkRoot(root); err == nil || !strings.Contains(err.Error(), "no ovsdb-server in usr/sbin") {
		t.Errorf("no server: %v", err)
	}
	if err := os.Symlink("/opt/ovsdb-server", server); err != nil {
		t.Fatal(err)
	}
	if err := checkRoot(root); err == nil || !strings.Contains(err.Error(), "needs libc") {
		t.Errorf("no libraries: %v", err)
	}
}
