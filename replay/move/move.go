// Package move gives each of many traces in a row addresses of its own.
//
// A guest that is not purged between two traces keeps state of the earlier one:
// connections, act_ct's flow table, queues of fragments. All of it is found by
// the addresses of packets. So the n-th trace is replayed moved by [Move](n),
// and what comes out of the bridge is moved back. [Movable] says which
// pipelines cannot tell.
//
// A move is what RFC 6296 calls checksum-neutral: it changes an address only so
// that the ones' complement sum of its words stays the same. What is right
// stays right, and what is wrong stays wrong by the same difference, without a
// look at any checksum: in fragments, which have only a part of what is summed,
// and in packets quoted by errors too.
//
// # What is moved
//
//   - Source and destination of IPv6 and IPv4, behind any number of VLAN tags
//     and behind a SNAP header.
//   - The same in the packet that an ICMPv6 or ICMP error or an ICMPv6 redirect
//     quotes, where Linux's conntrack looks for it (nf_conntrack_inet_error).
//   - The addresses of IPv6 routing headers of types 0, 2 and 4.
//   - The identification in IPv6 fragment headers; not in quotes, where a
//     checksum covers it.
//
// Everything else enters neither conntrack nor a rule of a movable pipeline, and
// is left alone: ARP, the targets of neighbor discovery, options, MLD, ports,
// ICMP ids, the identification of IPv4, packets within tunnels or MPLS.
//
// # How far
//
// The same address moves to the same one everywhere. The last 24 bits of an IPv6
// address stay, so that it keeps its solicited-node group, and so do the first
// 40. An address has another image under each move, but for two kinds, whose
// images come again after
//
//   - 16,777,472 moves: link-local addresses, which stay in their /64;
//   - 56,831 moves: IPv4 addresses, of whose 32 bits a sum of 16 leaves half.
//
// Two addresses that differ and yet have the same sum and the same last bits can
// meet under two moves. For a connection to meet another, both its addresses
// must, at the same distance.
//
// Addresses that mean something to everyone do not move: IPv6 multicast
// (ff00::/8) and ::/40, which has the unspecified, the loopback and the
// IPv4-mapped addresses; 0.0.0.0 to 0.255.255.255, 127.0.0.0 to 128.0.254.254
// (the loopback network and a little more, see ipv4), and all from 224.0.0.0 on.
// A packet between two of these, such as from :: to ff02::1, is told apart by
// no more than the identification of IPv6 fragments. Whoever replays must
// remove what it leaves, or live with it.
//
// Of a fragment only what is in it is moved. A quote that begins in another
// fragment than the error, or is cut in an address, is not moved and so will
// not be that of a connection.
package move

import (
	"net/netip"
	"strings"

	"github.com/ctdiff/ctdiff/replay"
)

// Move is the n-th move. Move(0) leaves everything where it is.
type Move uint32

// Frame appends to dst the Ethernet frame, moved. It takes any bytes, and only
// allocates if dst has no room: m.Frame(frame[:0], frame) moves in place.
func (m Move) Frame(dst, frame []byte) []byte { return shift(m).appendTo(dst, frame) }

// Back appends to dst the Ethernet frame, moved back: it undoes Frame for any
// bytes.
func (m Move) Back(dst, frame []byte) []byte { return (-shift(m)).appendTo(dst, frame) }

// Entry returns a connection that was seen in a guest, moved back. An Orig or
// Reply of another form than [replay.ConntrackEntry] has stays as it is.
func (m Move) Entry(e replay.ConntrackEntry) replay.ConntrackEntry {
	e.Orig, e.Reply = (-shift(m)).tuple(e.Orig), (-shift(m)).tuple(e.Reply)
	return e
}

// shift is how far to go, and in which direction.
type shift int64

func (s shift) appendTo(dst, frame []byte) []byte {
	start := len(dst)
	dst = append(dst, frame...)
	if s != 0 {
		s.frame(dst[start:])
	}
	return dst
}

// tuple moves the addresses of "A > B rest".
func (s shift) tuple(text string) string {
	src, rest, ok := strings.Cut(text, " > ")
	if !ok || s == 0 {
		return text
	}
	dst, rest, more := strings.Cut(rest, " ")
	text = s.text(src) + " > " + s.text(dst)
	if more {
		text += " " + rest
	}
	return text
}

func (s shift) text(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" {
		return address
	}
	b := a.AsSlice()
	if a.Is4() {
		s.ipv4(b)
	} else {
		s.ipv6(b)
	}
	// One that stays keeps its form: inet_ntop writes some otherwise than we.
	if moved, _ := netip.AddrFromSlice(b); moved != a {
		return moved.String()
	}
	return address
}
