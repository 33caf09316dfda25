package reconciler

// wasFound notes of what was found down that for how long it was is not known.
func (c *clock) wasFound(name string) {
	if _, was := c.found[name]; was {
		c.back[name] = true
		for _, other := range c.with[name] {
			c.back[cutOff(other)] = true
		}
	}
}

// unwell notes that what was taken down, and started again, does not do its work. What runs as it did before is nobody's outage.
func (c *clock) unwell(name string, sure bool, t Target, why error) {
	d := c.place(name, t)
	d.Since, d.Why, d.Unwell, d.Started, d.Unsure = c.since(name), why, true, true, !sure
	if _, stopped := c.now[name]; !stopped && !d.Since.IsZero() {
		c.ails[name] = d
	}
}
