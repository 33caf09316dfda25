package state

import (
	"slices"
)

// Begun are the versions of rotations that were begun after the last one that was proven and are not at an end, the latest
// first: what they did may be there still, whatever is declared now.
func (h History) Begun(secret string) []string {
	var versions []string
	r := h.secrets[secret]
	if r == nil {
		return nil
	}
	for _, e := range slices.Backward(r.whole) {
		if e.Outcome == Proven {
			break
		}
		if _, open := r.open[e.Version]; open && !slices.Contains(versions, e.Version) {
			versions = append(versions, e.Version)
		}
	}
	return versions
}
