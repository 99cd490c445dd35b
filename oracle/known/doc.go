// Package known tells divergences that are known from those that are new, by a
// list of known issues. The list that ctdiff ships is known.yaml in this folder
// ([Shipped]); a team adds a file of its own ([ReadFile]).
//
// A file is a YAML list. An entry has these fields, and no others:
//
//	signature  which signatures it is about: one, or a pattern
//	kernel     list of ranges of the kernel's versions that are affected
//	ovs        the same of Open vSwitch's
//	fixed      the commit and the version that fixed it
//	rule       the oracle's rule that allows it, if it shows only with --strict
//	reason     why the bridges diverge, in one line
//	link       where to read more
//
// signature, reason and link are needed. A pattern is one of [path.Match]: a *
// stands for any characters but a slash, so that a pattern has as many parts as
// the signatures that it matches: "*~tc/ct_state/recirc*/-trk/*" matches
// "system~tc/ct_state/recirc1/-trk/udp", but not what has "/looped" behind it.
//
// A range is one or more bounds with commas between, all of which have to hold:
// ">=5.4, <5.10.30". There is a list of them because a fix gets to several
// stable branches, each at another version; without a list every version is
// affected. Versions are compared number by number, and what has fewer numbers
// ends in zeros: 5.10.223 is above 5.10. A release candidate comes before its
// release. What follows is passed over, as in "6.12.117+deb13" and in
// "5.10.0-32-amd64", which is a name of Debian's that tells of 5.10 and not of
// which stable version.
//
// Of the bridges that diverge one has its versions looked at, since kernels may
// differ: the one that died, whose kernel has a line in its log, or that TC did
// not serve, if the signature names it, and otherwise the second of the two that
// it begins with, which is the outlier if there is one. So an entry with versions
// is about a fault of that bridge, and the reference is one that has it not.
package known
