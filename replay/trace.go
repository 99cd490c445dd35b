package replay

import (
	"errors"
	"fmt"
	"time"
)

// Ports is the number of ports of a bridge: p1 to p4.
const Ports = 4

// Limits of a trace. They bound what a guest is asked to hold, and what a
// file from another team can make us allocate.
const (
	// MaxPackets is the largest number of packets in a trace.
	MaxPackets = 4096
	// MinFrame is the shortest frame a port takes: an Ethernet header.
	MinFrame = 14
	// MaxFrame is the longest frame a port takes: an MTU of 1500 bytes, an
	// Ethernet header and two VLAN tags.
	MaxFrame = 1500 + 14 + 8
	// MaxGap is the longest gap between two packets.
	MaxGap = 30 * 24 * time.Hour
	// MaxRules is the largest number of rules in a pipeline.
	MaxRules = 4096
)

// Port is a bridge port, 1 to [Ports]. Its OpenFlow port number is the same.
type Port uint8

// String returns the port's name on the bridge, such as "p1".
func (p Port) String() string { return fmt.Sprintf("p%d", uint8(p)) }

// Valid reports whether the bridge has such a port.
func (p Port) Valid() bool { return p >= 1 && p <= Ports }

// ParsePort returns the port of a name such as "p1".
func ParsePort(name string) (Port, error) {
	if len(name) == 2 && name[0] == 'p' {
		if p := Port(name[1] - '0'); p.Valid() {
			return p, nil
		}
	}
	return 0, fmt.Errorf("port %q: not one of p1 to p%d", name, Ports)
}

// MarshalText implements [encoding.TextMarshaler].
func (p Port) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Port) UnmarshalText(text []byte) error {
	v, err := ParsePort(string(text))
	*p = v
	return err
}

// Packet is one Ethernet frame that enters the bridge.
type Packet struct {
	// Port is the port at which the frame enters.
	Port Port
	// Gap is the time since the packet before, or, for the first packet,
	// since the start of the trace. Never negative.
	Gap time.Duration
	// Frame is the Ethernet frame without its check sequence.
	Frame []byte
}

// Pipeline is the list of OpenFlow rules that a trace meets, each as
// ovs-ofctl(8) add-flow takes it.
type Pipeline []string

// Trace is what is replayed: packets, and the pipeline they meet.
type Trace struct {
	Pipeline Pipeline
	Packets  []Packet
}

// Validate returns an error that names the first part of t that no bridge can
// be given: a port that does not exist, a frame or gap out of range, too many
// packets or rules.
func (t Trace) Validate() error {
	if len(t.Packets) == 0 {
		return errors.New("trace has no packets")
	}
	if len(t.Packets) > MaxPackets {
		return fmt.Errorf("trace has %d packets, more than %d", len(t.Packets), MaxPackets)
	}
	if len(t.Pipeline) > MaxRules {
		return fmt.Errorf("pipeline has %d rules, more than %d", len(t.Pipeline), MaxRules)
	}
	for i, p := range t.Packets {
		if err := p.validate(); err != nil {
			return fmt.Errorf("packet %d: %w", i, err)
		}
	}
	return nil
}

func (p Packet) validate() error {
	if !p.Port.Valid() {
		return fmt.Errorf("port %d: not 1 to %d", p.Port, Ports)
	}
	if p.Gap < 0 || p.Gap > MaxGap {
		return fmt.Errorf("gap %v: not 0 to %v", p.Gap, MaxGap)
	}
	if len(p.Frame) < MinFrame || len(p.Frame) > MaxFrame {
		return fmt.Errorf("frame of %d bytes: not %d to %d", len(p.Frame), MinFrame, MaxFrame)
	}
	return nil
}
