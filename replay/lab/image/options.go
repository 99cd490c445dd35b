package image

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"strings"
)

// A version is that of a kernel, without what follows major and minor.
type version struct{ major, minor int }

func (v version) String() string { return fmt.Sprintf("%d.%d", v.major, v.minor) }

func (v version) before(w version) bool {
	return v.major < w.major || v.major == w.major && v.minor < w.minor
}

// options are what a guest needs on top of allnoconfig, by what for. All of
// them exist in every kernel of a profile, from 5.10 on.
var options = []string{
	// A kernel that runs programs, with the names of its functions in traces.
	"64BIT PRINTK BUG MULTIUSER BINFMT_ELF BINFMT_SCRIPT FUTEX EPOLL SIGNALFD TIMERFD EVENTFD SHMEM AIO IO_URING POSIX_TIMERS KALLSYMS HIGH_RES_TIMERS",
	// Files: the root comes over hostfs, which needs BLOCK in 5.10.
	"BLOCK HOSTFS BLK_DEV_INITRD FILE_LOCKING PROC_FS SYSCTL SYSFS TMPFS DEVTMPFS DEVTMPFS_MOUNT",
	// Consoles over inherited descriptors.
	"TTY UNIX98_PTYS STDERR_CONSOLE SSL NULL_CHAN PTY_CHAN TTY_CHAN",
	// Virtual time: time-travel=inf-cpu.
	"UML_TIME_TRAVEL_SUPPORT",
	"NAMESPACES NET_NS NET PACKET UNIX INET IPV6 NETDEVICES NET_CORE UML_NET_VECTOR VETH TUN DUMMY",
	"NETFILTER NETFILTER_ADVANCED NETFILTER_INGRESS",
	"NF_CONNTRACK NF_CONNTRACK_ZONES NF_CONNTRACK_MARK NF_CONNTRACK_LABELS NF_CONNTRACK_EVENTS NF_CONNTRACK_TIMEOUT NF_CT_NETLINK NF_CONNTRACK_FTP NF_CONNTRACK_TFTP",
	// Protocols with a tracker of their own; PPTP is what selects that of GRE.
	"NF_CT_PROTO_SCTP NF_CONNTRACK_PPTP NF_CT_PROTO_GRE",
	"NF_NAT NF_TABLES NF_TABLES_INET NF_TABLES_NETDEV NF_FLOW_TABLE NF_FLOW_TABLE_INET",
	"NET_SCHED NET_CLS NET_CLS_ACT NET_SCH_INGRESS NET_CLS_FLOWER NET_CLS_MATCHALL",
	"NET_ACT_GACT NET_ACT_MIRRED NET_ACT_PEDIT NET_ACT_SKBEDIT NET_ACT_CSUM NET_ACT_CT NET_ACT_VLAN NET_ACT_MPLS NET_ACT_POLICE NET_ACT_TUNNEL_KEY",
	// OVS offloads recirculation and conntrack to TC only with this one, which
	// no distribution's kernel for a virtual machine sets.
	"NET_TC_SKB_EXT",
	"NET_NSH MPLS OPENVSWITCH",
	// Coverage, of the objects that covered names.
	"DEBUG_FS KCOV",
}

// boundOptions exist in some versions only: from the first, if any, until
// before the second.
var boundOptions = []struct {
	name        string
	from, until version
}{
	// UML_NET_VECTOR depended on UML_NET, the menu of the older transports,
	// until 6.16 removed those ("um: Remove legacy network transport
	// infrastructure").
	{name: "UML_NET", until: version{6, 16}},
	// Until 7.3 it was the prompt that selected SYSCTL; from then on SYSCTL
	// has one itself.
	{name: "PROC_SYSCTL", until: version{7, 3}},
}

// unset are options that must stay off, though KCOV would turn them on:
// coverage of the whole kernel slows it down several times.
var unset = []string{"KCOV_INSTRUMENT_ALL"}

// stackOrder is the binary logarithm of a kernel stack's pages: User-Mode Linux
// keeps copies of a process's extended registers there, which compilerScript
// makes larger. The default of 2 would leave too little.
const stackOrder = 4

// covered are the sources whose coverage is recorded: conntrack, its TC
// action and flow table, flower, the dissector, and the kernel's OVS. KCOV
// takes a list of objects in make variables.
var covered = []string{
	"net/netfilter/nf_conntrack*.c",
	"net/netfilter/nf_flow_table*.c",
	"net/netfilter/nf_nat*.c",
	"net/sched/act_*.c",
	"net/sched/cls_flower.c",
	"net/sched/cls_api.c",
	"net/core/flow_dissector.c",
	"net/openvswitch/*.c",
}

// optionsFor returns the names of the options that a kernel must have.
func optionsFor(v version) []string {
	var names []string
	for _, line := range options {
		names = append(names, strings.Fields(line)...)
	}
	for _, o := range boundOptions {
		if !v.before(o.from) && (o.until == version{} || v.before(o.until)) {
			names = append(names, o.name)
		}
	}
	return names
}

// fragment returns the file that KCONFIG_ALLCONFIG names.
func fragment(v version) string {
	var b strings.Builder
	for _, name := range optionsFor(v) {
		fmt.Fprintf(&b, "CONFIG_%s=y\n", name)
	}
	fmt.Fprintf(&b, "CONFIG_KERNEL_STACK_ORDER=%d\n", stackOrder)
	for _, name := range unset {
		fmt.Fprintf(&b, "# CONFIG_%s is not set\n", name)
	}
	return b.String()
}

// missingOptions returns which options a .config does not set.
func missingOptions(config io.Reader, want []string) ([]string, error) {
	set := map[string]bool{}
	lines := bufio.NewScanner(config)
	for lines.Scan() {
		if name, ok := strings.CutSuffix(lines.Text(), "=y"); ok {
			set[strings.TrimPrefix(name, "CONFIG_")] = true
		}
	}
	var missing []string
	for _, name := range want {
		if !set[name] {
			missing = append(missing, name)
		}
	}
	return missing, lines.Err()
}

// coverVariables returns the make variables that have the covered sources of
// a tree instrumented.
func coverVariables(tree string) ([]string, error) {
	var variables []string
	for _, pattern := range covered {
		files, err := filepath.Glob(filepath.Join(tree, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			object := strings.TrimSuffix(filepath.Base(file), ".c") + ".o"
			variables = append(variables, "KCOV_INSTRUMENT_"+object+"=y")
		}
	}
	sort.Strings(variables)
	return variables, nil
}

// recipeVersion is to be counted up when kernels are built another way than
// the tables above say, so that older ones count as not built.
const recipeVersion = 2

// kernelRecipe is the hash of everything that we decide about a kernel of a
// version.
func kernelRecipe(v version) string { return hash(recipeVersion, fragment(v), covered, compilerScript) }

// hash returns the first 48 bits of a hash over the values' text: enough for
// the few artefacts of one cache.
func hash(values ...any) string {
	h := sha256.New()
	for _, v := range values {
		fmt.Fprintf(h, "%q\n", fmt.Sprint(v))
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}
