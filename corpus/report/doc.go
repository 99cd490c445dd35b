// Package report tells people and programs what an oracle's verdict rests on:
// [Table] prints bridges side by side, [Explain] says it in words, and [JSON]
// is the documented form for programs.
package report
