package oracletest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/replay/tracetext"
)

// UntrackedClasses lists the classes of packets that [Untracked] draws.
func UntrackedClasses() []string { return []string{"icmpv6", "icmp", "tcp", "udp"} }

// Untracked returns a frame of a class (see [UntrackedClasses]) for which
// conntrack has no connection, and makes none: it does not track it, such as
// neighbor discovery, or finds it invalid, such as TCP flags that exclude each
// other. All else is drawn with the seed: type, addresses, ports, hop limit,
// payload, extension headers. It panics on another class.
func Untracked(class string, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(slices.Index(UntrackedClasses(), class))))
	var words string
	switch class {
	case "icmpv6":
		words = untrackedICMPv6(r)
	case "icmp":
		kinds := []string{"echo-reply", "type 3 code 1", "type 11 code 0", "type 12 code 0", "type 200 code 3"}
		words = fmt.Sprintf("icmp %s %s > %s id %d seq %d", pick(r, kinds), ip4(r), ip4(r), r.IntN(1<<16), r.IntN(1<<16))
	case "tcp":
		flags := pick(r, []string{"SF", "SR", "R", "FR", "none"})
		words = between(r, class) + fmt.Sprintf(" flags %s seq %d", flags, r.Uint32())
	case "udp":
		words = between(r, class)
	default:
		panic("no class " + class)
	}
	words += fmt.Sprintf(" payload %x", fmt.Appendf(nil, "%0*d", r.IntN(200)+1, seed))
	frame := parsed(words)
	if class == "udp" {
		// Any other checksum makes it invalid, but none is no checksum.
		at := l4(frame) + 6
		frame[at], frame[at+1] = frame[at]^0x55, frame[at+1]|1
	}
	return extensions(r, frame)
}

func untrackedICMPv6(r *rand.Rand) string {
	kinds := []string{
		"ns", "na", "rs", "ra", "mld-report", "mld-done", "mld2-report",
		"echo-reply", "unreachable", "packet-too-big", "time-exceeded", "parameter-problem", "type 200 code 7",
	}
	kind := pick(r, kinds)
	src, dst := ip6(r), ip6(r)
	words := fmt.Sprintf("icmp6 %s %s > %s hlim %d flow-label %d tclass %d", kind, src, dst, r.IntN(255)+1, r.IntN(1<<20), r.IntN(256))
	switch kind {
	case "ns":
		words += " target " + dst
	case "mld-done", "mld2-report":
		words += " group ff02::1:" + fmt.Sprintf("%x", r.IntN(1<<16))
	}
	return words
}

// between returns the words for TCP or UDP over either version of IP, up to
// the ports.
func between(r *rand.Rand, class string) string {
	ip := ip4
	if r.IntN(2) == 0 {
		class, ip = class+"6", ip6
	}
	ports := []any{r.IntN(1<<16-1) + 1, r.IntN(1<<16-1) + 1}
	return fmt.Sprintf("%s %s %d > %s %d", class, ip(r), ports[0], ip(r), ports[1])
}

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

func ip4(r *rand.Rand) string {
	return fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(254)+1)
}

func ip6(r *rand.Rand) string { return fmt.Sprintf("2001:db8:%x::%x", r.IntN(1<<16), r.IntN(1<<16)) }

func parsed(words string) []byte {
	trace, err := tracetext.Parse(strings.NewReader("p1 +0s " + words))
	if err != nil {
		panic(err)
	}
	return trace.Packets[0].Frame
}

// extensions puts up to two extension headers behind a frame's IPv6 header, if
// it has one and none follows it yet: destination options, or hop-by-hop
// options first. Both are all padding.
func extensions(r *rand.Rand, frame []byte) []byte {
	const hopByHop, destination, next = 0, 60, 20
	if frame[12] != 0x86 || frame[next] == hopByHop {
		return frame
	}
	for _, header := range []byte{destination, hopByHop} {
		if r.IntN(3) > 0 {
			continue
		}
		frame = slices.Insert(frame, 54, frame[next], 0, 1, 4, 0, 0, 0, 0)
		frame[next] = header
		binary.BigEndian.PutUint16(frame[18:], binary.BigEndian.Uint16(frame[18:])+8)
	}
	return frame
}

// l4 returns the offset of a frame's UDP header.
func l4(frame []byte) int {
	if frame[12] == 0x86 {
		return 54
	}
	return 34
}
