package ctnetlink

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/ctdiff/ctdiff/replay"
)

// Attributes that package nl lacks (nfnetlink_conntrack.h).
const (
	ctaHelp               = 5
	ctaHelpName           = 1
	ctaProtoICMPID        = 4
	ctaProtoICMPv6ID      = 7
	ctaProtoinfoSCTPState = 1
)

// parseEntry reads what follows the header of a message: struct nfgenmsg, of
// which only the address family matters, and attributes.
func parseEntry(data []byte) (e replay.ConntrackEntry, err error) {
	if len(data) < nl.SizeofNfgenmsg {
		return e, fmt.Errorf("%d bytes have no struct nfgenmsg", len(data))
	}
	family := data[0]
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return e, fmt.Errorf("address family %d is neither IPv4 nor IPv6", family)
	}
	err = each("connection", data[nl.SizeofNfgenmsg:], func(kind uint16, value []byte) error {
		return setAttribute(&e, family, kind, value)
	})
	if err == nil && (e.Orig == "" || e.Reply == "") {
		err = errors.New("connection: a direction is missing")
	}
	return e, err
}

func setAttribute(e *replay.ConntrackEntry, family uint8, kind uint16, value []byte) (err error) {
	switch kind {
	case nl.CTA_TUPLE_ORIG:
		var t tuple
		t, err = parseTuple(family, value)
		e.Proto, e.Orig = protoName(t.proto), t.String()
	case nl.CTA_TUPLE_REPLY:
		var t tuple
		t, err = parseTuple(family, value)
		e.Reply = t.String()
	case nl.CTA_STATUS:
		e.Status, err = parseStatus(value)
	case nl.CTA_PROTOINFO:
		e.State, err = parseProtoinfo(value)
	case ctaHelp:
		e.Helper, err = parseHelper(value)
	case nl.CTA_TIMEOUT:
		err = decode(value, &e.Timeout)
	case nl.CTA_MARK:
		err = decode(value, &e.Mark)
	case nl.CTA_ZONE:
		err = decode(value, &e.Zone)
	case nl.CTA_LABELS:
		e.Labels, err = parseLabels(value)
	}
	return err
}

// statusNames are OVS's names of the bits from IPS_EXPECTED to IPS_UNTRACKED
// (CT_DPIF_STATUS_FLAGS in lib/ct-dpif.h), and the kernel's of those after
// IPS_HELPER.
var statusNames = [...]string{
	"EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED",
	"SRC_NAT", "DST_NAT", "SEQ_ADJUST", "SRC_NAT_DONE", "DST_NAT_DONE",
	"DYING", "FIXED_TIMEOUT", "TEMPLATE", "UNTRACKED",
	14: "OFFLOAD", 15: "HW_OFFLOAD",
}

func parseStatus(value []byte) (flags []string, err error) {
	var status uint32
	err = decode(value, &status)
	for i, name := range statusNames {
		if status>>i&1 != 0 && name != "" {
			flags = append(flags, name)
		}
	}
	slices.Sort(flags)
	return flags, err
}

// tcpStates are what OVS calls enum tcp_conntrack's (nl_ct_tcp_state_to_dpif).
var tcpStates = []string{
	"CLOSED", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT_1",
	"CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSING", "SYN_SENT",
}

// sctpStates are what OVS calls enum sctp_conntrack's
// (nl_ct_sctp_state_to_dpif).
var sctpStates = []string{
	"CLOSED", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED",
	"SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT", "HEARTBEAT_ACKED",
}

// parseProtoinfo returns the state of a connection. OVS has none for DCCP.
func parseProtoinfo(value []byte) (state string, err error) {
	err = each("protoinfo", value, func(kind uint16, value []byte) (err error) {
		switch kind {
		case nl.CTA_PROTOINFO_TCP:
			state, err = parseState("tcp", value, nl.CTA_PROTOINFO_TCP_STATE, tcpStates)
		case nl.CTA_PROTOINFO_SCTP:
			state, err = parseState("sctp", value, ctaProtoinfoSCTPState, sctpStates)
		}
		return err
	})
	return state, err
}

// parseState reads the state that an attribute has. Like OVS, it takes one that
// it does not know for CLOSED.
func parseState(of string, value []byte, attribute uint16, names []string) (string, error) {
	var state uint8
	err := each(of, value, func(kind uint16, value []byte) error {
		if kind != attribute {
			return nil
		}
		return decode(value, &state)
	})
	if int(state) >= len(names) {
		state = 0
	}
	return names[state], err
}

func parseHelper(value []byte) (name string, err error) {
	err = each("helper", value, func(kind uint16, value []byte) error {
		if kind != ctaHelpName {
			return nil
		}
		text, terminated := bytes.CutSuffix(value, []byte{0})
		// Control characters would reach whoever shows the name.
		if !terminated || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return fmt.Errorf("%.60q is no name", value)
		}
		name = string(text)
		return nil
	})
	return name, err
}

// parseLabels reads the 128 bits that the kernel keeps in the machine's byte
// order, which is that of x86, and OVS prints as one number.
func parseLabels(value []byte) (string, error) {
	var labels [16]byte
	if err := decode(value, &labels); err != nil {
		return "", err
	}
	slices.Reverse(labels[:])
	n := new(big.Int).SetBytes(labels[:])
	if n.Sign() == 0 {
		return "", nil
	}
	return fmt.Sprintf("%#x", n), nil
}
