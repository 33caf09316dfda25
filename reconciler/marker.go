package reconciler

import (
	"context"
	"fmt"
	"slices"

	"meshrotate/state"
)

// Marker is a lock that lies with the deployment itself, for operators who do not share a state: whoever is about to change
// something makes it, and the others see it. It never takes the place of the state's own lock, which is taken before.
type Marker interface {
	// Read asks for it in a look. Answer: *MarkerSeen.
	Read() Read
	// Acquire makes it, or fails with *state.HeldError. One whose holder has no heartbeat any more is taken over, and at once
	// one of a run that ours knows: the state's own lock is ours, so that run is dead.
	Acquire(ctx context.Context, holder state.Holder, ours func(run string) bool) (state.Lease, error)
	// Current and Break are those of state.Lock.
	Current(ctx context.Context) (holder state.Holder, ok bool, err error)
	Break(ctx context.Context, fence uint64) error
	// Sign names the holder beside the marker as the run that changes the deployment last. The name stays when the marker goes, so that
	// a state that does not know the run can tell. Signed is who stands there, ok is false for nobody; Forget removes the name.
	Sign(ctx context.Context, holder state.Holder) error
	Signed(ctx context.Context) (last state.Holder, ok bool, err error)
	Forget(ctx context.Context) error
}

// MarkerSeen answers Marker.Read. A plan keeps no fact of it: who is at work is no part of what is seen.
type MarkerSeen struct {
	Host   string
	Held   bool
	Holder state.Holder
	// Last is the run that changed the deployment last, its Run empty without one. Damaged says why the name is not to be believed.
	Last state.Holder
}

// Facts are none.
func (*MarkerSeen) Facts() []Fact { return nil }

// Marked is who else changes the deployment, as far as a look saw: a run that this state does not know. Nil: nobody.
func Marked(seen Seen, h state.History) *state.HeldError {
	for _, look := range seen {
		for _, r := range look.Results {
			if m, ok := r.(*MarkerSeen); ok && m.Held && !m.Holder.Ended && !h.Knows(m.Holder.Run) {
				return &state.HeldError{Holder: m.Holder, Marker: m.Host}
			}
		}
	}
	return nil
}

// marked warns of another run, and refuses behind one that this state does not know: what it set is in the other state, or in a later copy
// of this one. From here its values would be replaced by others of the same versions.
func marked(in Input) (all []Finding) {
	if held := Marked(in.Seen, in.History); held != nil {
		all = append(all, Finding{Severity: Warning, Code: "run-at-work", Hosts: []string{held.Marker}, Hint: held.Hint(),
			Text: "a run of another state is at work: " + held.Error()})
	}
	for _, look := range in.Seen {
		for _, r := range look.Results {
			if m, ok := r.(*MarkerSeen); ok {
				all = append(all, signed(m, in.History)...)
			}
		}
	}
	return all
}

// signed judges who changed the deployment last.
func signed(m *MarkerSeen, h state.History) []Finding {
	f := Finding{Severity: Error, Code: "state-elsewhere", Hosts: []string{m.Host}, Hint: "apply with the state of that run, or bring this one up to date from its newest backup. " +
		"Where that state is lost for good, `meshrotate unlock --marker` forgets the run"}
	switch last := m.Last; {
	case last.Damaged != "":
		f.Text = "nobody can say which run changed this deployment last: " + last.Damaged
		f.Hint = "see what is wrong with the file; `meshrotate unlock --marker` removes it"
	case last.Run == "" || h.Knows(last.Run):
		return nil
	default:
		f.Text = "the run that changed this deployment last is not in this state's ledger, so what it set is not known here: " + last.Name()
	}
	return []Finding{f}
}

// withMarker adds the question for the marker where its target is looked at anyway: it costs no request.
func withMarker(reads []Read, m Marker) []Read {
	if m == nil {
		return reads
	}
	read := m.Read()
	if !slices.ContainsFunc(reads, func(r Read) bool { return r.Target() == read.Target() }) {
		return reads
	}
	return append(reads, read)
}

// Again looks at one target once more, and says why the plan is no longer true there, nil when it is. Reached is false when
// it did not answer: that says nothing. It asks what the plan has the answers of: for the planned rotations, and for the others that were
// looked at beside them.
func (p *Plan) Again(ctx context.Context, s Site, in Input, planned, others []Rotation, t Target) (reached bool, err error) {
	of := func(all []HostFacts) (h HostFacts) {
		for _, h := range all {
			if h.Target == t {
				return h
			}
		}
		return HostFacts{Target: t}
	}
	reads := slices.DeleteFunc(readsOf(slices.Concat(planned, others)), func(r Read) bool { return r.Target() != t })
	if len(reads) == 0 {
		return true, nil
	}
	seen := s.Look(ctx, reads, func(Event) {})
	in.Seen = seen
	then, now := of(p.Seen), of(in.unminded(planned).facts())
	switch {
	case now.Reach != Reached && !(now.Reach == then.Reach && len(seen[t].Errs) > 0): // a part is not answered, as before
		return false, Hinted(fmt.Errorf("%s does not answer a second look: %w", t, seen[t].Err), HintOf(seen[t].Err))
	case slices.Equal(then.Facts, now.Facts):
		return true, nil
	}
	why := append(Differences([]HostFacts{then}, []HostFacts{now}), "its facts")
	return true, Hinted(fmt.Errorf("something has changed since the look: %s", why[0]), "run `meshrotate plan` to see what is there now, then apply")
}
