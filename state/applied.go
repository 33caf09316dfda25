package state

// Applied says whether a run has begun to apply the plan with this digest that was made when the ledger had so many entries. A plan is used
// once; one that was made since is another one, though everything is as it was when that one was made: a run may have put everything back.
func (h History) Applied(digest string, entries int) bool {
	return digest != "" && h.applied[digest] > entries
}

// Entries is how many the ledger has.
func (h History) Entries() int { return h.entries }
