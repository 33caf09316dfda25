package reconciler

import "time"

// wasFound notes of what was found down that for how long it was is not known.
func (c *clock) wasFound(name string) {
	if _, was := c.found[name]; was {
		c.back[name] = true
		for _, other := range c.with[name] {
			c.back[cutOff(other)] = true
		}
	}
}

// Unwell is what is known of something that runs and does not do its work.
type Unwell struct {
	// Said: it said so itself; else nobody has heard it.
	Said bool
	// Since is when it was seen so first, zero where it may have worked all the time.
	Since time.Time
}

// unwell notes that what was taken down, and started again, does not do its work, or no longer. What runs as it did before is nobody's
// outage.
func (c *clock) unwell(name string, u Unwell, t Target, why error) {
	if len(c.spans[name]) > 0 && c.since(name).IsZero() && !u.Since.IsZero() {
		c.open(name, span{down: u.Since, sooner: true})
	}
	d := c.place(name, t)
	d.Since, d.Why, d.Unwell, d.Started, d.Unsure = c.since(name), why, true, true, !u.Said
	if _, stopped := c.now[name]; !stopped && !d.Since.IsZero() {
		c.ails[name] = d
	}
}
