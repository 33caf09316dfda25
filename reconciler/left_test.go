package reconciler_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// left are who was left behind, "relay (away): a".
func left(o reconciler.Outcome) []string {
	var all []string
	for _, l := range o.Left {
		all = append(all, fmt.Sprintf("%s %s (%v): %s", l.Target.Kind, l.Target, l.Why, strings.Join(l.Secrets, ",")))
	}
	return all
}

// spared is usual, whose relay is spared once Admin runs with the new value.
func spared(name string) rotation {
	r := usual(name)
	for i, s := range r.steps {
		r.steps[i].Alone = s.Op.Target().Name == "relay" && s.Op.Key() != "stop relay"
	}
	return r
}

// pushed stages and pushes to a relay that it can spare.
func pushed(p reconciler.Phase) rotation {
	two := step(p, "relay", "push two", "push one")
	two.Alone = true
	return rotation{name: "a", steps: []reconciler.Step{step(reconciler.Prepare, "relay", "stage one"), step(p, "relay", "push one"), two,
		step(reconciler.Switch, "admin", "stop admin"), step(reconciler.Verify, "", "prove a")}}
}

// Whoever reads the outcome knows on which target something is left, for which secrets, and why; and no more than that.
func TestWhoIsLeftBehind(t *testing.T) {
	tolerant := func(r rotation, n int) rotation {
		r.with = func(c *reconciler.Change) { c.Tolerate.Of, c.Tolerate.Count = of("relay"), n }
		return r
	}
	plans := func(r rotation) rotation {
		r.with = func(c *reconciler.Change) { c.Left = []reconciler.Target{onHost("gone")} }
		return r
	}
	missing := reconciler.Report{Outcome: state.Failed, Err: errors.New("1 of 2"), Missing: []string{"relay"}, Evidence: "1 of 2"}
	for _, c := range []struct {
		reason    string
		rotations []reconciler.Rotation
		answer    map[string]reconciler.Report
		left      []string
		ended     []string
	}{
		{"by a failure of its own, for all that it was needed for", []reconciler.Rotation{spared("a"), spared("c")}, map[string]reconciler.Report{"start relay": failure("1067")}, []string{"host relay (1067): a,c"}, []string{"a proven", "c proven"}},
		{"the first reason stays", []reconciler.Rotation{usual("a"), usual("c")}, map[string]reconciler.Report{"prove a": missing, "prove c": {Outcome: state.Failed, Err: errors.New("later"), Missing: []string{"relay"}}}, []string{"host relay (1 of 2): a,c"}, []string{"a proven", "c unknown"}},
		{"by itself, and then by a proof", []reconciler.Rotation{spared("a")}, map[string]reconciler.Report{"start relay": failure("1067"), "prove a": missing}, []string{"host relay (1067): a"}, []string{"a proven"}},
		{"what was pushed there has no way back", []reconciler.Rotation{pushed(reconciler.Switch)}, map[string]reconciler.Report{"push two": failure("full"), "prove a": failure("refused")}, []string{"host relay (full): a"}, []string{"a back"}},
		{"nothing live was touched there", []reconciler.Rotation{pushed(reconciler.Prepare)}, map[string]reconciler.Report{"push two": failure("full"), "prove a": failure("refused")}, nil, []string{"a back"}},
		{"while tidying up: it is proven", []reconciler.Rotation{usual("a")}, map[string]reconciler.Report{"tidy a": failure("held open")}, []string{"host admin (held open): a"}, []string{"a proven"}},
		{"by the plan already", []reconciler.Rotation{plans(usual("a"))}, nil, []string{"host gone (not reachable, tolerated by the policy): a"}, []string{"a proven"}},
		{"by the run and by the plan", []reconciler.Rotation{plans(spared("a"))}, map[string]reconciler.Report{"start relay": failure("1067")}, []string{"host relay (1067): a", "host gone (not reachable, tolerated by the policy): a"}, []string{"a proven"}},
		{"it was taken back there too", []reconciler.Rotation{spared("a")}, map[string]reconciler.Report{"start relay": failure("1067"), "prove a": failure("refused")}, nil, []string{"a back"}},
		{"it could not be taken back there", []reconciler.Rotation{spared("a")}, map[string]reconciler.Report{"start relay": failure("1067"), "prove a": failure("refused"), "back start relay": away}, []string{"host relay (1067): a"}, []string{"a back"}},
		{"nothing was done there, and all is back", []reconciler.Rotation{tolerant(usual("a"), 1)}, map[string]reconciler.Report{"stop relay": away, "prove a": failure("refused"), "back start relay": away}, nil, []string{"a back"}},
		{"while another secret is proven without it", []reconciler.Rotation{tolerant(usual("a"), 1), tolerant(usual("c"), 1)}, map[string]reconciler.Report{"stop relay": away, "prove a": failure("refused"), "back start relay": away}, []string{"host relay (no route): a,c"}, []string{"a back", "c proven"}},
	} {
		b := newBench(t, c.rotations...)
		b.clock("admin")
		for k, r := range c.answer {
			b.answer[k] = r
		}
		o := b.run(t.Context())
		if !slices.Equal(left(o), c.left) || !slices.Equal(ended(o), c.ended) {
			t.Errorf("%s: left %q, ended %q, %v; %q", c.reason, left(o), ended(o), o.Err, b.did)
		}
	}
}

// The policy's number is of all hosts that are away and not named by it, and of this secret alone.
func TestHowManyMayBeAway(t *testing.T) {
	relays := func(name string, tolerate reconciler.Tolerance, hosts ...string) rotation {
		r := rotation{name: name, with: func(c *reconciler.Change) { c.Tolerate = tolerate; c.Tolerate.Of = of(hosts...) }}
		for i, h := range hosts { // one after the other
			s := step(reconciler.Switch, h, "stop "+h)
			if i > 0 {
				s = step(reconciler.Switch, h, "stop "+h, hosts[i-1]+": stop "+hosts[i-1])
			}
			r.steps = append(r.steps, s)
		}
		r.steps = append(r.steps, step(reconciler.Verify, "", "prove "+name))
		return r
	}
	for _, c := range []struct {
		reason    string
		rotations []reconciler.Rotation
		away      []string
		fine      bool
	}{
		{"one", []reconciler.Rotation{relays("a", reconciler.Tolerance{Count: 1}, "r1", "r2", "r3")}, []string{"r1"}, true},
		{"two are one too many", []reconciler.Rotation{relays("a", reconciler.Tolerance{Count: 1}, "r1", "r2", "r3")}, []string{"r1", "r3"}, false},
		{"those that are named do not count", []reconciler.Rotation{relays("a", reconciler.Tolerance{Count: 1, Names: map[string]bool{"r1": true}}, "r1", "r2", "r3")}, []string{"r1", "r3"}, true},
		{"another secret's policy is of its own hosts", []reconciler.Rotation{relays("a", reconciler.Tolerance{Count: 1}, "r1"), relays("c", reconciler.Tolerance{}, "r2")}, []string{"r1"}, true},
		{"the stricter policy of two decides", []reconciler.Rotation{relays("a", reconciler.Tolerance{Count: 1}, "r1"), relays("c", reconciler.Tolerance{}, "r1")}, []string{"r1"}, false},
		{"no policy spares the Admin API", []reconciler.Rotation{relays("a", reconciler.Tolerance{Count: 9}, "r1", "")}, []string{""}, false},
	} {
		b := newBench(t, c.rotations...)
		for _, h := range c.away {
			b.answer["stop "+h] = away
		}
		if o := b.run(t.Context()); (o.Err == nil) != c.fine || len(o.With(state.Proven)) == len(c.rotations) != c.fine {
			t.Errorf("%s: %v; %q", c.reason, o, b.did)
		}
	}
}

// Who was left behind is asked nothing more, and whoever waits for it goes on.
func TestNobodyWaitsForWhoIsLeft(t *testing.T) {
	r := spared("a")
	r.steps = append(r.steps, step(reconciler.Switch, "engine", "start engine", "relay: start relay"), step(reconciler.Verify, "relay", "check more", ": prove a"))
	r.with = func(c *reconciler.Change) { c.Tolerate.Of, c.Tolerate.Count = of("relay"), 1 }
	b := newBench(t, r)
	told := b.listen()
	b.answer["stop relay"] = away
	o := b.run(t.Context())
	if !b.has("start engine") || b.batches["relay"] != 1 || !slices.Equal(ended(o), []string{"a proven"}) {
		t.Errorf("%v; %q %v", o, b.did, b.batches)
	}
	if all := strings.Join(told(), "\n"); strings.Count(all, " relay") != 1 {
		t.Errorf("told\n%s", all)
	}
	b = newBench(t, usual("a"))
	b.steps(func(s *reconciler.Step) { s.Alone = s.Op.Target().Name == "relay" && s.Phase == reconciler.Verify })
	b.answer["check a"] = failure("no heartbeat")
	if o := b.run(t.Context()); b.times("check a") != 1 || !slices.Equal(left(o), []string{"host relay (no heartbeat): a"}) {
		t.Errorf("%v; %q", o, b.did)
	}
}

// steps changes the plan's steps.
func (b *bench) steps(f func(*reconciler.Step)) {
	for _, r := range b.plan.Rounds {
		for i := range r.Steps {
			f(&r.Steps[i])
		}
	}
}

// wide is an op about hosts that does without those that were left behind.
type wide struct {
	op
	of    []string
	hosts *[]string
}

func (w wide) Without(left func(string) bool) (reconciler.Op, bool) {
	some := slices.DeleteFunc(slices.Clone(w.of), left)
	*w.hosts = some
	verb, what, _ := strings.Cut(w.What, " ")
	what, _, _ = strings.Cut(what, " ")
	w.What = verb + " " + what + " " + strings.Join(some, "+")
	return w, len(some) > 0
}

// A proof about many hosts does without those that were left behind, on the way back without those that it does not reach.
func TestAProofAboutManyIsNarrowed(t *testing.T) {
	for _, c := range []struct {
		reason    string
		of        []string
		start     reconciler.Report
		did, dont string
		asked     []string
	}{
		{"nobody is left behind", []string{"relay", "other"}, reconciler.Report{Outcome: state.Done}, "prove all", "", nil},
		{"one is", []string{"relay", "other"}, failure("1067"), "prove all other", "prove all", []string{"other"}},
		{"one is, and nobody knows what became of it", []string{"relay", "other"}, reconciler.Report{Outcome: state.Unknown, Err: errors.New("lost")}, "prove all other", "prove all", []string{"other"}},
		{"all are", []string{"relay"}, failure("1067"), "prove all ", "prove all", []string{}},
		{"all are, and nobody knows what became of one", []string{"relay"}, reconciler.Report{Outcome: state.Unknown, Err: errors.New("lost")}, "prove all relay", "prove all", []string{"relay"}},
	} {
		var hosts []string
		r := spared("a")
		for i, s := range r.steps {
			if s.Op.Key() == "prove a" {
				r.steps[i].Op, r.steps[i].Back = wide{op{What: "prove all"}, c.of, &hosts}, reconciler.Nothing()
			}
		}
		b := newBench(t, r)
		b.deaf = true // the ledger knows the op as it was narrowed
		b.answer["start relay"] = c.start
		b.run(t.Context())
		if !b.has(c.did) || c.dont != "" && b.has(c.dont) || !slices.Equal(hosts, c.asked) {
			t.Errorf("%s: %q, asked %q", c.reason, b.did, hosts)
		}
		for _, s := range b.plan.Steps() {
			if strings.Contains(s.Op.Key(), "other") {
				t.Errorf("%s: the plan was changed: %s", c.reason, s.Op.Key())
			}
		}
	}
	for _, c := range []struct {
		reason string
		back   reconciler.Report
		did    string
	}{
		{"tried all the same, and it is back", reconciler.Report{Outcome: state.Done}, "back ask old relay+other"},
		{"still away", away, "back ask old other"},
	} {
		var hosts []string
		r := spared("a")
		for i, s := range r.steps {
			if s.Op.Key() == "prove a" {
				r.steps[i].Back = reconciler.Way(wide{op{What: "ask old"}, []string{"relay", "other"}, &hosts})
			}
		}
		b := newBench(t, r)
		b.deaf = true
		b.answer["start relay"], b.answer["prove a"], b.answer["back start relay"] = failure("1067"), failure("refused"), c.back
		o := b.run(t.Context())
		if !b.has(c.did) || !slices.Equal(ended(o), []string{"a back"}) {
			t.Errorf("%s: %q %v", c.reason, b.did, o)
		}
	}
	var hosts []string
	r := usual("a")
	for i, s := range r.steps {
		if s.Op.Key() == "prove a" {
			r.steps[i].Back = reconciler.Way(wide{op{What: "ask old"}, []string{"relay", "other"}, &hosts})
		}
	}
	b := newBench(t, r)
	b.deaf = true
	b.answer["prove a"], b.answer["back start relay"] = failure("refused"), failure("1067")
	if b.run(t.Context()); !slices.Equal(hosts, []string{"other"}) {
		t.Errorf("it could not be taken back there: asked %q", hosts)
	}
}

// A host is on record for the secrets that it was left behind for, and for no others.
func TestTheLedgerKnowsForWhomItIsLeft(t *testing.T) {
	apart := rotation{name: "c", steps: []reconciler.Step{step(reconciler.Verify, "", "prove c")}}
	b := newBench(t, spared("a"), apart)
	b.answer["start relay"] = failure("1067")
	b.run(t.Context())
	for _, e := range b.of("", state.Proven) {
		if want := map[string][]string{"a": {"relay"}, "c": nil}[e.Secret]; !slices.Equal(e.Left, want) {
			t.Errorf("%s: %q", e.Secret, e.Left)
		}
	}
}

// Something old could not be removed through Admin's API, or in a database. A further round is proven there all the same, or not at all.
func TestAFurtherRoundIsProvenWhereSomethingIsLeft(t *testing.T) {
	two := rotation{name: "a", rounds: []reconciler.Round{
		{Steps: []reconciler.Step{step(reconciler.Switch, "relay", "swap one"), step(reconciler.Verify, "relay", "prove one"), step(reconciler.Retire, "", "tidy one")}},
		{Steps: []reconciler.Step{step(reconciler.Switch, "relay", "swap two"), step(reconciler.Verify, "relay", "prove file"), step(reconciler.Verify, "", "prove two")}},
	}}
	for _, c := range []struct {
		reason string
		proof  reconciler.Report
		ended  string
	}{
		{"the proof is given", reconciler.Report{Outcome: state.Done}, "a proven"},
		{"the proof is refused", failure("refused"), "a back"},
	} {
		b := newBench(t, two)
		b.answer["tidy one"], b.answer["prove two"] = failure("busy"), c.proof
		o := b.run(t.Context())
		if ends := ended(o); !b.has("prove two") || len(ends) != 1 || ends[0] == "a proven" != (c.ended == "a proven") || len(o.Left) == 0 {
			t.Errorf("%s: %q, left %q, %q", c.reason, ends, left(o), b.did)
		}
	}
}
