package reconciler

import (
	"cmp"
	"fmt"
	"slices"

	"meshrotate/reconciler/secret"
)

// merge joins the steps of all changes: ops with the same key on the same target in the same phase become one. So two
// edits of one file are one write, and two reasons to restart a service are one restart.
func merge(changes []Change) ([]Step, error) {
	type id struct {
		phase Phase
		t     Target
		key   string
	}
	index := map[id]int{}
	var steps []Step
	for _, c := range changes {
		if c.Status != Rotate {
			continue
		}
		for _, s := range c.Steps {
			k := id{s.Phase, s.Op.Target(), s.Op.Key()}
			i, ok := index[k]
			if !ok {
				index[k] = len(steps)
				s.Secrets = []secret.Ref{c.Secret}
				steps = append(steps, s)
				continue
			}
			joined, err := join(steps[i], s)
			if err != nil {
				return nil, fmt.Errorf("%s and %s: %s on %s: %w", steps[i].Secrets[0], c.Secret, k.key, k.t, err)
			}
			if !slices.Contains(joined.Secrets, c.Secret) { // a rotation may ask for the same thing twice
				joined.Secrets = append(slices.Clone(joined.Secrets), c.Secret)
			}
			steps[i] = joined
		}
	}
	sortSteps(steps)
	for i := range steps {
		steps[i].Name = fmt.Sprintf("%s/%s", steps[i].Phase, steps[i].Op.Key())
	}
	return steps, nil
}

func join(a, b Step) (Step, error) {
	op, err := a.Op.Merge(b.Op)
	if err != nil {
		return Step{}, err
	}
	a.Op = op
	if a.Undo != nil && b.Undo != nil {
		if a.Undo, err = a.Undo.Merge(b.Undo); err != nil {
			return Step{}, err
		}
	} else if a.Undo == nil {
		a.Undo = b.Undo
	}
	a.Wave = max(a.Wave, b.Wave)
	a.Alone = a.Alone && b.Alone // whoever cannot spare it decides
	return a, nil
}

// sortSteps orders by phase, wave, target; the order in which a rotation gave the steps of one target stays.
func sortSteps(steps []Step) {
	slices.SortStableFunc(steps, func(a, b Step) int {
		at, bt := a.Op.Target(), b.Op.Target()
		return cmp.Or(cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Wave, b.Wave),
			cmp.Compare(at.Kind, bt.Kind), cmp.Compare(at.Name, bt.Name))
	})
}

// barrier is the steps between two barriers: one phase, one wave, batches by target.
type barrier struct {
	phase   Phase
	wave    int
	batches []batch
}

type batch struct {
	target Target
	steps  []Step
}

// barriers cuts sorted steps.
func barriers(steps []Step) []barrier {
	var all []barrier
	for _, s := range steps {
		if n := len(all); n == 0 || all[n-1].phase != s.Phase || all[n-1].wave != s.Wave {
			all = append(all, barrier{phase: s.Phase, wave: s.Wave})
		}
		b := &all[len(all)-1]
		if n := len(b.batches); n == 0 || b.batches[n-1].target != s.Op.Target() {
			b.batches = append(b.batches, batch{target: s.Op.Target()})
		}
		t := &b.batches[len(b.batches)-1]
		t.steps = append(t.steps, s)
	}
	return all
}
