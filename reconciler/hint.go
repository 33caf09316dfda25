package reconciler

import "errors"

// hinted is an error with advice for whoever reads it.
type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string  { return h.hint }
func (h hinted) Unwrap() error { return h.error }

// Hinted adds a hint to an error. The command line prints it on its own line.
func Hinted(err error, hint string) error { return hinted{err, hint} }

// HintOf returns the first hint in the error's chain, or "".
func HintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
