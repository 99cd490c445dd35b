package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindProfile(t *testing.T) {
	for _, p := range Profiles() {
		if got, err := FindProfile(p.Name); err != nil || got != p {
			t.Errorf("FindProfile(%q) = %v, %v", p.Name, got, err)
		}
	}
	_, err := FindProfile("debian-99")
	if !errors.As(err, new(*InputError)) || !strings.Contains(err.Error(), "debian-11, debian-12, debian-13, "+Newest) {
		t.Errorf("unknown profile: %v", err)
	}
}

func TestOptionsFor(t *testing.T) {
	for _, test := range []struct {
		kernel      version
		net, sysctl bool // has UML_NET, PROC_SYSCTL
	}{
		{version{5, 10}, true, true}, {version{6, 12}, true, true}, {version{6, 15}, true, true},
		{version{6, 16}, false, true}, {version{7, 2}, false, true}, {version{7, 3}, false, false},
	} {
		names := optionsFor(test.kernel)
		if net, sysctl := slices.Contains(names, "UML_NET"), slices.Contains(names, "PROC_SYSCTL"); net != test.net || sysctl != test.sysctl {
			t.Errorf("%v: UML_NET %v, PROC_SYSCTL %v", test.kernel, net, sysctl)
		}
		if !slices.Contains(names, "NET_TC_SKB_EXT") || !slices.Contains(names, "KCOV") {
			t.Errorf("%v: lacks NET_TC_SKB_EXT or KCOV", test.kernel)
		}
		slices.Sort(names)
		if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) {
			t.Errorf("%v: an option is there twice", test.kernel)
		}
		text := fragment(test.kernel)
		if !strings.Contains(text, "CONFIG_64BIT=y\n") || !strings.Contains(text, "# CONFIG_KCOV_INSTRUMENT_ALL is not set\n") {
			t.Errorf("%v: fragment:\n%s", test.kernel, text)
		}
	}
}

func TestMissingOptions(t *testing.T) {
	const config = "# CONFIG_VETH is not set\nCONFIG_TUN=m\nCONFIG_NET=y\nCONFIG_HZ=100\nCONFIG_KCOV=y\n"
	got, err := missingOptions(strings.NewReader(config), []string{"NET", "VETH", "KCOV", "TUN", "OPENVSWITCH"})
	if diff := cmp.Diff([]string{"VETH", "TUN", "OPENVSWITCH"}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]version{
		"5.10": {5, 10}, "6.12.117": {6, 12}, "7.3.0-rc7": {7, 3}, "6.1-amd64": {6, 1},
		"": {}, "6": {}, "rt": {}, "linux-6.1": {},
	} {
		got, err := parseVersion(text)
		if got != want || (err == nil) != (want != version{}) {
			t.Errorf("parseVersion(%q) = %v, %v", text, got, err)
		}
	}
	if !(version{5, 10}).before(version{6, 1}) || !(version{6, 1}).before(version{6, 12}) || (version{6, 12}).before(version{6, 1}) {
		t.Error("versions are not ordered by number")
	}
}

func TestUpstream(t *testing.T) {
	for text, want := range map[string]string{
		"2.15.0+ds1-2+deb11u5": "2.15.0", "3.1.0-2": "3.1.0", "1:3.5.0~git-1": "3.5.0", "4.0.0": "4.0.0",
	} {
		if got := upstream(text); got != want {
			t.Errorf("upstream(%q) = %q, not %q", text, got, want)
		}
	}
}

func TestWantSource(t *testing.T) {
	for name, want := range map[string]bool{
		"Makefile":                            true,
		"arch/Kconfig":                        true,
		"arch/um/kernel/time.c":               true,
		"arch/x86/um/vdso/vdso.S":             true,
		"arch/arm/kernel/setup.c":             false,
		"arch/arm/crypto/Kconfig":             true,
		"arch/arm/boot/dts/Makefile":          true,
		"drivers/gpu/drm/Kconfig":             true,
		"drivers/gpu/drm/Makefile":            true,
		"drivers/gpu/drm/amd/amdgpu/x.c":      false,
		"drivers/net/tun.c":                   true,
		"drivers/net/ethernet/intel/e1000.c":  false,
		"drivers/net/ethernet/intel/Makefile": true,
		"sound/soc/Kconfig":                   true,
		"sound/soc/core.c":                    false,
		"Documentation/Kconfig":               true,
		"Documentation/admin-guide/x.rst":     false,
		"tools/testing/selftests/net/x.c":     false,
		"tools/include/linux/kernel.h":        true,
		"net/openvswitch/conntrack.c":         true,
	} {
		if got := wantSource(name); got != want {
			t.Errorf("wantSource(%q) = %v", name, got)
		}
	}
}

func TestRootName(t *testing.T) {
	for name, want := range map[string]string{
		"sbin/tc":                                 "usr/sbin/tc",
		"lib/x86_64-linux-gnu/libc.so.6":          "usr/lib/x86_64-linux-gnu/libc.so.6",
		"lib64/ld-linux-x86-64.so.2":              "usr/lib64/ld-linux-x86-64.so.2",
		"usr/lib/openvswitch-common/ovs-vswitchd": "usr/lib/openvswitch-common/ovs-vswitchd",
		"usr/share/openvswitch/vswitch.ovsschema": "usr/share/openvswitch/vswitch.ovsschema",
		"usr/share/doc/openvswitch-switch/NEWS":   "",
		"usr/lib/python3/dist-packages/ovs/x.py":  "",
		"usr/lib/x86_64-linux-gnu/gconv/A.so":     "",
		"lib/systemd/system/ovs-vswitchd.service": "",
		"etc/init.d/openvswitch-switch":           "",
		"lib":                                     "",
		"var/lib/dpkg":                            "",
	} {
		if got := rootName(name); got != want {
			t.Errorf("rootName(%q) = %q, not %q", name, got, want)
		}
	}
}

func TestParseURIs(t *testing.T) {
	const out = `Reading package lists...
'http://mirror/debian/pool/main/o/openvswitch/openvswitch-switch_2.15.0%2bds1-2_amd64.deb' openvswitch-switch_2.15.0+ds1-2_amd64.deb 1820832 SHA256:6fb4
'file:/mirror/pool/b/busybox-static_1%3a1.38.0-3%2bb1_amd64.deb' busybox-static_1%3a1.38.0-3+b1_amd64.deb 970908 SHA256:2680
`
	got, err := parseURIs(out)
	want := []deb{
		{"busybox-static", "1:1.38.0-3+b1", "busybox-static_1%3a1.38.0-3+b1_amd64.deb", 970908, "SHA256:2680"},
		{"openvswitch-switch", "2.15.0+ds1-2", "openvswitch-switch_2.15.0+ds1-2_amd64.deb", 1820832, "SHA256:6fb4"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(deb{})); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := parseURIs("'http://mirror/x.deb' x.deb 12 SHA256:00\n"); err == nil {
		t.Error("a file without a version was taken")
	}
}

func TestDebianIn(t *testing.T) {
	for _, test := range []struct{ name, targets, want string }{
		{"Debian", "http://m/debian-security/|Debian|Debian-Security|Packages\nhttp://m/debian/|Debian|Debian|DEP-11\nhttp://m/debian/|Debian|Debian|Packages\n", "http://m/debian"},
		{"before the first update", "http://m/other|||Packages\nhttp://m/debian/|||Packages\n", "http://m/debian"},
		{"Ubuntu", "http://m/ubuntu/|Ubuntu|Ubuntu|Packages\n", ""},
		{"nothing", "", ""},
	} {
		if got := debianIn(test.targets); got != test.want {
			t.Errorf("%s: %q, not %q", test.name, got, test.want)
		}
	}
}

func TestCheckMirror(t *testing.T) {
	for mirror, ok := range map[string]bool{
		"http://mirror.example/debian": true, "https://u:p@mirror.example/debian/": true, "file:///srv/debian": true,
		"": false, "mirror.example/debian": false, "ftp://mirror.example": false, "http://m/ [trusted=yes]": false,
		"http://m/\ndeb http://n": false, "http://%zz": false,
	} {
		err := checkMirror(mirror)
		if (err == nil) != ok || err != nil && !errors.As(err, new(*InputError)) {
			t.Errorf("checkMirror(%q): %v", mirror, err)
		}
	}
}

func TestAbsentSuite(t *testing.T) {
	suites := []string{"sid", "experimental"}
	for line, want := range map[string]string{
		"E: The repository 'http://m/debian experimental Release' does not have a Release file.": "experimental",
		"E: The repository 'http://m/debian sid Release' no longer has a Release file.":          "sid",
		"E: The repository 'http://m/debian buster Release' does not have a Release file.":       "",
		"E: Failed to fetch http://m/debian/dists/sid/InRelease  Could not connect":              "",
	} {
		if got := absentSuite(line, suites); got != want {
			t.Errorf("absentSuite(%q) = %q, not %q", line, got, want)
		}
	}
}

func TestNormalize(t *testing.T) {
	for _, test := range []struct {
		name, want string // want is part of the error
		spec       Spec
	}{
		{"nothing", "no profile", Spec{}},
		{"kernel only", "no profile", Spec{KernelImage: "linux"}},
		{"both kernels", "exclude each other", Spec{Profile: "debian-11", KernelImage: "a", KernelSrc: "b"}},
		{"unknown", `unknown profile "debian-10"`, Spec{Profile: "debian-10"}},
		{"mirror", "not an http", Spec{Profile: "debian-11", Mirror: "nowhere"}},
		{"cache with a space", "no directory with spaces", Spec{Profile: "debian-11", Cache: "/tmp/my cache"}},
		{"all given", "", Spec{KernelImage: "a", OVSRoot: "b", Cache: "c"}},
	} {
		_, err := test.spec.normalize()
		switch {
		case test.want == "" && err == nil:
		case err == nil || !strings.Contains(err.Error(), test.want) || !errors.As(err, new(*InputError)):
			t.Errorf("%s: %v, not %q", test.name, err, test.want)
		}
	}
}

// archive makes a tar stream.
func tarOf(t *testing.T, headers ...tar.Header) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := h.Uname // The tests keep it there.
		h.Uname, h.Size = "", int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	stream := tarOf(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "./sbin/", Typeflag: tar.TypeDir, Mode: 0o700},
		tar.Header{Name: "./sbin/tc", Typeflag: tar.TypeReg, Mode: 0o4750, Uname: "program"},
		tar.Header{Name: "./sbin/tc2", Typeflag: tar.TypeLink, Linkname: "./sbin/tc"},
		tar.Header{Name: "./usr/lib/l.so", Typeflag: tar.TypeSymlink, Linkname: "/lib/l.so.1"},
		tar.Header{Name: "./usr/share/doc/x", Typeflag: tar.TypeReg, Mode: 0o644, Uname: "text"},
	)
	if err := unpack(stream, dir, rootName); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		name, _ := filepath.Rel(dir, path)
		got[name] = info.Mode().String()
		return err
	})
	want := map[string]string{"usr/sbin/tc": "-rwxr-xr-x", "usr/sbin/tc2": "-rwxr-xr-x", "usr/lib/l.so": "Lrwxrwxrwx"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestUnpackStaysInside(t *testing.T) {
	same := func(name string) string { return name }
	for name, stream := range map[string]*bytes.Buffer{
		"through a link": tarOf(t,
			tar.Header{Name: "out", Typeflag: tar.TypeSymlink, Linkname: ".."},
			tar.Header{Name: "out/file", Typeflag: tar.TypeReg, Mode: 0o644, Uname: "x"}),
		"cut off": bytes.NewBuffer(tarOf(t, tar.Header{Name: "file", Typeflag: tar.TypeReg, Mode: 0o644, Uname: strings.Repeat("x", 2000)}).Bytes()[:1000]),
	} {
		outer := t.TempDir()
		dir := filepath.Join(outer, "dir")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unpack(stream, dir, same); err == nil {
			t.Errorf("%s: no error", name)
		}
		if list, _ := os.ReadDir(outer); len(list) != 1 {
			t.Errorf("%s: wrote outside", name)
		}
	}
}
