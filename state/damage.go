package state

import "errors"

// ErrDamaged says that a record is there, or was, and cannot be believed: lost in part, edited, or put together from copies of
// different ages. That somebody cannot read it now is another error.
var ErrDamaged = errors.New("the record is damaged")

// Damaged makes an error ErrDamaged, with what to do.
func Damaged(err error, hint string) error { return &damaged{err, hint} }

type damaged struct {
	error
	hint string
}

func (d *damaged) Hint() string         { return d.hint }
func (d *damaged) Unwrap() error        { return d.error }
func (d *damaged) Is(target error) bool { return target == ErrDamaged }
