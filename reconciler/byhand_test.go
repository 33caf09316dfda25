package reconciler_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// paused is a secret whose value is set in its first round, and taken by its source in the second, by a person's hand.
func paused(name string, more ...reconciler.Round) rotation {
	what := reconciler.ByHand{Secret: secret.Ref{Name: name, Version: "2"}, What: "sets the password of " + name + " at its source"}
	return rotation{name: name, rounds: append([]reconciler.Round{
		{Steps: []reconciler.Step{step(reconciler.Accept, "engine", "set "+name), step(reconciler.Verify, "", "prove "+name)}},
		{Steps: []reconciler.Step{{Phase: reconciler.Verify, Op: what, Back: reconciler.Never("a person does it")}}},
	}, more...)}
}

// rounds is a secret that has something to do in each of three rounds.
func rounds(name string) rotation {
	r := rotation{name: name}
	for _, n := range []string{"1", "2", "3"} {
		r.rounds = append(r.rounds, reconciler.Round{Steps: []reconciler.Step{step(reconciler.Verify, "", "check "+name+n)}})
	}
	return r
}

// A person's part ends the run for its secret, and fails nothing.
func TestByHand(t *testing.T) {
	later := reconciler.Round{Steps: []reconciler.Step{step(reconciler.Verify, "", "later")}}
	for _, c := range []struct {
		name, reason string
		confirmed    []string
		fails        string // a key
		ended        []string
		failed       bool
		did, not     []string
	}{
		{"not confirmed", "it waits, and the others are finished", nil, "", []string{"a ahead", "c proven"}, false, []string{"prove a", "check c3"}, []string{"later"}},
		{"confirmed", "that is the evidence", []string{"a"}, "", []string{"a proven", "c proven"}, false, []string{"later"}, nil},
		{"another confirmed", "it says nothing about this one", []string{"b", "ab"}, "", []string{"a ahead", "c proven"}, false, nil, []string{"later"}},
		{"another fails beside it", "it still waits, and is not taken back", nil, "check c2", []string{"a ahead", "c ahead"}, true, nil, []string{"back set a", "later", "check c3"}},
		{"another fails after it", "it still waits, and is not taken back", nil, "check c3", []string{"a ahead", "c ahead"}, true, nil, []string{"back set a", "later"}},
		{"it was not set", "nobody is asked for more than there is", nil, "prove a", []string{"a back", "c ahead"}, true, nil, []string{"later", "check c2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, paused("a", later), rounds("c"))
			b.confirmed = c.confirmed
			if c.fails != "" {
				b.answer[c.fails] = failure("refused")
			}
			o := b.run(t.Context())
			if !slices.Equal(ended(o), c.ended) || (o.Err != nil) != c.failed || o.Halted {
				t.Errorf("%s: %v", c.reason, o)
			}
			for _, e := range o.Secrets {
				waits := e.Change.Secret.Name == "a" && e.Ending == state.Ahead
				if (e.Waits != nil) != waits || waits && (!e.Waits.Confirm || !strings.Contains(e.Why.Error(), "sets the password of a at its source; nobody")) {
					t.Errorf("%s: %s: %+v, %v", c.reason, e.Change.Title, e.Waits, e.Why)
				}
			}
			for _, key := range c.did {
				if !b.has(key) {
					t.Errorf("%s: %s was not done", c.reason, key)
				}
			}
			for _, key := range c.not {
				if b.has(key) {
					t.Errorf("%s: %s was done", c.reason, key)
				}
			}
		})
	}
}

// What waits shows in the plan, and it is never beside a file that may go back.
func TestByHandInAPlan(t *testing.T) {
	p, err := plan(t, paused("connector:x"))
	if err != nil || !slices.Equal(p.Waiting(), []string{"connector:x"}) || !strings.Contains(p.Changes[0].Lines[len(p.Changes[0].Lines)-1].Text, "a person sets the password") {
		t.Errorf("%v, %+v", err, p)
	}
	for name, want := range map[string]bool{"connector:x": true, "connector": true, "connector:y": false, "": false} {
		if reconciler.Confirms([]string{name}, "connector:x") != want {
			t.Errorf("%q confirms it: %v", name, !want)
		}
	}
	mixed := paused("a")
	mixed.rounds[1].Steps = append(mixed.rounds[1].Steps, step(reconciler.Switch, "admin", "swap a"))
	if _, err := plan(t, mixed); err == nil || !strings.Contains(err.Error(), "a round of its own") {
		t.Errorf("%v", err)
	}
}
