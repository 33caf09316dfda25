package state

import "time"

// Applied says whether a run began to apply the plan with this digest that was made then. A plan is used once; one that was made since is
// another one, though everything is as it was when that one was made: a run may have put everything back.
func (h History) Applied(digest string, made time.Time) bool {
	for _, r := range h.secrets {
		for _, e := range r.whole {
			if e.Plan == digest && digest != "" && (e.Time.IsZero() || !e.Time.Before(made)) {
				return true
			}
		}
	}
	return false
}
