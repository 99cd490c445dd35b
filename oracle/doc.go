// Package oracle decides whether bridges that were given the same trace did
// the same with it.
//
// [Compare] looks at what happened to packets and connections, never at how it
// is printed: two bridges install the same flow with other masks, leave the
// Ethernet header out of a counter, or hide a field, and treat packets alike.
// What may differ without being a difference is the table [Rules]; everything
// that a rule excused is in [Verdict.Notes], with the rule's ID, but for what
// nearly every flow has: other masks, and TC's byte counts.
//
// The package knows recorded observations only, and nothing of how a bridge is
// run, so that it can be tested, and used for reduction, without one.
package oracle
