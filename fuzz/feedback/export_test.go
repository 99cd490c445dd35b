package feedback

// AllWords is the number of words that features take.
const AllWords = allWords

// Run runs the blocks of the features that are set in one word.
func Run(word int, bits uint64) {
	var words [allWords]uint64
	words[word] = bits
	run(&words)
}

// Count returns how many features of each kind are in f.
func (f *Features) Count() map[string]int {
	kinds := map[string]int{}
	for i, word := range f.words() {
		for ; word != 0; word &= word - 1 {
			switch {
			case i >= firstObserved:
				kinds["observed"]++
			case i >= onlyOther:
				kinds["only other"]++
			case i >= onlyReference:
				kinds["only reference"]++
			default:
				kinds["kernel"]++
			}
		}
	}
	return kinds
}
