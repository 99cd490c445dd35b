// Package image builds and finds what a guest of the lab is made of: a
// User-Mode Linux kernel, which is an ordinary executable, and a directory
// with Open vSwitch and the libraries it needs.
//
// Both come from one Debian release, a [Profile], or are the user's own. They
// are built without root, and kept in the user's cache directory:
//
//	lock                         held by whoever builds or removes
//	kernel/VERSION-HASH/         linux, vmlinux (not stripped), System.map, config, kernel.json
//	kernel/debian-11             symbolic link to the one that the profile uses
//	root/VERSION-HASH/           files/ (the guest's root), root.json
//	root/debian-11               likewise
//	logs/NAME-STEP.log           what the last run of each step printed
//	work/                        downloads and trees of a build that has not ended, or was interrupted
//
// HASH is of everything that the artefact was made from, so that what is
// there under its final name is whole, and building the same again is free.
// A kernel from --kernel-src goes by the name src-HASH, HASH being of the
// directory's path; its objects stay in work/ to be built on.
package image
