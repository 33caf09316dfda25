package reconciler

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"meshrotate/state"
)

// interrupt ends the run. Until something was stopped everything is taken back; from then on the new values are live,
// and the next run proves them.
func (p *progress) interrupt(ctx context.Context, when string, phase Phase) {
	err := fmt.Errorf("interrupted %s %s: %w", when, phase, context.Cause(ctx))
	if p.switching {
		p.interrupted = true
		p.halt(err)
	} else if p.cause == nil {
		p.cause = err
	}
}

// forward are the secrets that an interrupt left without a proof, and of which it is known all the same what is live: the switch has
// ended, every step of it was done, and one of them has no way back. So it is with what shares a file with such a one.
func (p *progress) forward() map[string]bool {
	on := map[string]bool{}
	if !p.interrupted || p.robbed || lostLease(p.cause) { // another run may have done what nobody here knows
		return on
	}
	for _, c := range p.rotating() {
		if p.final(c.Secret.Name) {
			on[c.Secret.Name] = true
		}
	}
	spread(slices.Values(p.all), Step.edits, func(name string) bool { return on[name] }, func(name string) { on[name] = true })
	maps.DeleteFunc(on, func(name string, _ bool) bool { return p.failed[name] != nil || !p.live(name) })
	return on
}

// known says of an interrupted run that nothing that is live has to be looked at.
func (p *progress) known() bool {
	return p.interrupted && !slices.ContainsFunc(p.rotating(), func(c Change) bool { return p.ending[c.Secret.Name] == state.Unknown })
}
