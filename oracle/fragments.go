package oracle

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/ctdiff/ctdiff/replay"
)

// A fragment is part of a packet that left a bridge.
type fragment struct {
	replay.Output
	h Headers
}

// joinFragments returns the outputs with the fragments of one packet joined,
// if all are there. What it joins is good for comparison only: the header's
// checksum is zero.
func joinFragments(list []replay.Output) []replay.Output {
	var whole []replay.Output
	parts := map[replay.Port]map[uint32][]fragment{}
	for _, o := range list {
		h := ParseHeaders(o.Frame)
		if !h.Frag {
			whole = append(whole, o)
			continue
		}
		if parts[o.Port] == nil {
			parts[o.Port] = map[uint32][]fragment{}
		}
		parts[o.Port][h.FragID] = append(parts[o.Port][h.FragID], fragment{o, h})
	}
	for port, byID := range parts {
		for _, set := range byID {
			if frame, ok := join(set); ok {
				whole = append(whole, replay.Output{Port: port, Frame: frame})
				continue
			}
			for _, f := range set {
				whole = append(whole, f.Output)
			}
		}
	}
	return sortOutputs(whole)
}

// withoutIDs returns the outputs with the ids of IPv6 fragments cleared.
func withoutIDs(list []replay.Output) []replay.Output {
	list = slices.Clone(list)
	for i, o := range list {
		if h := ParseHeaders(o.Frame); h.Frag && h.Version == 6 {
			list[i].Frame = slices.Clone(o.Frame)
			clear(list[i].Frame[h.fragAt+4 : h.fragAt+8])
		}
	}
	return list
}

func join(set []fragment) ([]byte, bool) {
	slices.SortFunc(set, func(x, y fragment) int { return cmp.Compare(x.h.FragOffset, y.h.FragOffset) })
	var data []byte
	for _, f := range set {
		start := f.payload()
		if f.h.FragOffset != len(data) || start > f.h.end {
			return nil, false
		}
		data = append(data, f.Frame[start:f.h.end]...)
	}
	if set[len(set)-1].h.FragMore {
		return nil, false
	}
	return append(set[0].header(len(data)), data...), true
}

// payload returns the offset of what the fragment carries.
func (f fragment) payload() int {
	if f.h.Version == 6 {
		return f.h.fragAt + 8
	}
	return f.h.data
}

// header returns what comes before the payload, without what differs between
// one packet's fragments and those of the same packet cut otherwise. It counts
// size bytes of payload.
func (f fragment) header(size int) []byte {
	head := slices.Clone(f.Frame[:f.payload()])
	ip := head[f.h.L3:]
	if f.h.Version == 6 {
		// A packet that was cut has a fragment header in each part; one that
		// was not has none.
		head[f.h.fragNext] = head[f.h.fragAt]
		head = slices.Delete(head, f.h.fragAt, f.h.fragAt+8)
		binary.BigEndian.PutUint16(head[f.h.L3+4:], uint16(len(ip)-8-40+size))
		return head
	}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+size))
	clear(ip[6:8])
	clear(ip[10:12])
	return head
}
