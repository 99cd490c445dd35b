package ovs

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
)

// ParseConntrack reads a dump of connections, ordered by protocol, original
// direction, zone and reply.
//
// Without -s a dump has no timeouts. Parent connections, ids, counters and
// times of creation are passed over, as is what it does not know. An error
// names the line.
func ParseConntrack(dump string) ([]replay.ConntrackEntry, error) {
	var entries []replay.ConntrackEntry
	err := eachLine(dump, func(line string) error {
		e, err := parseEntry(line)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(entries, func(a, b replay.ConntrackEntry) int {
		return cmp.Or(
			cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Orig, b.Orig),
			cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Reply, b.Reply),
		)
	})
	return entries, nil
}

func parseEntry(line string) (replay.ConntrackEntry, error) {
	parts, err := split(line)
	if err != nil {
		return replay.ConntrackEntry{}, err
	}
	e := replay.ConntrackEntry{Proto: parts[0]}
	if e.Proto == "" || strings.ContainsAny(e.Proto, "=() ") {
		return replay.ConntrackEntry{}, fmt.Errorf("%s: no protocol", quote(line))
	}
	fields, err := settings(parts[1:])
	if err != nil {
		return replay.ConntrackEntry{}, err
	}
	for _, required := range []string{"orig", "reply"} {
		if _, ok := fields[required]; !ok {
			return replay.ConntrackEntry{}, fmt.Errorf("%s: no %s", quote(line), required)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := setField(&e, name, fields[name]); err != nil {
			return replay.ConntrackEntry{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return e, nil
}

func setField(e *replay.ConntrackEntry, name, value string) (err error) {
	var n uint64
	switch name {
	case "orig":
		e.Orig, err = parseTuple(value)
	case "reply":
		e.Reply, err = parseTuple(value)
	case "zone":
		n, err = number(value, 16)
		e.Zone = uint16(n)
	case "mark":
		n, err = number(value, 32)
		e.Mark = uint32(n)
	case "labels":
		if e.Labels, err = parseMasked(value, 128); e.Labels == "0" {
			e.Labels = ""
		}
	case "status":
		e.Status = parseStatus(value)
	case "timeout":
		n, err = number(value, 32)
		e.Timeout = uint32(n)
	case "protoinfo":
		e.State, err = parseProtoinfo(value)
	case "helper":
		e.Helper = value
	}
	return err
}

// parseTuple reads "(src=A,dst=B,sport=1,dport=2)" and writes it as
// "A > B sport=1 dport=2".
func parseTuple(value string) (string, error) {
	members, err := group(value)
	if err != nil {
		return "", err
	}
	var addresses [2]string
	var rest strings.Builder
	for i, member := range members {
		name, value, _ := strings.Cut(member, "=")
		switch {
		case i < len(addresses):
			want := [...]string{"src", "dst"}[i]
			address, err := netip.ParseAddr(value)
			if name != want || err != nil || address.Zone() != "" {
				return "", fmt.Errorf("%s: want %s=address", quote(member), want)
			}
			addresses[i] = value
		case name == "packets" || name == "bytes":
		default:
			if _, err := number(value, 64); err != nil {
				return "", fmt.Errorf("%s: %w", quote(name), err)
			}
			rest.WriteString(" " + member)
		}
	}
	if len(members) < len(addresses) {
		return "", fmt.Errorf("%s: want src=… and dst=…", quote(value))
	}
	return addresses[0] + " > " + addresses[1] + rest.String(), nil
}

// group returns the members of "(a,b)".
func group(value string) ([]string, error) {
	inner, open := strings.CutPrefix(value, "(")
	inner, closed := strings.CutSuffix(inner, ")")
	if !open || !closed {
		return nil, fmt.Errorf("%s: want (…)", quote(value))
	}
	return split(inner)
}

func parseStatus(value string) []string {
	var flags []string
	for flag := range strings.SplitSeq(value, "|") {
		if flag != "" && flag != "0" {
			flags = append(flags, flag)
		}
	}
	slices.Sort(flags)
	return flags
}

// parseProtoinfo returns the state of a connection: that of SCTP, or those of
// TCP's two directions, of which the kernel has one and the userspace datapath
// two.
func parseProtoinfo(value string) (string, error) {
	members, err := group(value)
	if err != nil {
		return "", err
	}
	fields, err := settings(members)
	if err != nil {
		return "", err
	}
	if state, ok := fields["state"]; ok {
		return state, nil
	}
	orig, reply := fields["state_orig"], fields["state_reply"]
	if orig == reply {
		return orig, nil
	}
	return orig + "/" + reply, nil
}
