package oracle

import (
	"fmt"
	"slices"
	"strings"
)

// A Rule says what may differ between two bridges without being a difference
// in what happens to packets and connections.
type Rule struct {
	// ID names the rule in notes and on the command line.
	ID string `json:"id"`
	// Excuses is what may differ.
	Excuses string `json:"excuses"`
	// Reason is why that is no difference.
	Reason string `json:"reason"`
	// Source is where the reason can be read or was measured.
	Source string `json:"source"`
}

// The IDs of the rules.
const (
	RuleCTMask          = "ct-mask"
	RuleStatistics      = "statistics"
	RuleByteCount       = "tc-byte-count"
	RuleFlows           = "flows"
	RuleOffload         = "offload"
	RuleUpcall          = "upcall"
	RuleUnseenUpcall    = "unseen-upcall"
	RuleUncountedDrop   = "uncounted-drop"
	RuleFragmentQueued  = "fragment-queued"
	RuleFragmentSizes   = "fragment-sizes"
	RuleFragmentID      = "fragment-id"
	RuleNoProtoinfo     = "no-protoinfo"
	RuleOffloadStatus   = "offload-status"
	RuleStatusHidden    = "status-hidden"
	RuleAssured         = "assured-in-flow-table"
	RuleFlowTimeout     = "flow-table-timeout"
	RuleTimeoutSlack    = "timeout-slack"
	RuleNATPort         = "nat-port-choice"
	RuleKernelLogPlain  = "kernel-log-plain"
	RuleKernelLogFormat = "kernel-log-format"
)

// AllRules is what [ParseStrict] takes for the IDs of all rules.
const AllRules = "all"

// ParseStrict returns the rules of a list such as "statistics,offload" for
// [Compare] and [Confirm] to leave out; [AllRules] is every rule. The error of
// a name that no rule has says which there are.
func ParseStrict(list string) ([]string, error) {
	var all, strict []string
	for _, r := range Rules {
		all = append(all, r.ID)
	}
	for name := range strings.SplitSeq(list, ",") {
		switch {
		case name == AllRules:
			strict = append(strict, all...)
		case slices.Contains(all, name):
			strict = append(strict, name)
		default:
			return nil, fmt.Errorf("no rule %q: there are %s, and %s for each of them", name, strings.Join(all, ", "), AllRules)
		}
	}
	return strict, nil
}

// Rules is the table of what may differ. [Compare] can be told to leave one
// out; then what it excuses is a difference.
var Rules = []Rule{
	{
		ID:      RuleCTMask,
		Excuses: "a ct_state bit that only one bridge's flow looks at",
		Reason:  "a datapath may install a flow with a narrower mask: new and est exclude each other, so that -new+est+trk and +est+trk take the same packets. A bit is compared where both know it.",
		Source:  "measured: after an echo and its reply, ct_state(0x22/0x23) in the kernel datapath and ct_state(0x22/0x22) in TC",
	},
	{
		ID:      RuleStatistics,
		Excuses: "packet and byte counters of flows",
		Reason:  "the packet that takes the upcall is counted by no flow, and a trace whose flows are partly in TC and partly in the kernel datapath counts a packet in another place.",
		Source:  "Open vSwitch, lib/dpif.c and lib/tc.c; measured",
	},
	{
		ID:      RuleByteCount,
		Excuses: "14 bytes for each packet that a flow in TC took",
		Reason:  "TC does not count the Ethernet header.",
		Source:  "Open vSwitch, Documentation/howto/tc-offload.rst, \"Flow bytes count\"",
	},
	{
		ID:      RuleFlows,
		Excuses: "which flows were installed, and how their actions and matches are printed",
		Reason:  "wildcards depend on the order of packets and on what the datapath can mask. Only a match on ct_zone, ct_mark or ct_label that contradicts every flow of the other bridge is a difference: its value came with a packet.",
		Source:  "measured: tcp_flags, vlan and flags are printed for the kernel datapath only",
	},
	{
		ID:      RuleOffload,
		Excuses: "whether TC took a flow",
		Reason:  "not all matches and actions can be offloaded (snat and dnat bits, ALGs, timeout policies); such a flow stays in the kernel datapath, and the packets fare alike.",
		Source:  "Open vSwitch, tests/system-offloads-testsuite-macros.at",
	},
	{
		ID:      RuleUpcall,
		Excuses: "a packet that takes an upcall on one bridge and a flow on another, at a step where it has the same ct_state",
		Reason:  "megaflows differ in their wildcards, so another packet may be the first to need one.",
		Source:  "Open vSwitch, Documentation/topics/design.rst, and rule flows",
	},
	{
		ID:      RuleUnseenUpcall,
		Excuses: "steps that are missing after an upcall, or after a flow that TC did not take",
		Reason:  "a packet that took an upcall, or met a flow in the kernel datapath, goes on there. Where TC alone has the next flow, it takes an upcall, which makes no flow and is counted by none.",
		Source:  "Open vSwitch, ofproto/ofproto-dpif-upcall.c, ukey_install",
	},
	{
		ID:      RuleUncountedDrop,
		Excuses: "the last step of a packet that neither bridge let out",
		Reason:  "a flow in TC counts a packet in its first action; a packet that this action drops is not counted, while the kernel datapath counts before it acts.",
		Source:  "Linux, net/sched/act_ct.c, tcf_ct_act; net/openvswitch/datapath.c, ovs_dp_process_packet",
	},
	{
		ID:      RuleFragmentQueued,
		Excuses: "the steps of a fragment that neither bridge let out, if one shows none at all",
		Reason:  "TC does not count a fragment that it keeps until the packet is whole.",
		Source:  "Linux, net/sched/act_ct.c, tcf_ct_act on EINPROGRESS",
	},
	{
		ID:      RuleFragmentSizes,
		Excuses: "where a packet is cut into fragments on its way out, if the parts make the same packet",
		Reason:  "the size comes from the largest fragment that came in, which is not known of one that went through userspace.",
		Source:  "Linux, net/openvswitch/actions.c, ovs_fragment; net/sched/sch_frag.c",
	},
	{
		ID:      RuleFragmentID,
		Excuses: "the id of an IPv6 packet's fragments",
		Reason:  "the kernel draws a new one at random for a packet that it cuts again.",
		Source:  "Linux, net/ipv6/output_core.c, ipv6_select_ident",
	},
	{
		ID:      RuleNoProtoinfo,
		Excuses: "the protocol state of a connection, if one bridge does not show it",
		Reason:  "an established connection in act_ct's flow table is dumped without protoinfo.",
		Source:  "Linux, net/netfilter/nf_conntrack_netlink.c, ctnetlink_dump_protoinfo; measured",
	},
	{
		ID:      RuleOffloadStatus,
		Excuses: "the status flags OFFLOAD and HW_OFFLOAD",
		Reason:  "they say that act_ct put the connection into its flow table, which the kernel datapath never does.",
		Source:  "Linux, include/uapi/linux/netfilter/nf_conntrack_common.h",
	},
	{
		ID:      RuleStatusHidden,
		Excuses: "the status flags of a connection, if one bridge shows none at all",
		Reason:  "the userspace datapath has no such flags.",
		Source:  "Open vSwitch, lib/conntrack.c, conn_to_ct_dpif_entry",
	},
	{
		ID:      RuleAssured,
		Excuses: "the status flag ASSURED of a UDP or GRE connection",
		Reason:  "conntrack sets it on a packet that comes two seconds after the first; one that the flow table handles does not get there.",
		Source:  "Linux, net/netfilter/nf_conntrack_proto_udp.c, nf_conntrack_udp_packet; net/sched/act_ct.c, tcf_ct_flow_table_lookup",
	},
	{
		ID:      RuleFlowTimeout,
		Excuses: "the timeout of a TCP, UDP or GRE connection",
		Reason:  "the flow table keeps timeouts of its own for the connections in it, and gives them others when it lets them go; a dump does not say for all of them that they were in it.",
		Source:  "Linux, net/netfilter/nf_flow_table_core.c, flow_offload_fixup_ct",
	},
	{
		ID:      RuleTimeoutSlack,
		Excuses: "up to 5 seconds of any other connection's timeout, and so a connection that is gone on one bridge and has no longer than that left on another",
		Reason:  "the dump takes time after the last packet.",
		Source:  "measured",
	},
	{
		ID:      RuleNATPort,
		Excuses: "which port or ICMP id NAT chose, if both bridges changed it",
		Reason:  "the kernel starts its search for a free one at random.",
		Source:  "Linux, net/netfilter/nf_nat_core.c, nf_nat_l4proto_unique_tuple",
	},
	{
		ID:      RuleKernelLogPlain,
		Excuses: "lines of the kernel's log that tell of no fault in the kernel",
		Reason:  "each datapath has messages of its own, such as the one about its limit of recirculations. A line that tells of a fault (WARNING, BUG, KASAN, a stall) is a difference.",
		Source:  "Linux, net/openvswitch/actions.c and net/sched/act_api.c",
	},
	{
		ID:      RuleKernelLogFormat,
		Excuses: "times, addresses and numbers in the kernel's log, and how often a line is there",
		Reason:  "they change from boot to boot.",
		Source:  "Linux, Documentation/core-api/printk-basics.rst",
	},
}
