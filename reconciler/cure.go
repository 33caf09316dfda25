package reconciler

import (
	"slices"
	"strings"
)

// cureFirst lets changes that are refused, or cannot be judged, only because a service is not well wait for those that may be its
// cure: else both would be refused for ever. It returns those of them that may object to a stop, as what waits is not done by this plan.
func cureFirst(changes []Change, rotations []Rotation) (minders []Rotation) {
	cures := curing(changes)
	if cures == "" {
		return nil
	}
	for i := range changes {
		if c := &changes[i]; c.blockedAsUnwell() {
			c.Waits = cures
			if m, ok := rotations[i].(Minder); ok {
				minders = append(minders, m)
			}
		}
	}
	return minders
}

// stillCured takes that back when the cure itself is refused by now.
func stillCured(changes []Change) {
	cures := curing(changes)
	for i := range changes {
		if changes[i].Waits != "" {
			changes[i].Waits = cures
		}
	}
}

// curing names the changes that may be the cure of a service that is not well.
func curing(changes []Change) string {
	var titles []string
	for _, c := range changes {
		if c.Status == Rotate && slices.ContainsFunc(c.Findings, func(f Finding) bool { return f.Cure }) {
			titles = append(titles, c.Title)
		}
	}
	return strings.Join(titles, ", ")
}

// blockedAsUnwell says that nothing else stands in its way.
func (c *Change) blockedAsUnwell() bool {
	return (c.Status == Refused || c.Status == Unknown) && Blocked(c.Findings) && !slices.ContainsFunc(c.Findings, func(f Finding) bool { return f.Severity == Error && !f.Unwell })
}
