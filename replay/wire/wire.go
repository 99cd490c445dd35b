// Package wire has the messages between the host and the agent in a guest,
// and the channel that carries them.
//
// A message is a CBOR array of its fields in order (RFC 8949), preceded by one
// byte that says which message it is, cut into Ethernet frames of the guest's
// vec0 device.
package wire

import "time"

// Hello is the agent's first message: who it is.
type Hello struct {
	_ struct{} `cbor:",toarray"`
	// Build identifies the agent's source; see package agent.
	Build string
	// Kernel is the guest's kernel release.
	Kernel string
}

// Boot is the host's answer to [Hello]: what to bring up.
type Boot struct {
	_ struct{} `cbor:",toarray"`
	// Offload sets other_config:hw-offload.
	Offload bool
	// Entropy seeds the guest's random number generator.
	Entropy []byte
	// Interactive is set in a guest that keeps real time: the agent waits
	// for the host without spinning, and starts a shell on the console.
	Interactive bool
}

// Ready says that the bridges are up.
type Ready struct {
	_ struct{} `cbor:",toarray"`
	// OVS is the version that ovs-vswitchd gave.
	OVS string
	// Error is not empty if the bridges could not be brought up.
	Error string
}

// Replay asks for one trace.
type Replay struct {
	_ struct{} `cbor:",toarray"`
	// Rules and Witness are the pipeline as given and its witness copy.
	Rules   []string
	Witness []string
	Packets []Packet
}

// Packet is one packet of a trace.
type Packet struct {
	_     struct{} `cbor:",toarray"`
	Port  uint8
	Gap   time.Duration
	Frame []byte
}

// Replayed is the answer to [Replay].
type Replayed struct {
	_ struct{} `cbor:",toarray"`
	// Refused is not nil if OVS refused the pipeline; nothing was sent then.
	Refused *Refusal
	// Error is not empty if the guest could not do what it was asked.
	Error string
	// Died says how ovs-vswitchd ended, if it has.
	Died string
	// Given and Witness are the runs through the two pipelines.
	Given   Run
	Witness Run
	// KernelLog has the records of warning level or worse since the last
	// message.
	KernelLog []string
}

// Refusal is a rule that OVS does not take.
type Refusal struct {
	_ struct{} `cbor:",toarray"`
	// Rule is the rule's index in the pipeline, or -1 if OVS refused the
	// whole.
	Rule int
	// Words are those of ovs-ofctl.
	Words string
}

// Run is what one pipeline made of the packets.
type Run struct {
	_       struct{} `cbor:",toarray"`
	Packets []Sent
	// Flows are dumps as dpctl/dump-flows -m prints them: one before each
	// gap in which flows could expire, and one after the last packet.
	Flows []string
	// Conntrack is a dump as dpctl/dump-conntrack -m prints it.
	Conntrack string
}

// Sent is what happened when a packet was sent.
type Sent struct {
	_       struct{} `cbor:",toarray"`
	Hits    []Hit
	Outputs []Output
}

// Hit is a flow that changed when a packet was sent.
type Hit struct {
	_    struct{} `cbor:",toarray"`
	UFID [16]byte
	// Packets is by how much the flow's packet counter grew.
	Packets uint64
	// New says that the flow was not there before.
	New bool
}

// Output is a frame that left the bridge.
type Output struct {
	_     struct{} `cbor:",toarray"`
	Port  uint8
	Frame []byte
}

// Warm asks for one trace at level warm.
type Warm struct {
	_ struct{} `cbor:",toarray"`
	// Rules are nil if they are those of the last Warm.
	Rules *Rules
	// Given and Marked are the packets for either pipeline: the same, with
	// other addresses.
	Given  []Packet
	Marked []Packet
	// Cover says what of the kernel's coverage is wanted.
	Cover Cover
	// Slow has each packet's upcalls taken before the next is sent.
	Slow bool
}

// Cover is of what the kernel's coverage is shown.
type Cover uint8

// What coverage there is: none, that of the whole trace, that of each packet.
const (
	CoverNothing Cover = iota
	CoverTrace
	CoverPackets
)

// Rules are a pipeline as given, and a copy of it that shows more.
type Rules struct {
	_     struct{} `cbor:",toarray"`
	Given []string
	Copy  []string
}

// Warmed is the answer to [Warm].
type Warmed struct {
	_ struct{} `cbor:",toarray"`
	// Refused, Error, Died and KernelLog are those of [Replayed].
	Refused   *Refusal
	Error     string
	Died      string
	KernelLog []string
	Given     []Left
	Marked    []Left
	// Covered is the trace's coverage if that was asked for: program counters
	// of 32 bits each, lowest byte first.
	Covered []byte
	// Late says that packets took upcalls, so that what they led to is not
	// here, or not in its place.
	Late bool
	// Conntrack has the netlink messages of a dump.
	Conntrack []byte
	// Tired says that the guest has little memory left, and should be replaced.
	Tired bool
}

// Left is what a packet at level warm led to.
type Left struct {
	_       struct{} `cbor:",toarray"`
	Outputs []Output
	// Covered is the coverage that no packet of the trace before had, if that
	// was asked for.
	Covered []byte
}

// Exec asks for a command to be run in the guest.
type Exec struct {
	_    struct{} `cbor:",toarray"`
	Argv []string
	// Rules is a pipeline to load first; may be empty.
	Rules []string
}

// Shell asks for a shell on the second console of an interactive guest. The
// answer, an [Executed], comes when it ends.
type Shell struct {
	_ struct{} `cbor:",toarray"`
	// Prompt is what the shell prompts with.
	Prompt string
}

// Executed is the answer to [Exec] and [Shell].
type Executed struct {
	_      struct{} `cbor:",toarray"`
	Stdout []byte
	Stderr []byte
	// Code is the exit code; -1 if the command could not be started, and
	// Stderr then says why.
	Code int
	// Refused is not nil if OVS refused the pipeline; nothing was run then.
	Refused *Refusal
}
