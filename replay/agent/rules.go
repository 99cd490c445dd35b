package agent

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/ctdiff/ctdiff/replay/wire"
)

// A refusal is the error of a pipeline that OVS does not take.
type refusal struct{ wire.Refusal }

func (r *refusal) Error() string { return r.Words }

// load makes rules the bridge's whole flow table. It does nothing if they are
// already.
func (b *bridge) load(rules []string) error {
	if b.loaded && slices.Equal(b.rules, rules) && !slices.ContainsFunc(rules, changes) {
		return nil
	}
	b.loaded = false
	// One process for both: in User-Mode Linux most of the time is that of its
	// start.
	input := "delete\n" + strings.Join(rules, "\n") + "\n"
	if _, err := b.ofctl(input, "--bundle", "add-flows", b.name, "-"); err != nil {
		return b.findRefused(rules, err)
	}
	b.rules, b.loaded = slices.Clone(rules), true
	return nil
}

// changes reports whether a rule changes the flow table while packets meet it.
func changes(rule string) bool {
	return strings.Contains(rule, "learn") || strings.Contains(rule, "_timeout")
}

// learnsAddresses reports whether a rule uses the bridge's table of Ethernet
// addresses.
func learnsAddresses(rule string) bool { return strings.Contains(strings.ToLower(rule), "normal") }

// findRefused adds the rules one by one: of a bundle OVS does not always say
// which rule it refuses.
func (b *bridge) findRefused(rules []string, whole error) error {
	if _, err := b.ofctl("", "del-flows", b.name); err != nil {
		return err
	}
	for i, rule := range rules {
		if words, err := b.ofctl("", "add-flow", b.name, rule); err != nil {
			return &refusal{wire.Refusal{Rule: i, Words: words}}
		}
	}
	return &refusal{wire.Refusal{Rule: -1, Words: whole.Error()}}
}

// ofctl runs ovs-ofctl. On failure the words are those that it printed.
func (b *bridge) ofctl(input string, args ...string) (words string, err error) {
	path, err := lookPath("ovs-ofctl")
	if err != nil {
		return "", err
	}
	cmd := exec.Cmd{Path: path, Args: append([]string{"ovs-ofctl"}, args...), Env: environment(), Stdin: strings.NewReader(input)}
	out, err := cmd.CombinedOutput()
	words = string(bytes.TrimSpace(out))
	if err != nil {
		return words, fmt.Errorf("ovs-ofctl %s: %w: %s", strings.Join(args, " "), err, words)
	}
	return words, nil
}
