// Package ovs reads what ovs-vswitchd prints of its datapath: the megaflows of
// "dpctl/dump-flows -m --names" and the connections of
// "dpctl/dump-conntrack -m -s", for the kernel datapath, flows that TC took,
// and the userspace datapath.
//
// The forms are those of OVS 2.15 to 4.0, and come from its source:
// lib/dpctl.c, lib/odp-util.c and lib/dpif.c for flows, lib/ct-dpif.c for
// connections. The text comes from a guest that may have gone mad under a
// trace, so that what is read is bounded, and what has another form is an error
// that names its line.
package ovs
