package reconciler

// Unreadable is a rotation whose live value nobody can read back, or that has none.
type Unreadable interface {
	Rotation
	// Unreadable says why it cannot be adopted, with what to do instead; nil where it can.
	Unreadable() error
}

// Adoptable is a rotation that sees whether the live value works: what does not is no version's.
type Adoptable interface {
	Rotation
	// Adoptable says by what was seen why the live value is not to be kept, with what to do instead; nil where it may be.
	Adoptable(in Input) error
}
