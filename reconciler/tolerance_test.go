package reconciler_test

import (
	"errors"
	"slices"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/state"
)

func TestAFailureThatStaysOnItsTarget(t *testing.T) {
	r := usual("a")
	for i := range r.steps {
		r.steps[i].Alone = r.steps[i].Op.Target().Name == "relay" && r.steps[i].Op.Key() != "stop relay"
	}
	b := newBench(t, r)
	b.answer["start relay"] = failure("1067")
	o := b.run(t.Context())
	if o.Err != nil || len(o.Left) != 1 || o.Left[0].Target.Name != "relay" || !slices.Equal(in(o, state.Proven), []string{"a"}) {
		t.Errorf("%+v", o)
	}
	if b.has("check a") {
		t.Error("a target that was left behind was asked for a proof")
	}
}

func TestSomeRelaysAreMissing(t *testing.T) {
	b := newBench(t, usual("a"))
	b.answer["prove a"] = reconciler.Report{Outcome: state.Failed, Err: errors.New("1 of 2 is not connected"), Missing: []string{"relay"}, Evidence: "1 connected"}
	o := b.run(t.Context())
	if o.Err != nil || o.Halted || len(o.Left) != 1 || len(o.With(state.Back)) > 0 || b.has("back restore a") || !slices.Equal(in(o, state.Proven), []string{"a"}) {
		t.Errorf("%+v; %q", o, b.did)
	}
	var left []string
	for _, e := range b.entries {
		left = append(left, e.Left...)
	}
	if !slices.Equal(left, []string{"relay"}) {
		t.Errorf("the ledger leaves behind %q", left)
	}
}

func TestTolerance(t *testing.T) {
	away := reconciler.Report{Outcome: state.Failed, Unreachable: true, Err: errors.New("refused")}
	host := func(n string) reconciler.Target { return reconciler.Target{Kind: reconciler.HostTarget, Name: n} }
	for _, c := range []struct {
		name, reason string
		tolerate     reconciler.Tolerance
		left         []reconciler.Target // already, when the plan was made
		report       reconciler.Report
		fine         bool
	}{
		{"none", "by default one unreachable relay refuses the rotation", reconciler.Tolerance{}, nil, away, false},
		{"by name", "the policy names it", reconciler.Tolerance{Of: of("relay", "x", "y"), Names: map[string]bool{"relay": true}}, nil, away, true},
		{"another name", "the policy names another", reconciler.Tolerance{Of: of("relay", "x", "y"), Names: map[string]bool{"x": true}}, nil, away, false},
		{"by count", "the policy allows one", reconciler.Tolerance{Of: of("relay", "x", "y"), Count: 1}, nil, away, true},
		{"count used up", "one was left behind by the plan already", reconciler.Tolerance{Of: of("relay", "x", "y"), Count: 1}, []reconciler.Target{host("y")}, away, false},
		{"count not used up", "the one that was left behind is tolerated by name", reconciler.Tolerance{Of: of("relay", "x", "y"), Count: 1, Names: map[string]bool{"y": true}}, []reconciler.Target{host("y")}, away, true},
		{"another's host", "the policy is of others: nothing goes on without it", reconciler.Tolerance{Of: of("x", "y"), Count: 9, Names: of("relay")}, nil, away, false},
		{"reachable", "a failure is not an absence", reconciler.Tolerance{Of: of("relay", "x", "y"), Count: 9}, nil, failure("1053"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Log(c.reason)
			r := usual("a")
			r.with = func(ch *reconciler.Change) { ch.Tolerate, ch.Left = c.tolerate, c.left }
			b := newBench(t, r)
			b.answer["stop relay"] = c.report
			o := b.run(t.Context())
			if fine := o.Err == nil && slices.Equal(in(o, state.Proven), []string{"a"}); fine != c.fine {
				t.Errorf("%+v; %q", o, b.did)
			}
			if c.fine && b.has("start relay") {
				t.Error("a target that was left behind was started")
			}
		})
	}
}

func of(hosts ...string) map[string]bool {
	all := map[string]bool{}
	for _, h := range hosts {
		all[h] = true
	}
	return all
}

// A target that was left behind, and is still away, does not make an undo a failure: the next run looks at it.
func TestUndoWithoutWhoWasLeftBehind(t *testing.T) {
	away := reconciler.Report{Outcome: state.Failed, Unreachable: true, Err: errors.New("refused")}
	r := usual("a")
	r.with = func(ch *reconciler.Change) { ch.Tolerate = reconciler.Tolerance{Of: of("relay"), Count: 1} }
	b := newBench(t, r)
	b.answer["stop relay"], b.answer["back start relay"] = away, away
	b.answer["prove a"] = failure("refused")
	o := b.run(t.Context())
	if o.Halted || !slices.Equal(in(o, state.Back), []string{"a"}) {
		t.Errorf("%+v", o)
	}
	b.order("back restore a", "back start admin", "back discard a")
}
