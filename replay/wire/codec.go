package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// MaxMessage bounds a message: what a guest can make the host hold.
const MaxMessage = 64 << 20

// maxFrame is the largest frame handed to the channel. The guest's vec0
// device has this MTU, less the header; larger buffers than eight pages' a guest
// with little memory left may not find.
const maxFrame = 7600

// MTU of the guest's vec0 device, in bytes.
const MTU = maxFrame - headerLen

// A frame starts with an Ethernet header, since it passes a network device:
// addresses that nobody reads, an EtherType for local experiments (IEEE
// 802-2014, 9.2.4), and then how many bytes of the message are still to come,
// this frame's included.
const (
	headerLen = 14
	lengthLen = 4
	etherType = 0x88b5
)

// ErrFrame is the error of a frame that is not ours, or out of place.
var ErrFrame = errors.New("malformed frame")

// Conn carries frames. Both ends of a guest's channel are one.
type Conn interface {
	// ReadFrame reads one frame into buf and returns its length.
	ReadFrame(buf []byte) (int, error)
	// WriteFrame writes one frame.
	WriteFrame(frame []byte) error
}

// Channel sends and receives messages. It is not safe for concurrent use.
type Channel struct {
	conn Conn
	buf  [maxFrame]byte
}

// NewChannel returns a channel over conn.
func NewChannel(conn Conn) *Channel { return &Channel{conn: conn} }

var decoding = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		MaxArrayElements: 1 << 20,
		MaxNestedLevels:  16,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// Message types, by the first byte of a message.
const (
	kindHello byte = iota + 1
	kindBoot
	kindReady
	kindReplay
	kindReplayed
	kindExec
	kindExecuted
	kindShell
	kindWarm
	kindWarmed
)

// Marshal returns the bytes of a message: a pointer to one of the message
// types of this package.
func Marshal(msg any) ([]byte, error) {
	kind, err := kindOf(msg)
	if err != nil {
		return nil, err
	}
	body, err := cbor.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("marshal %T: %w", msg, err)
	}
	return append([]byte{kind}, body...), nil
}

// Unmarshal returns the message of data: a pointer to one of the message types
// of this package.
func Unmarshal(data []byte) (any, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: empty message", ErrFrame)
	}
	var msg any
	switch data[0] {
	case kindHello:
		msg = new(Hello)
	case kindBoot:
		msg = new(Boot)
	case kindReady:
		msg = new(Ready)
	case kindReplay:
		msg = new(Replay)
	case kindReplayed:
		msg = new(Replayed)
	case kindExec:
		msg = new(Exec)
	case kindExecuted:
		msg = new(Executed)
	case kindShell:
		msg = new(Shell)
	case kindWarm:
		msg = new(Warm)
	case kindWarmed:
		msg = new(Warmed)
	default:
		return nil, fmt.Errorf("%w: message of kind %d", ErrFrame, data[0])
	}
	if err := decoding.Unmarshal(data[1:], msg); err != nil {
		return nil, fmt.Errorf("unmarshal %T: %w", msg, err)
	}
	return msg, nil
}

func kindOf(msg any) (byte, error) {
	switch msg.(type) {
	case *Hello:
		return kindHello, nil
	case *Boot:
		return kindBoot, nil
	case *Ready:
		return kindReady, nil
	case *Replay:
		return kindReplay, nil
	case *Replayed:
		return kindReplayed, nil
	case *Exec:
		return kindExec, nil
	case *Executed:
		return kindExecuted, nil
	case *Shell:
		return kindShell, nil
	case *Warm:
		return kindWarm, nil
	case *Warmed:
		return kindWarmed, nil
	}
	return 0, fmt.Errorf("%T is not a message", msg)
}

// Send sends one message.
func (c *Channel) Send(msg any) error {
	data, err := Marshal(msg)
	if err != nil {
		return err
	}
	if err := c.SendBytes(data); err != nil {
		return fmt.Errorf("send %T: %w", msg, err)
	}
	return nil
}

// Window is how many bytes can be sent while nobody receives.
const Window = window * (maxFrame - headerLen - lengthLen)

// SendBytes sends what [Marshal] returned.
func (c *Channel) SendBytes(data []byte) error {
	if len(data) > MaxMessage {
		return fmt.Errorf("%d bytes, more than %d", len(data), MaxMessage)
	}
	for n := 1; len(data) > 0; n++ {
		if n > window && n%window == 1 {
			if err := c.awaitAck(); err != nil {
				return err
			}
		}
		frame := c.buf[:headerLen+lengthLen]
		clear(frame)
		binary.BigEndian.PutUint16(frame[12:], etherType)
		binary.BigEndian.PutUint32(frame[headerLen:], uint32(len(data)))
		size := min(len(data), maxFrame-len(frame))
		frame = append(frame, data[:size]...)
		if err := c.conn.WriteFrame(frame); err != nil {
			return err
		}
		data = data[size:]
	}
	return nil
}

// Receive waits for one message: a pointer to one of the message types of this
// package.
func (c *Channel) Receive() (any, error) {
	var data []byte
	left := -1
	for frames := 0; left != 0; frames++ {
		if frames > 0 && frames%window == 0 {
			if err := c.conn.WriteFrame(ack()); err != nil {
				return nil, fmt.Errorf("receive: %w", err)
			}
		}
		n, err := c.conn.ReadFrame(c.buf[:])
		if err != nil {
			return nil, fmt.Errorf("receive: %w", err)
		}
		total, part, err := splitFrame(c.buf[:n])
		if err != nil {
			return nil, fmt.Errorf("receive: %w", err)
		}
		if left >= 0 && total != left {
			return nil, fmt.Errorf("receive: %w: %d bytes to come where %d were announced", ErrFrame, total, left)
		}
		data = append(data, part...)
		left = total - len(part)
	}
	return Unmarshal(data)
}

// window is after how many frames the sender waits until the receiver has read
// them: a guest's device drops what there is no room for.
const window = 16

// ack is the frame that says so: it announces nothing.
func ack() []byte {
	frame := make([]byte, headerLen+lengthLen)
	binary.BigEndian.PutUint16(frame[12:], etherType)
	return frame
}

func (c *Channel) awaitAck() error {
	n, err := c.conn.ReadFrame(c.buf[:])
	if err != nil {
		return err
	}
	if !bytes.Equal(c.buf[:n], ack()) {
		return fmt.Errorf("%w: %d bytes where an acknowledgement was due", ErrFrame, n)
	}
	return nil
}

// splitFrame returns how many bytes of the message a frame says are still to
// come, and those that it carries.
func splitFrame(frame []byte) (total int, part []byte, err error) {
	if len(frame) < headerLen+lengthLen || binary.BigEndian.Uint16(frame[12:]) != etherType {
		return 0, nil, fmt.Errorf("%w: %d bytes", ErrFrame, len(frame))
	}
	announced := binary.BigEndian.Uint32(frame[headerLen:])
	if announced == 0 || announced > MaxMessage {
		return 0, nil, fmt.Errorf("%w: message of %d bytes", ErrFrame, announced)
	}
	part = frame[headerLen+lengthLen:]
	total = int(announced)
	if len(part) == 0 || len(part) > total {
		return 0, nil, fmt.Errorf("%w: carries %d of %d bytes", ErrFrame, len(part), total)
	}
	return total, part, nil
}
