// Package replay is the vocabulary that every other package of ctdiff imports:
// a [Trace] of packets and the OpenFlow pipeline they meet, the [Observation]
// that one bridge makes of it, and the [Replayer] that turns the one into the
// other.
//
// It knows nothing of how a bridge is run; see replay/lab for that.
package replay
