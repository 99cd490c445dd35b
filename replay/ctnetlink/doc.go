// Package ctnetlink reads the kernel's connections from a dump over netlink
// (IPCTNL_MSG_CT_GET with NLM_F_DUMP, on NETLINK_NETFILTER), in the words in
// which Open vSwitch prints the same table.
//
// What the attributes are is in Linux, include/uapi/linux/netfilter:
// nfnetlink_conntrack.h, nf_conntrack_common.h, nf_conntrack_tcp.h and
// nf_conntrack_sctp.h. How OVS 2.15 to 4.0 reads and prints them is in its
// lib/netlink-conntrack.c and lib/ct-dpif.c. The bytes come from a guest that
// may have gone mad under a trace, so that what is read is bounded, and what
// has another form is an error that names the message and the attribute.
package ctnetlink
