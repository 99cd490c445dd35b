// Package sweep has bridges handle every ICMPv6 type and code, and says which
// are treated alike.
//
// A [Case] is a type and a code, with a connection or without one. [Run] replays
// many in one trace, between hosts of their own, so that none can influence
// another, and puts those in one [Class] of which every bridge makes the same.
// [Table.Confirm] replays some cases of each class in which bridges differ alone.
// What comes of it is written by [Table.Text], [Table.CSV] and [Table.JSON].
package sweep
