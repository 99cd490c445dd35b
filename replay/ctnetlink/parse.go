package ctnetlink

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay"
)

// Bounds of a dump: far beyond what a guest with a few ports can have.
const (
	maxDump = 16 << 20
	// maxMessage is the largest buffer that the kernel fills with a dump
	// (netlink_recvmsg in net/netlink/af_netlink.c).
	maxMessage = 32 << 10
)

// ErrInterrupted says that the table changed while the kernel dumped it
// (NLM_F_DUMP_INTR): connections may be missing, or be there twice. The caller
// asks for another dump.
var ErrInterrupted = errors.New("the dump was interrupted")

// Parse reads a dump of connections, which is the bytes of all messages that
// recvmsg returned, one after the other, with or without NLMSG_DONE at the end.
// It returns what [github.com/ctdiff/ctdiff/replay/ovs.ParseConntrack] returns
// for "dpctl/dump-conntrack -m -s" of the same table: the same entries, in the
// same words and order.
//
// One thing is there that the text never has: Status also has OFFLOAD and
// HW_OFFLOAD, of a connection in act_ct's flow table, which the oracle's rule
// offload-status lets differ. The status bit that says that a connection was
// given a helper is left out, as in the text; Helper has the name. Attributes
// and status bits that OVS knows nothing of are passed over.
//
// An error of the kernel is a [syscall.Errno], and an interrupted dump is
// [ErrInterrupted].
func Parse(dump []byte) ([]replay.ConntrackEntry, error) {
	if len(dump) > maxDump {
		return nil, fmt.Errorf("%d bytes, more than %d", len(dump), maxDump)
	}
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return nil, fmt.Errorf("split into messages: %w", err)
	}
	var entries []replay.ConntrackEntry
	rest := len(dump)
	for i, m := range messages {
		if i > 0 && messages[i-1].Header.Type == unix.NLMSG_DONE {
			return nil, fmt.Errorf("message %d: after the last one", i)
		}
		if entries, err = appendMessage(entries, m); err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
		rest -= (int(m.Header.Len) + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1)
	}
	if rest != 0 {
		return nil, fmt.Errorf("the last %d bytes are no message", rest)
	}
	slices.SortStableFunc(entries, func(a, b replay.ConntrackEntry) int {
		return cmp.Or(
			cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Orig, b.Orig),
			cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Reply, b.Reply),
		)
	})
	return entries, nil
}

func appendMessage(entries []replay.ConntrackEntry, m syscall.NetlinkMessage) ([]replay.ConntrackEntry, error) {
	// Of a dump, each message is that of a new connection.
	const connection = unix.NFNL_SUBSYS_CTNETLINK<<8 | nl.IPCTNL_MSG_CT_NEW
	switch {
	case m.Header.Flags&unix.NLM_F_DUMP_INTR != 0:
		return nil, ErrInterrupted
	case len(m.Data) > maxMessage:
		return nil, fmt.Errorf("%d bytes, more than %d", len(m.Data), maxMessage)
	case m.Header.Type == unix.NLMSG_ERROR || m.Header.Type == unix.NLMSG_DONE:
		return entries, failure(m.Data)
	case m.Header.Type != connection:
		return nil, fmt.Errorf("type %#x is no connection's", m.Header.Type)
	}
	e, err := parseEntry(m.Data)
	return append(entries, e), err
}

// failure reads the error that NLMSG_ERROR and NLMSG_DONE begin with: 0 or a
// negative errno, in the machine's byte order.
func failure(data []byte) error {
	var code int32
	if len(data) < binary.Size(code) {
		return fmt.Errorf("%d bytes have no error code", len(data))
	}
	if code = int32(binary.NativeEndian.Uint32(data)); code != 0 {
		return fmt.Errorf("the kernel's error %d: %w", code, syscall.Errno(-code))
	}
	return nil
}

// each calls do for each attribute in data, and names what they belong to in
// an error.
func each(of string, data []byte, do func(kind uint16, value []byte) error) error {
	// ParseRouteAttr panics where the last one lacks its padding, which the
	// kernel always adds (__nla_put in lib/nlattr.c).
	if len(data)%int(nl.NLA_ALIGNTO) != 0 {
		return fmt.Errorf("%s: attributes of %d bytes", of, len(data))
	}
	attributes, err := nl.ParseRouteAttr(data)
	if err != nil {
		return fmt.Errorf("%s: split into attributes: %w", of, err)
	}
	for _, a := range attributes {
		kind := a.Attr.Type & nl.NLA_TYPE_MASK
		if err := do(kind, a.Value); err != nil {
			return fmt.Errorf("%s: attribute %d: %w", of, kind, err)
		}
	}
	return nil
}

// decode reads a value of a fixed size, which is in network byte order.
func decode(value []byte, into any) error {
	if want := binary.Size(into); len(value) != want {
		return fmt.Errorf("%d bytes, want %d", len(value), want)
	}
	_, err := binary.Decode(value, binary.BigEndian, into)
	return err
}
