package oracle

import (
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
// and n, also where the outcome is inconclusive.
func Confirm(t replay.Trace, runs [][]replay.Observation) Verdict {
	if len(runs) == 0 {
		return inconclusive("no run")
	}
	first, k, why := tally(t, runs)
	v := Verdict{Outcome: Inconclusive, Differences: first.Differences, Notes: first.Notes, Outlier: first.Outlier, Runs: len(runs), Diverged: k}
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
		v.Outcome, v.Signature = Diverge, first.Signature
	}
	return v
}

// tally compares the bridges in each run. It returns the verdict of the first
// run with the commonest signature, and how many have it; why is not empty if
// a run cannot be compared.
func tally(t replay.Trace, runs [][]replay.Observation) (first Verdict, k int, why string) {
	var verdicts []Verdict
	counts := map[string]int{}
	for r, obs := range runs {
		v := Compare(t, obs)
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
