package reconciler

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"meshrotate/reconciler/secret"
)

// merge joins the steps of all changes, round by round: ops with the same key on the same target in the same phase become
// one. So two edits of one file are one write, and two reasons to restart a service are one restart.
func merge(changes []Change) ([]Round, error) {
	var rounds []Round
	for i := 0; ; i++ {
		m := &merger{index: map[string]int{}, prefix: prefix(i)}
		for j, c := range changes {
			if c.Status == Rotate && i < len(c.Rounds) {
				m.asking = append(m.asking, asking{c.Secret, c.Rounds[i]})
				changes[j].Rounds = slices.Clone(c.Rounds) // they may be another's
				changes[j].Rounds[i] = Round{}
			}
		}
		if m.asking == nil {
			return rounds, nil
		}
		for j := range m.steps {
			n := 0
			for _, a := range m.asking {
				n += a.round.count(Phase(j))
			}
			m.steps[j] = make([]Step, 0, n)
		}
		for j := range m.asking {
			if err := m.add(m.asking[j].secret, m.asking[j].round); err != nil {
				return nil, err
			}
		}
		if len(m.asking) == 1 {
			m.asking[0].round = Round{} // whoever asks for something is known
		}
		r, err := m.round()
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, r)
	}
}

// prefix tells the steps of a further round apart.
func prefix(round int) string {
	if round == 0 {
		return ""
	}
	return fmt.Sprintf("round %d/", round+1)
}

// merger makes one round.
type merger struct {
	prefix string
	steps  [Retire + 1][]Step // by phase
	index  map[string]int     // by id, among those of its phase
	asking []asking
}

// asking is what a secret wants of the round.
type asking struct {
	secret secret.Ref
	round  Round
}

func (m *merger) add(of secret.Ref, r Round) error {
	// Evidence counts where it is given. Where nothing is there to prove more, that it was done is the evidence.
	proofs := slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Proof || s.Phase == Verify })
	if slices.ContainsFunc(r.Steps, Step.byHand) && slices.ContainsFunc(r.Steps, Step.edits) {
		return fmt.Errorf("%s: a round that swaps files has a person's part: it is to be a round of its own", of)
	}
	secrets := []secret.Ref{of}
	for _, s := range r.Steps {
		if err := fit(s); err != nil {
			return fmt.Errorf("%s: %s: %w", of, StepID(s.Phase, s.Op), err)
		}
		s.ID, s.Secrets, s.Proof = m.prefix+StepID(s.Phase, s.Op), secrets, s.Proof || s.Phase == Verify || !proofs
		s.After, s.Before, s.Rather = m.prefixed(s.After), m.prefixed(s.Before), m.prefixed(s.Rather)
		i, ok := m.index[s.ID]
		steps := m.steps[s.Phase]
		if !ok {
			m.index[s.ID] = len(steps)
			m.steps[s.Phase] = append(steps, s)
			continue
		}
		joined, err := join(steps[i], s)
		if err != nil {
			return fmt.Errorf("%s and %s: %s on %s: %w", steps[i].Secrets[0], of, s.Op.Key(), s.Op.Target(), err)
		}
		steps[i] = joined
	}
	return nil
}

// prefixed are the names that steps have in this round.
func (m *merger) prefixed(ids []string) []string {
	if m.prefix == "" {
		return ids
	}
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = m.prefix + id
	}
	return all
}

// fit refuses what no plan may hold.
func fit(s Step) error {
	_, swaps := s.Op.(Swapper)
	_, stages := s.Op.(Stager)
	switch {
	case s.Back.kind == notSaid:
		return errors.New("it does not say whether there is a way back")
	case s.Back.kind == way && s.Back.Op == nil:
		return errors.New("its way back is no op")
	case swaps && s.Phase != Switch:
		return errors.New("a file is swapped in the switch only: in another phase it would take other secrets' edits live before their time")
	case stages && s.Phase != Prepare:
		return errors.New("a file is staged in prepare only: one staging for each file and round")
	case s.byHand() && s.Phase != Verify:
		return errors.New("a person's part stands in verify only: elsewhere others would wait for it")
	}
	return nil
}

func join(a, b Step) (Step, error) {
	op, err := a.Op.Merge(b.Op)
	if err != nil {
		return Step{}, err
	}
	a.Op = op
	if a.Back, err = joinBack(a.Back, b.Back); err != nil {
		return Step{}, err
	}
	for _, ref := range b.Secrets {
		if !slices.Contains(a.Secrets, ref) { // a rotation may ask for the same thing twice
			a.Secrets = append(slices.Clone(a.Secrets), ref)
		}
	}
	for _, id := range b.After {
		if !slices.Contains(a.After, id) {
			a.After = append(slices.Clone(a.After), id)
		}
	}
	for _, id := range b.Before {
		if !slices.Contains(a.Before, id) {
			a.Before = append(slices.Clone(a.Before), id)
		}
	}
	a.Rather = slices.Concat(a.Rather, b.Rather)
	a.Alone = a.Alone && b.Alone // whoever cannot spare it decides
	a.Proof, a.Once, a.Limit = a.Proof || b.Proof, a.Once || b.Once, max(a.Limit, b.Limit)
	a.Vital, a.Needed, a.WasDown = a.Vital || b.Vital, a.Needed || b.Needed, a.WasDown || b.WasDown
	return a, nil
}

// joinBack is the way back for both: none if one of them has none.
func joinBack(a, b Back) (Back, error) {
	switch {
	case a.kind == never:
		return a, nil
	case b.kind == never || a.kind == nothing:
		return b, nil
	case b.kind == nothing:
		return a, nil
	}
	op, err := a.Op.Merge(b.Op)
	return Way(op), err
}

// round puts the steps in order, and makes sure that the way back has one too.
func (m *merger) round() (Round, error) {
	n := 0
	for _, steps := range m.steps {
		n += len(steps)
	}
	m.index = nil
	r := Round{make([]Step, 0, n)}
	for p, steps := range m.steps {
		steps = m.wished(steps)
		blocks, circle := arrange(steps, links(steps))
		if circle != nil {
			return r, m.contradiction(steps, circle)
		}
		m.steps[p] = nil // a fleet's steps are many
		for _, b := range blocks {
			r.Steps = append(r.Steps, b.steps...)
		}
		if Phase(p) > Verify {
			break
		}
		back, ways := wayBack(r.Steps[len(r.Steps)-len(steps):], m.prefix)
		if circle := circleIn(len(back), ways); circle != nil {
			return r, fmt.Errorf("the way back: %w", m.contradiction(back, circle))
		}
	}
	return r, nil
}

// wished are the steps with what they say by Rather, where that has an order, and a way back that has one.
func (m *merger) wished(steps []Step) []Step {
	if !slices.ContainsFunc(steps, func(s Step) bool { return len(s.Rather) > 0 }) {
		return steps
	}
	all := slices.Clone(steps)
	for i, s := range all {
		all[i].Before, all[i].Rather = slices.Concat(s.Before, s.Rather), nil
	}
	if circleIn(len(all), links(all)) != nil {
		return steps
	}
	if back, ways := wayBack(all, m.prefix); circleIn(len(back), ways) != nil {
		return steps
	}
	return all
}

// contradiction names who wants what.
func (m *merger) contradiction(steps []Step, circle []link) error {
	var wishes []string
	for _, l := range circle {
		a, b := steps[l.before], steps[l.after]
		who := m.asks(a.ID, b.ID)
		if who == "" {
			who = names(b.Secrets)
		}
		wishes = append(wishes, fmt.Sprintf("%s wants `%s` on %s before `%s` on %s", who, a.Op.Key(), a.Op.Target(), b.Op.Key(), b.Op.Target()))
	}
	return Hinted(fmt.Errorf("two orders contradict each other: %s", strings.Join(wishes, "; ")),
		"rotate one of them alone: `meshrotate apply --only KIND`")
}

// asks is who asks first for one step before another, "" for nobody: then something else than a wish is the reason.
func (m *merger) asks(before, after string) string {
	for _, a := range m.asking {
		for _, s := range a.round.Steps {
			id := m.prefix + StepID(s.Phase, s.Op)
			if id == after && slices.ContainsFunc(s.After, func(id string) bool { return m.prefix+id == before }) ||
				id == before && slices.ContainsFunc(s.Before, func(id string) bool { return m.prefix+id == after }) {
				return a.secret.Name
			}
		}
	}
	return ""
}
