package tracetext

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// wordError is a fault of one word of a line.
type wordError struct {
	n    int // from 1
	text string
	err  error
}

func (e *wordError) Error() string {
	text := e.text
	if len(text) > 40 {
		text = text[:40] + "…"
	}
	return fmt.Sprintf("%q: %v", text, e.err)
}

func (e *wordError) Unwrap() error { return e.err }

// wordList is the words of a line, taken one after the other.
type wordList struct {
	words []string
	taken int
}

func (l *wordList) more() bool { return l.taken < len(l.words) }

func (l *wordList) next(want string) (string, error) {
	if !l.more() {
		return "", fmt.Errorf("the line ends where %s should follow", want)
	}
	l.taken++
	return l.words[l.taken-1], nil
}

func (l *wordList) skip() *wordList {
	l.taken++
	return l
}

// wrong returns an error about the word taken last.
func (l *wordList) wrong(err error) error {
	return &wordError{n: l.taken, text: l.words[l.taken-1], err: err}
}

func (l *wordList) literal(want string) error {
	got, err := l.next(strconv.Quote(want))
	if err == nil && got != want {
		err = l.wrong(fmt.Errorf("want %q here", want))
	}
	return err
}

func (l *wordList) number(want string, bits int) (uint64, error) {
	text, err := l.next(want)
	if err != nil {
		return 0, err
	}
	n, err := parseNumber(text, bits)
	if err != nil {
		return 0, l.wrong(err)
	}
	return n, nil
}

func (l *wordList) addr(want string, v6 bool) (netip.Addr, error) {
	text, err := l.next(want)
	if err != nil {
		return netip.Addr{}, err
	}
	a, err := parseAddr(text, v6)
	if err != nil {
		return netip.Addr{}, l.wrong(err)
	}
	return a, nil
}

func parseNumber(text string, bits int) (uint64, error) {
	digits, isHex := strings.CutPrefix(text, "0x")
	base := 10
	if isHex {
		base = 16
	}
	n, err := strconv.ParseUint(digits, base, bits)
	if err != nil {
		return 0, fmt.Errorf("not a number from 0 to %d", uint64(1)<<bits-1)
	}
	return n, nil
}

func parseAddr(text string, v6 bool) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if v6 && (err != nil || !a.Is6() || a.Zone() != "") {
		return a, errors.New("not an IPv6 address")
	}
	if !v6 && (err != nil || !a.Is4()) {
		return a, errors.New("not an IPv4 address")
	}
	return a, nil
}

func parseMAC(text string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		return nil, errors.New("not a MAC address")
	}
	return mac, nil
}

const none = "none"

// options are the keys and values at the end of a packet's line. The methods
// that get a value return what the key stands for without one, note that such
// a key exists, and keep the first error for finish.
type options struct {
	given []option
	known []string
	err   error
}

type option struct {
	key, value string
	n          int // place of the key in the line
}

func parseOptions(words *wordList) ([]option, error) {
	var given []option
	for words.more() {
		key, err := words.next("a key")
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(given, func(o option) bool { return o.key == key }) {
			return nil, words.wrong(errors.New("given twice"))
		}
		n := words.taken
		value, err := words.next("the value of " + key)
		if err != nil {
			return nil, err
		}
		given = append(given, option{key, value, n})
	}
	return given, nil
}

func (o *options) get(key string) (string, bool) {
	o.known = append(o.known, key)
	for _, g := range o.given {
		if g.key == key {
			return g.value, true
		}
	}
	return "", false
}

// wrong keeps err as the fault of key's value.
func (o *options) wrong(key string, err error) {
	for _, g := range o.given {
		if g.key == key && err != nil && o.err == nil {
			o.err = &wordError{n: g.n + 1, text: g.value, err: fmt.Errorf("%s: %w", key, err)}
		}
	}
}

// finish returns the first error; a key that nobody asked for is one.
func (o *options) finish() error {
	if o.err != nil {
		return o.err
	}
	for _, g := range o.given {
		if !slices.Contains(o.known, g.key) {
			err := fmt.Errorf("no such key here, only %s", strings.Join(o.known, ", "))
			return &wordError{n: g.n, text: g.key, err: err}
		}
	}
	return nil
}

func (o *options) number(key string, standard uint64, bits int) uint64 {
	text, ok := o.get(key)
	if !ok {
		return standard
	}
	n, err := parseNumber(text, bits)
	o.wrong(key, err)
	return n
}

// addr6 returns an IPv6 address. The key must be given if standard is the
// zero Addr.
func (o *options) addr6(key string, standard netip.Addr) []byte {
	text, ok := o.get(key)
	a := standard
	if ok {
		var err error
		a, err = parseAddr(text, true)
		o.wrong(key, err)
	} else if !a.IsValid() && o.err == nil {
		o.err = fmt.Errorf("lacks a key: %s ADDRESS", key)
	}
	b := a.As16()
	return b[:]
}

func (o *options) mac(key string, standard net.HardwareAddr) net.HardwareAddr {
	text, ok := o.get(key)
	if !ok {
		return standard
	}
	mac, err := parseMAC(text)
	o.wrong(key, err)
	return mac
}

func (o *options) bytes(key string) []byte {
	text, _ := o.get(key)
	b, err := hex.DecodeString(text)
	o.wrong(key, err)
	return b
}

// flags returns a bit for each letter that is given; letters has those of bit
// 0, 1, …, and a "-" for a bit without one.
func (o *options) flags(key, standard, letters string) uint8 {
	text, ok := o.get(key)
	if !ok {
		text = standard
	}
	if text == none {
		return 0
	}
	var bits uint8
	for _, r := range text {
		bit := strings.IndexRune(letters, r)
		if bit < 0 || r == '-' || bits&(1<<bit) != 0 {
			o.wrong(key, fmt.Errorf("want letters of %s, each at most once, or none", strings.ReplaceAll(letters, "-", "")))
			return 0
		}
		bits |= 1 << bit
	}
	return bits
}

func formatFlags(bits uint8, letters string) string {
	var b strings.Builder
	for i, r := range letters {
		if bits&(1<<i) != 0 {
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 {
		return none
	}
	return b.String()
}
