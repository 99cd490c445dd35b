package sweep

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/corpus"
	"github.com/ctdiff/ctdiff/replay"
)

// A Way is what one bridge makes of a case.
type Way = corpus.SweepWay

// wayOf puts into words what a bridge made of a case.
func wayOf(c Case, packets []replay.Packet, s sight) Way {
	w := Way{Packets: []string{}, Connections: []string{}, Crash: s.crash}
	for i := range s.ways {
		fate := fateOf(packets[i], s.ways[i])
		if i < c.before() {
			w.Before = append(w.Before, fate)
		} else {
			w.Packets = append(w.Packets, fate)
		}
	}
	for _, e := range s.connections {
		w.Connections = append(w.Connections, entryWords(c, e))
	}
	slices.Sort(w.Connections)
	return w
}

// fateOf says what a packet was to conntrack, and what became of it.
func fateOf(p replay.Packet, w replay.PacketWay) string {
	var states []string
	for _, step := range w.Witness {
		if step.Recirc > 0 {
			states = append(states, stateWords(step.CTState))
		}
	}
	text := "not to conntrack"
	if len(states) > 0 {
		text = strings.Join(states, ", then ")
	}
	switch {
	case w.Looped:
		return text + ", goes round"
	case len(w.Outputs) == 0:
		return text + ", dropped"
	}
	var ports []string
	for _, o := range w.Outputs {
		port := o.Port.String()
		if o.Changed {
			port += " (" + changed(p.Frame, o.Frame) + ")"
		}
		ports = append(ports, port)
	}
	return text + ", leaves by " + strings.Join(ports, " and ")
}

// stateWords returns the bits that are set; if none is, that the packet is not
// tracked.
func stateWords(s replay.CTState) string {
	if s.Value == 0 {
		return "-trk"
	}
	return replay.CTState{Value: s.Value, Mask: s.Value}.String()
}

// changed says which bytes of a packet are others in the frame that left.
func changed(in, out []byte) string {
	if len(in) != len(out) {
		return fmt.Sprintf("%+d bytes", len(out)-len(in))
	}
	var parts []string
	for i := 0; i < len(in); i++ {
		start := i
		for i < len(in) && in[i] != out[i] {
			i++
		}
		switch i - start {
		case 0:
		case 1:
			parts = append(parts, fmt.Sprint(start))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", start, i-1))
		}
	}
	return "bytes " + strings.Join(parts, ",") + " changed"
}

func entryWords(c Case, e replay.ConntrackEntry) string {
	parts := []string{ownerOf(c, e)}
	if e.State != "" {
		parts = append(parts, e.State)
	}
	parts = append(parts, e.Status...)
	if e.Zone != 0 {
		parts = append(parts, fmt.Sprintf("zone %d", e.Zone))
	}
	if e.Mark != 0 {
		parts = append(parts, fmt.Sprintf("mark %d", e.Mark))
	}
	if e.Labels != "" {
		parts = append(parts, "labels "+e.Labels)
	}
	if e.Helper != "" {
		parts = append(parts, "helper "+e.Helper)
	}
	return strings.Join(parts, " ")
}

// What words about the connection that the echo request made begin with, and
// those about one that the case's packet did.
const (
	echos = "echo's connection"
	own   = "own connection"
)

// ownerOf says what made a connection: the echo request, the case's packet, or
// what else.
func ownerOf(c Case, e replay.ConntrackEntry) string {
	_, rest, _ := strings.Cut(e.Orig, "type=")
	switch {
	case c.Connected && rest == fmt.Sprintf("%d code=0", echoRequest):
		return echos
	case rest == fmt.Sprintf("%d code=%d", c.Type, c.Code):
		return own
	}
	return "connection of type " + rest
}
