package reconciler

import (
	"slices"
	"strings"
	"time"

	"meshrotate/state"
)

// LeftDown are those of some rotations, which are not planned for, that by the ledger may have left something down. Of their
// reads the services on those hosts are left: a run that is limited to other secrets says what is down all the same.
func LeftDown(others []Rotation, h state.History, now time.Time) []Rotation {
	var some []Rotation
	for _, r := range others {
		at := map[Target]bool{}
		for _, d := range r.Plan(Input{History: h, Now: now}).Down {
			at[d.Target] = true
		}
		if len(at) > 0 {
			some = append(some, serviceLook{r, at})
		}
	}
	return some
}

// serviceLook is a rotation of which only the services on some targets are looked at: that needs no value.
type serviceLook struct {
	Rotation
	at map[Target]bool
}

func (l serviceLook) Reads() []Read {
	return slices.DeleteFunc(slices.Clone(l.Rotation.Reads()), func(r Read) bool {
		_, service := r.(ServiceRead)
		return !service || !l.at[r.Target()]
	})
}

// NoteDown adds what is down by the record of rotations that are not planned for.
func (p *Plan) NoteDown(others []Rotation, in Input) {
	for _, r := range others {
		p.Down = append(p.Down, r.Plan(in).Down...)
	}
	found := stillDown(p.Down)
	for i, f := range found {
		found[i].Hint = strings.Replace(f.Hint, "apply", "apply without --only", 1)
	}
	p.Fleet = append(p.Fleet, found...)
}
