package state

// Applied says whether a run began to apply the plan with this digest. A plan is used once.
func (h History) Applied(digest string) bool {
	for _, r := range h.secrets {
		for _, e := range r.whole {
			if e.Plan == digest && digest != "" {
				return true
			}
		}
	}
	return false
}
