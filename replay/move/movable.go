package move

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
)

var (
	// kept are fields named _src and _dst that no move changes.
	kept = []string{"dl", "eth", "tp", "tcp", "udp", "sctp"}
	// tied are parts of names of fields that a move changes (ovs-fields(7); the
	// actions that set them are named after them), that hash those, and of
	// actions on headers which hide packets from a move, or it from them.
	tied = []string{"arp_spa", "arp_tpa", "nd_target", "dp_hash", "mpls", "nsh", "encap", "decap", "bundle"}
	// tiedWords are actions that choose by a hash of addresses, or cut packets
	// off, and conntrack's helpers, which read addresses from the payload.
	tiedWords = []string{"multipath", "group", "max_len", "alg"}
)

// Movable reports whether a pipeline treats moved packets as it would have
// treated them where they were. If not, the reason names the first rule that may
// not, and the word in it.
//
// It errs on the safe side: each rule is refused that names a field that a move
// changes, an address, or an action that comes to depend on either.
func Movable(p replay.Pipeline) (reason string, ok bool) {
	for i, rule := range p {
		for word := range strings.FieldsFuncSeq(rule, func(r rune) bool { return !inWord(r) && r != '.' && r != ':' }) {
			if isAddress(word) {
				return fmt.Sprintf("rule %d has %q", i, word), false
			}
			for name := range strings.FieldsFuncSeq(word, func(r rune) bool { return !inWord(r) }) {
				if isTied(strings.ToLower(name)) {
					return fmt.Sprintf("rule %d has %q", i, name), false
				}
			}
		}
	}
	return "", true
}

func inWord(r rune) bool {
	return r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// isAddress takes for an address whatever could have one in it: an Ethernet
// address and the name of an action before it have six colons.
func isAddress(word string) bool {
	return strings.Count(word, ".") >= 3 || strings.Contains(word, "::") || strings.Count(word, ":") >= 7
}

func isTied(name string) bool {
	if strings.Contains(name, "_src") || strings.Contains(name, "_dst") {
		// All that are not kept, also those to come: "ct_nw_src", "tun_ipv6_dst".
		field, end := name[:len(name)-len("_src")], name[len(name)-len("_src"):]
		return end != "_src" && end != "_dst" || !slices.Contains(kept, field[strings.LastIndexByte(field, '_')+1:])
	}
	return slices.Contains(tiedWords, name) ||
		slices.ContainsFunc(tied, func(part string) bool { return strings.Contains(name, part) })
}
