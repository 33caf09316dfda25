package reconciler

// Unreadable is a rotation whose live value nobody can read back, or that has none.
type Unreadable interface {
	Rotation
	// Unreadable says why it cannot be adopted, with what to do instead; nil where it can.
	Unreadable() error
}
