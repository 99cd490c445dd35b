package lab

import (
	"fmt"
	"regexp"

	"github.com/ctdiff/ctdiff/replay"
	"github.com/ctdiff/ctdiff/replay/wire"
)

// markPort is the port of the bridge with the marked copy at which marks leave;
// the agent has it after those of a trace.
const markPort = replay.Ports + 1

// What rules say that change an Ethernet address or look at one, and those for
// which a bridge cannot stay as it is: it would remember addresses, its flow
// table would change, or each packet would take an upcall.
var (
	sourceWord = regexp.MustCompile(`(?i)dl_src|eth_src|arp_sha|nd_sll`)
	etherWord  = regexp.MustCompile(`(?i)dl_dst|eth_dst|arp_tha|nd_tll`)
	coldWord   = regexp.MustCompile(`(?i)normal|flood|\ball\b|learn|_timeout|controller|\blocal\b|in_port\s*\)|sample|group|meter|note|multipath|bundle|fin_timeout|dec_ttl|check_pkt_larger|encap|decap`)
)

// marked returns the marked copy of a pipeline: the same rules, in which a
// packet that comes from conntrack passes a table of ours first, which sends a
// copy out of markPort that tells its ct_state and the table it is bound for.
// ok is false if that would change what becomes of packets.
func marked(p replay.Pipeline) (copied replay.Pipeline, address string, ok bool) {
	source, destination := true, true
	for _, rule := range p {
		if coldWord.MatchString(rule) {
			return nil, "", false
		}
		source = source && !sourceWord.MatchString(rule)
		destination = destination && !etherWord.MatchString(rule)
	}
	switch {
	case source:
		address = "SRC"
	case destination:
		address = "DST"
	default:
		return nil, "", false
	}
	copied, err := copyWith(p, func(ours, next int) []string {
		return []string{fmt.Sprintf("table=%d,priority=0,actions=load:%d->NXM_OF_ETH_%s[8..15],move:NXM_NX_CT_STATE[0..5]->NXM_OF_ETH_%s[0..5],output:%d,resubmit(,%d)",
			ours, next, address, address, markPort, next)}
	})
	return copied, address, err == nil
}

// A mark is what a copy tells.
type mark struct {
	state replay.CTBits
	table uint8
}

// readMarks returns the marks of a packet in order.
func readMarks(frames []wire.Output, address string) []mark {
	var marks []mark
	for _, f := range frames {
		if f.Port != markPort || len(f.Frame) < replay.MinFrame {
			continue
		}
		if part, _ := replay.ParseFragment(f.Frame); part.Offset > 0 {
			continue // of a packet that left in several
		}
		bytes := f.Frame[10:12]
		if address == "DST" {
			bytes = f.Frame[4:6]
		}
		marks = append(marks, mark{state: replay.CTBits(bytes[1]) & replay.CTWitnessed, table: bytes[0]})
	}
	return marks
}
