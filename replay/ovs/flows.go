package ovs

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
)

// Flow is one megaflow, a line of "dpctl/dump-flows -m --names".
type Flow struct {
	// UFID has the bytes of the ufid as netlink carries them, in
	// OVS_FLOW_ATTR_UFID and in the cookie of a TC action.
	UFID [16]byte
	// RecircID is the recirc_id of the packets that the flow takes.
	RecircID uint32
	// InPort is the name of the port whose packets the flow takes; empty if
	// it takes those of any.
	InPort string
	// CTState has the bits that the flow matches on.
	CTState replay.CTState
	// Zone, Mark and Label are the matches on ct_zone, ct_mark and ct_label
	// as "value" or "value/mask", where value has no bit that mask lacks;
	// empty if the flow does not look.
	Zone, Mark, Label string
	// Match has every other match, by field name and in OVS's words:
	// "eth_type" → "0x86dd", "ipv6" → "proto=58,frag=no". Left out is what
	// matches anything, and packet_type where it says that the packets are
	// Ethernet frames: only the userspace datapath prints that. The values
	// in it may have bits that their masks lack.
	Match map[string]string
	// Packets and Bytes count what the flow took.
	Packets, Bytes uint64
	// Used is the time since the flow last took a packet, such as "0.500s",
	// or "never".
	Used string
	// DP is where the flow is: "tc" or "ovs". The latter is the kernel
	// datapath or the userspace datapath.
	DP string
	// Offloaded is "yes", "partial", or empty where OVS does not print it:
	// it speaks of hardware, and no flow is offloaded where TC is software.
	Offloaded string
	// Actions are the actions as OVS prints them.
	Actions string
}

// ParseFlows reads a dump of flows, in its order. An error names the line.
func ParseFlows(dump string) ([]Flow, error) {
	var flows []Flow
	err := eachLine(dump, func(line string) error {
		// The userspace datapath's titles: one for each thread.
		if strings.HasPrefix(line, "flow-dump from ") {
			return nil
		}
		f, err := parseFlow(line)
		flows = append(flows, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return flows, nil
}

// unknownAttribute is what OVS 2.15 prints of an attribute that a newer kernel
// has: a key and a mask without names, and with one parenthesis too few.
var unknownAttribute = regexp.MustCompile(`,?\(bad key length \d+, expected -?\d+\)\([0-9a-f. ]*/\(bad mask length \d+, expected -?\d+\)\([0-9a-f. ]*\)`)

func parseFlow(line string) (Flow, error) {
	line = unknownAttribute.ReplaceAllString(line, "")
	head, actions, ok := strings.Cut(line, ", actions:")
	if !ok {
		return Flow{}, fmt.Errorf("%s: no actions", quote(line))
	}
	key, stats, ok := strings.Cut(head, ", packets:")
	if !ok {
		return Flow{}, fmt.Errorf("%s: no packets", quote(line))
	}
	id, key, _ := strings.Cut(key, ", ")
	// What a datapath says of its own making, such as the layout of its
	// lookup, follows the actions.
	if end := strings.LastIndex(actions, ", dp-extra-info:"); end >= 0 {
		actions = actions[:end]
	}
	f := Flow{DP: "ovs", Actions: actions}
	var err error
	if f.UFID, err = parseUFID(id); err != nil {
		return Flow{}, err
	}
	if err := f.parseKey(key); err != nil {
		return Flow{}, err
	}
	if err := f.parseStats("packets:" + stats); err != nil {
		return Flow{}, err
	}
	return f, nil
}

// parseUFID turns a ufid's text into the bytes of the ovs_u128 that it was made
// from. OVS prints it as a UUID, that is, as four 32-bit words in host order
// (UUID_ARGS in lib/uuid.h), and each of them is little-endian in memory on the
// machines that a guest can be.
func parseUFID(text string) (id [16]byte, err error) {
	uuid, ok := strings.CutPrefix(text, "ufid:")
	if !ok {
		return id, fmt.Errorf("%s: no ufid", quote(text))
	}
	const form = "01234567-0123-0123-0123-0123456789ab"
	for i := range len(form) {
		if len(uuid) != len(form) || (uuid[i] == '-') != (form[i] == '-') {
			return id, fmt.Errorf("ufid %s: not of the form of a UUID", quote(uuid))
		}
	}
	printed, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil {
		return id, fmt.Errorf("ufid %s: %w", quote(uuid), err)
	}
	for i := 0; i < len(id); i += 4 {
		binary.LittleEndian.PutUint32(id[i:], binary.BigEndian.Uint32(printed[i:]))
	}
	return id, nil
}

// parseStats reads what follows the match: "packets:2, bytes:172, used:0.8s,
// flags:S, offloaded:yes, dp:tc". Names that it does not know it passes over.
func (f *Flow) parseStats(text string) error {
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ", ") {
		name, value, ok := strings.Cut(part, ":")
		if !ok {
			return fmt.Errorf("%s: want name:value", quote(part))
		}
		if seen[name] {
			return fmt.Errorf("%s twice", quote(name))
		}
		seen[name] = true
		var err error
		switch name {
		case "packets":
			f.Packets, err = number(value, 64)
		case "bytes":
			f.Bytes, err = number(value, 64)
		case "used":
			f.Used = value
		case "offloaded":
			f.Offloaded = value
		case "dp":
			f.DP = value
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if !seen["bytes"] || !seen["used"] {
		return errors.New("no bytes or no used after packets")
	}
	return nil
}
