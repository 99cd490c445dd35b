package image

import (
	"fmt"
	"strings"
)

// A Profile names a kernel and an Open vSwitch that one Debian release ships
// together.
type Profile struct {
	Name string
	// Suite is the release in Debian's archive.
	Suite string
	// Kernel is the series of the release's linux-source package, such as
	// "5.10"; empty for the newest that the mirror has.
	Kernel string
	// OVS is the release's series of Open vSwitch, such as "2.15", for people
	// to read; empty for the newest.
	OVS string
	// extra is a suite that is also looked at for the newest kernel, if the
	// mirror carries it.
	extra string
}

// Newest is the profile with the newest kernel and Open vSwitch of the mirror.
const Newest = "debian-sid"

// Profiles returns all profiles, oldest first.
func Profiles() []Profile {
	return []Profile{
		{Name: "debian-11", Suite: "bullseye", Kernel: "5.10", OVS: "2.15"},
		{Name: "debian-12", Suite: "bookworm", Kernel: "6.1", OVS: "3.1"},
		{Name: "debian-13", Suite: "trixie", Kernel: "6.12", OVS: "3.5"},
		// Debian uploads release candidates of kernels to experimental.
		{Name: Newest, Suite: "sid", extra: "experimental"},
	}
}

// FindProfile returns the profile of a name, or an [InputError] that lists
// those there are.
func FindProfile(name string) (Profile, error) {
	var names []string
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, &InputError{fmt.Errorf("unknown profile %q: there are %s", name, strings.Join(names, ", "))}
}
