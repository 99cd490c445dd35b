package reduce

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ctdiff/ctdiff/replay"
)

func (r *reducer) fields() error {
	if err := r.alike(); err != nil {
		return err
	}
	if err := r.bridgePorts(); err != nil {
		return err
	}
	for _, e := range messageEdits {
		if err := r.edit(e); err != nil {
			return err
		}
	}
	for _, n := range namings {
		if err := r.rename(n); err != nil {
			return err
		}
	}
	for _, e := range edits {
		if err := r.edit(e); err != nil {
			return err
		}
	}
	return nil
}

// alike makes packets copies of others: all of them, or else those that are
// alike of the ones next to them.
func (r *reducer) alike() error {
	for _, g := range r.groups() {
		if ok, err := r.copyPacket(g[0], r.groups()...); ok || err != nil {
			return err
		}
	}
	for i := 1; i < len(r.groups()); {
		groups := r.groups()
		x, y := groups[i-1], groups[i]
		ok, err := r.copyPacket(x[0], y)
		if err == nil && !ok {
			ok, err = r.copyPacket(y[0], x)
		}
		if err != nil {
			return err
		}
		if !ok {
			i++
		}
	}
	return nil
}

// copyPacket makes all packets of groups like one, except for their gaps.
func (r *reducer) copyPacket(from int, groups ...[]int) (bool, error) {
	t := r.best
	t.Packets = slices.Clone(t.Packets)
	for _, i := range slices.Concat(groups...) {
		t.Packets[i].Port, t.Packets[i].Frame = t.Packets[from].Port, t.Packets[from].Frame
	}
	return r.try(t, fmt.Sprintf("copies of packet %d", from))
}

// groups returns the places of the packets that are alike, for each packet that
// is not like one before it.
func (r *reducer) groups() (groups [][]int) {
	for i, p := range r.best.Packets {
		like := func(g []int) bool {
			q := r.best.Packets[g[0]]
			return q.Port == p.Port && bytes.Equal(q.Frame, p.Frame)
		}
		if at := slices.IndexFunc(groups, like); at >= 0 {
			groups[at] = append(groups[at], i)
		} else {
			groups = append(groups, []int{i})
		}
	}
	return groups
}

// edit tries a change in all packets at once, and then in those that are alike.
// These stay alike: that is plainer than if one of them had a plain field that
// the others need as it was.
func (r *reducer) edit(e edit) error {
	groups := r.groups()
	if ok, err := r.editThose(e, slices.Concat(groups...), "all packets"); ok || err != nil {
		return err
	}
	for _, g := range groups {
		if _, err := r.editThose(e, g, fmt.Sprintf("packet %d", g[0])); err != nil {
			return err
		}
	}
	return nil
}

func (r *reducer) editThose(e edit, indices []int, where string) (bool, error) {
	t := r.best
	t.Packets = slices.Clone(t.Packets)
	for _, i := range indices {
		f := parse(t.Packets[i])
		e.change(f)
		t.Packets[i] = f.replay(t.Packets[i])
	}
	return r.try(t, fmt.Sprintf("%s of %s", e.name, where))
}

// bridgePorts numbers the ports in the order in which they are used, and then
// moves the packets of each to one before it.
func (r *reducer) bridgePorts() error {
	order := map[replay.Port]replay.Port{}
	for _, p := range r.best.Packets {
		if order[p.Port] == 0 {
			order[p.Port] = replay.Port(len(order) + 1)
		}
	}
	if _, err := r.movePorts(order); err != nil {
		return err
	}
	for from := replay.Port(2); from <= replay.Ports; from++ {
		for to := replay.Port(1); to < from; to++ {
			if ok, err := r.movePorts(map[replay.Port]replay.Port{from: to}); err != nil {
				return err
			} else if ok {
				break
			}
		}
	}
	return nil
}

func (r *reducer) movePorts(moves map[replay.Port]replay.Port) (bool, error) {
	t := r.best
	t.Packets = slices.Clone(t.Packets)
	for i := range t.Packets {
		if to := moves[t.Packets[i].Port]; to != 0 {
			t.Packets[i].Port = to
		}
	}
	return r.try(t, "bridge ports")
}
