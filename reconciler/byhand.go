package reconciler

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// PersonTarget is whoever does by hand what no run does. The engine asks them itself: no site has a worker for it.
const PersonTarget TargetKind = "person"

// ByHand is what a person does between two runs. A run that comes to it has done all that it can for that secret: it ends there,
// ahead, and waits. A run that is told that it was done takes that as the evidence, and goes on. Nothing of it is kept but the
// ledger, so the pause outlives every process.
//
// It stands in Verify, where nothing else of its secret follows but what is to be removed, and in a round that swaps no file for
// it: a file that waits for nobody's proof goes back with others.
type ByHand struct {
	Secret secret.Ref `json:"secret"`
	// What is done, after "a person": "sets the new password of ad at its source system".
	What string `json:"what"`
}

// Kind, Target, Key and Says are the op as data.
func (o ByHand) Kind() string   { return "by-hand" }
func (o ByHand) Target() Target { return Target{Kind: PersonTarget} }
func (o ByHand) Key() string    { return "by hand for " + o.Secret.Name }
func (o ByHand) Says() Phrase {
	return Phrase{Do: "a person " + o.What + ", and says so"}
}

// Merge joins it with nothing but itself.
func (o ByHand) Merge(other Op) (Op, error) {
	if other != Op(o) {
		return nil, errors.New("two different things are to be done by hand")
	}
	return o, nil
}

// byHand says that a person does it.
func (s Step) byHand() bool { return s.Op.Target().Kind == PersonTarget }

// asked answers for what persons do: done where that was confirmed.
func (r *Run) asked(steps []Step) []Report {
	var all []Report
	for _, s := range steps {
		o, ok := s.Op.(ByHand)
		switch {
		case !ok:
			return append(all, Report{Outcome: state.Failed, Err: fmt.Errorf("no person can be asked for %T", s.Op)})
		case !Confirms(r.Confirmed, o.Secret.Name):
			return append(all, Report{Outcome: state.Failed, Refused: true, Waits: true, Err: fmt.Errorf("a person %s; nobody has confirmed that yet", o.What)})
		}
		all = append(all, Report{Outcome: state.Done, Evidence: r.By + " has confirmed that a person " + o.What})
	}
	return all
}

// Confirms says whether one of these names is the secret's, or its kind's.
func Confirms(names []string, name string) bool {
	kind, _, _ := strings.Cut(name, ":")
	return slices.Contains(names, name) || slices.Contains(names, kind)
}

// Waiting are the names of the secrets for which a person is to confirm something.
func (p *Plan) Waiting() []string {
	var all []string
	for _, s := range p.Steps() {
		if o, ok := s.Op.(ByHand); ok {
			all = appendNew(all, o.Secret.Name)
		}
	}
	return all
}

// wait ends the run for the secrets of a step that waits for a person. It is no failure: the others go on.
func (p *progress) wait(s Step, why error) {
	for _, ref := range s.Secrets {
		if p.failed[ref.Name] == nil {
			p.failed[ref.Name] = why
			p.waits[ref.Name] = Wait{Confirm: s.byHand()}
		}
	}
}

// waiting says that nothing else is to be done for a secret now.
func (p *progress) waiting(name string) bool {
	_, waits := p.waits[name]
	return waits
}

// Wait says of a secret that all is done for it that a run can do. The zero value waits for what is seen.
type Wait struct {
	// Confirm: a person says that it was done; else it is seen.
	Confirm bool
}
