// Package corpus keeps what campaigns find on the disk: findings, each a
// directory of plain files, and the directory of the campaign that they are
// from. docs/findings.md describes both.
//
// A campaign is written by several processes at once. Each opens it with
// [Open] and has a journal of its own, which only grows:
//
//	w, err := corpus.Open(dir)
//	defer w.Close()
//	err = w.Sample(corpus.Sample{Traces: 4096, Coverage: 1200})
//	err = w.Seen(signature, corpus.New, 1)
//	if !w.Has(signature, corpus.New) {
//		name, err := w.Record(finding) // reduced, confirmed
//	}
//
// So counts need no file to be written anew, a process that is killed spoils at
// most the last line of its own journal, and none waits for another.
//
// [Read] reads a campaign, a directory of findings, or one finding. They may
// come from other teams: what is read is bounded and stays inside the directory.
package corpus
