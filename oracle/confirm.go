package oracle

import (
	"cmp"
	"context"
	"fmt"

	"github.com/ctdiff/ctdiff/replay"
)

// selfStrict are the rules that do not hold between two replays on one bridge:
// what they allow comes from there being two datapaths. What is left is what
// time alone changes.
var selfStrict = []string{
	RuleUnseenUpcall, RuleUncountedDrop, RuleFragmentQueued, RuleFragmentSizes,
	RuleNoProtoinfo, RuleStatusHidden, RuleAssured,
}

// SelfAgrees says whether two replays of a trace on the same bridge came to
// the same. The outcome is [Agree] or [Inconclusive]; a difference in
// counters, in which flows there are and in timeouts is a note.
func SelfAgrees(t replay.Trace, a, b replay.Observation) Verdict {
	if a.Crash != "" && b.Crash != "" && slug(normalLog(crashLine(a.Crash))) == slug(normalLog(crashLine(b.Crash))) {
		return Verdict{Outcome: Agree, Differences: []Difference{}, Notes: []Difference{}}
	}
	v := Compare(t, []replay.Observation{a, b}, selfStrict...)
	if v.Outcome == Diverge {
		v.Outcome, v.Signature = Inconclusive, ""
		v.Reason = fmt.Sprintf("bridge %s differs from itself: %s", a.Bridge, v.Differences[0].Text)
	}
	return v
}

// Confirm decides from several replays of one trace, runs[r][b] being what
// bridge b made of it the r-th time. With n runs, of which k diverge with the
// signature that most of them have:
//
//	a bridge that differs from itself, in run 1 and any other → inconclusive
//	a run that cannot be compared                             → inconclusive
//	k = n and n ≥ 2                                           → diverge
//	k = 0                                                     → agree
//	anything else                                             → inconclusive
//
// So a divergence needs two runs at least: A = A is checked before A ≠ B, and
// one run has no second to check with. Verdict.Diverged and Verdict.Runs are k
// and n, also where the outcome is inconclusive, and the signature that k runs
// have is then Verdict.Suspect.
//
// The reliability is that of Laplace's rule of succession, which makes of k in
// n runs the chance that one more run diverges with that signature:
//
//	(k + 1) / (n + 2), but 0 if k = 0
//
// which is 0.75 for 2 of 2, 0.83 for 4 of 4, 0.5 for 2 of 4. A run in which the
// lab failed has no observations: it is none of the n.
//
// The rules named in strict are not applied when bridges are compared with each
// other, as in [Compare]. A bridge is compared with itself as ever: what strict
// adds only has to show the same signature in every run.
func Confirm(t replay.Trace, runs [][]replay.Observation, strict ...string) Verdict {
	if len(runs) == 0 {
		return inconclusive("no run")
	}
	first, k, why := tally(t, runs, strict)
	v := Verdict{
		Outcome: Inconclusive, Suspect: first.Signature,
		Differences: first.Differences, Notes: first.Notes, Outlier: first.Outlier,
		Runs: len(runs), Diverged: k, Reliability: reliability(k, len(runs)),
	}
	switch self := selfDifference(t, runs); {
	case self != "":
		v.Reason = self
	case why != "":
		v.Reason = why
	case k == 0:
		v.Outcome = Agree
	case len(runs) == 1:
		v.Reason = "one run diverged, and there is no other to see whether each bridge agrees with itself"
	case k < len(runs):
		v.Reason = fmt.Sprintf("%d of %d runs diverge with %s", k, len(runs), first.Signature)
	default:
		v.Outcome, v.Signature, v.Suspect = Diverge, first.Signature, ""
	}
	return v
}

// Repeat replays a trace so many times on all bridges at once, and decides by
// [Confirm]. runs[r][b] is what bridge b made of it the r-th time. An error is that
// of a replay: then there is no verdict.
func Repeat(ctx context.Context, bridges []replay.Replayer, t replay.Trace, level replay.Level, times int, strict ...string) (runs [][]replay.Observation, v Verdict, err error) {
	for range times {
		obs, err := replay.All(ctx, bridges, t, level)
		if err != nil {
			return nil, Verdict{}, err
		}
		runs = append(runs, obs)
	}
	return runs, Confirm(t, runs, strict...), nil
}

// reliability is what [Confirm] says of k in n runs.
func reliability(k, n int) float64 {
	if k == 0 {
		return 0
	}
	return float64(k+1) / float64(n+2)
}

// Join makes one verdict of what [Confirm] said of a trace at level purged and
// at level booted:
//
//	both diverge with the same signature → diverge
//	both agree                           → agree
//	anything else                        → inconclusive
//
// Runs, Diverged and Reliability are over the runs of both levels; only runs
// with the signature of the verdict, or its suspect, are among Diverged. What
// differs is as at level purged, or if nothing does there as at level booted.
func Join(purged, booted Verdict) Verdict {
	v := purged
	if len(purged.Differences) == 0 && len(booted.Differences) > 0 {
		v = booted
	}
	signature := cmp.Or(purged.named(), booted.named())
	v.Outcome, v.Signature, v.Suspect, v.Reason = Inconclusive, "", signature, ""
	v.Runs, v.Diverged = purged.Runs+booted.Runs, 0
	for _, level := range []Verdict{purged, booted} {
		if level.named() == signature {
			v.Diverged += level.Diverged
		}
	}
	v.Reliability = reliability(v.Diverged, v.Runs)
	switch {
	case purged.Outcome == Agree && booted.Outcome == Agree:
		v.Outcome = Agree
	case purged.Outcome == Diverge && booted.Outcome == Diverge && purged.Signature == booted.Signature:
		v.Outcome, v.Signature, v.Suspect = Diverge, signature, ""
	default:
		v.Reason = fmt.Sprintf("at level %s %s; at level %s %s", replay.Purged, purged.said(), replay.Booted, booted.said())
	}
	return v
}

// named is the signature that v's runs diverged with, be it confirmed or not.
func (v Verdict) named() string { return cmp.Or(v.Signature, v.Suspect) }

// said is v's outcome as part of a sentence.
func (v Verdict) said() string {
	switch v.Outcome {
	case Agree:
		return "the bridges agree"
	case Diverge:
		return "they diverge with " + v.Signature
	}
	return "it is inconclusive: " + v.Reason
}

// tally compares the bridges in each run. It returns the verdict of the first
// run with the commonest signature, and how many have it; why is not empty if
// a run cannot be compared.
func tally(t replay.Trace, runs [][]replay.Observation, strict []string) (first Verdict, k int, why string) {
	var verdicts []Verdict
	counts := map[string]int{}
	for r, obs := range runs {
		v := Compare(t, obs, strict...)
		verdicts = append(verdicts, v)
		switch v.Outcome {
		case Inconclusive:
			why = fmt.Sprintf("run %d: %s", r+1, v.Reason)
		case Diverge:
			counts[v.Signature]++
		}
	}
	first = verdicts[0]
	for _, v := range verdicts {
		if n := counts[v.Signature]; v.Outcome == Diverge && n > k {
			first, k = v, n
		}
	}
	return first, k, why
}

// selfDifference says which bridge, if any, differs from itself.
func selfDifference(t replay.Trace, runs [][]replay.Observation) string {
	for r := 1; r < len(runs); r++ {
		if len(runs[r]) != len(runs[0]) {
			return fmt.Sprintf("run %d has %d bridges, run 1 has %d", r+1, len(runs[r]), len(runs[0]))
		}
		for b := range runs[r] {
			if v := SelfAgrees(t, runs[0][b], runs[r][b]); v.Outcome != Agree {
				return fmt.Sprintf("run 1 and run %d: %s", r+1, v.Reason)
			}
		}
	}
	return ""
}
