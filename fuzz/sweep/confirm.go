package sweep

import (
	"context"
	"fmt"
	"slices"

	"github.com/ctdiff/ctdiff/oracle"
	"github.com/ctdiff/ctdiff/oracle/known"
	"github.com/ctdiff/ctdiff/replay"
)

// confirmations is how often a case is replayed alone at each level.
const confirmations = 2

// Confirm replays the first, the middle and the last case of each class in which
// bridges differ alone: at level purged, and the first one at level booted as
// well, twice each. The class diverges if all of them do, with one signature;
// otherwise it is inconclusive. A divergence that the list knows is marked so.
//
// A case at which bridges agree is replayed after an echo between other hosts as
// well: whether TC has the flows that a packet meets can depend on the packet that
// they were made for. Of neighbor solicitations and advertisements with another
// code than 0, Open vSwitch hands none to TC (measured with 2.15, 3.1 and 3.5):
// the kernel tells it of their target (net/openvswitch/flow_netlink.c,
// __ovs_nla_put_key), which it expects of code 0 only (lib/flow.h, is_nd), so
// that the key does not fit (lib/odp-util.c, parse_key_and_mask_to_match).
func (t *Table) Confirm(ctx context.Context, bridges []replay.Replayer, list known.List) error {
	for i := range t.Classes {
		c := &t.Classes[i]
		if c.Outcome != oracle.Diverge {
			continue
		}
		if err := t.confirm(ctx, bridges, c); err != nil {
			return err
		}
		if c.Outcome == oracle.Diverge {
			judged := list.Judge(c.Signature, t.observations())
			if c.Known, c.Note = judged.Known, judged.Text; judged.Entry != nil {
				c.Link = judged.Entry.Link
			}
		}
	}
	return nil
}

// confirm replays some cases of a class. What the first one shows is what all
// have to.
func (t *Table) confirm(ctx context.Context, bridges []replay.Replayer, c *Class) error {
	n := len(c.Cases)
	for i, one := range slices.Compact([]Case{c.Cases[0], c.Cases[n/2], c.Cases[n-1]}) {
		name := one.String()
		v, err := t.alone(ctx, bridges, one.Trace(t.pipeline), i == 0)
		if err == nil && v.Outcome == oracle.Agree {
			name += " after an echo"
			v, err = t.alone(ctx, bridges, one.traceAfterEcho(t.pipeline), i == 0)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c.Alone = append(c.Alone, name)
		if i == 0 && v.Outcome == oracle.Diverge {
			c.Signature = v.Signature
		}
		switch {
		case v.Outcome == oracle.Agree:
			c.Reason = fmt.Sprintf("at %s alone the bridges agree", one)
		case v.Outcome == oracle.Inconclusive:
			c.Reason = fmt.Sprintf("%s alone: %s", name, v.Reason)
		case v.Signature != c.Signature:
			c.Reason = fmt.Sprintf("%s alone diverges with %s", name, v.Signature)
		default:
			continue
		}
		c.Outcome = oracle.Inconclusive
		return nil
	}
	return nil
}

// alone replays a trace at level purged, and if asked to at level booted, and
// compares what bridges make of it.
func (t *Table) alone(ctx context.Context, bridges []replay.Replayer, trace replay.Trace, booted bool) (oracle.Verdict, error) {
	_, purged, err := oracle.Repeat(ctx, bridges, trace, replay.Purged, confirmations)
	if err != nil || !booted {
		return purged, err
	}
	_, again, err := oracle.Repeat(ctx, bridges, trace, replay.Booted, confirmations)
	if err != nil {
		return again, err
	}
	return oracle.Join(purged, again), nil
}
