// Package export writes a trace, and what bridges made of it, in forms that are
// used without ctdiff: [Shell] a script that reproduces it on a plain host,
// [Autotest] a test for Open vSwitch's own suite, [Markdown] the text of a bug
// mail, [JUnit] a report for CI, and [GoFuzz] an input of Go's fuzzer.
//
// A trace may come from another team, and what is exported is run: so nothing in
// it gets out of the quotes that it is written in, be they a shell's, m4's or
// XML's. docs/export.md describes the forms.
package export
