package reconciler_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// Rounds: each to its end, and what an earlier one proved stays.
func TestRounds(t *testing.T) {
	two := rotation{name: "sign", rounds: []reconciler.Round{
		{Steps: []reconciler.Step{step(reconciler.Prepare, "relay", "stage list"), step(reconciler.Switch, "relay", "swap list"), step(reconciler.Verify, "relay", "prove list")}},
		{Steps: []reconciler.Step{step(reconciler.Prepare, "build", "import pfx"), step(reconciler.Verify, "build", "prove build")}},
	}}
	b := newBench(t, two, usual("a"))
	o := b.run(t.Context())
	b.order("prove list", "tidy a", "import pfx", "prove build")
	if !slices.Equal(ended(o), []string{"sign proven", "a proven"}) || o.Err != nil {
		t.Errorf("%q %v", ended(o), o.Err)
	}
	if want := []string{"started sign", "started a", "proven a", "proven sign"}; !slices.Equal(b.words(), want) {
		t.Errorf("the ledger says %q", b.words())
	}
	if _, ok := state.NewHistory(b.entries).StepDone("sign", "2", "round 1 of 2", ""); !ok {
		t.Error("the first round's end is not in the ledger")
	}
	b = newBench(t, two)
	b.answer["import pfx"] = failure("wrong password")
	o = b.run(t.Context())
	if b.has("back restore list") || !slices.Equal(ended(o), []string{"sign ahead"}) {
		t.Errorf("the first round was taken back: %q %q", b.did, ended(o))
	}
	b = newBench(t, two)
	b.answer["prove list"] = failure("refused")
	o = b.run(t.Context())
	if b.has("import pfx") || !slices.Equal(ended(o), []string{"sign back"}) {
		t.Errorf("the second round began: %q %q", b.did, ended(o))
	}
}

// Words come from the steps that are there.
func TestLines(t *testing.T) {
	r := canary(3)
	for i, s := range r.steps {
		o, _ := s.Op.(op)
		if w, ok := s.Op.(swapped); ok {
			o = w.op
		}
		verb, what, _ := strings.Cut(o.What, " ")
		o.Say = reconciler.Phrase{Do: verb, Who: o.Host, Noun: "relay"}
		if o.Host == "admin" || what == "ready" {
			o.Say = reconciler.Phrase{Do: verb, Who: "Admin"}
		}
		if verb == "prove" {
			o.Say = reconciler.Phrase{Do: "all relays connected"}
		}
		r.steps[i].Op = o
		if verb == "swap" {
			r.steps[i].Op = swapped{o}
		}
	}
	p, err := plan(t, r)
	if err != nil {
		t.Fatal(err)
	}
	c := p.Changes[0]
	want := []reconciler.Line{{Phase: "switch", Text: "Admin: stop, swap, start, await; then 3 relays, each: stop, swap, start"}, {Phase: "verify", Text: "all relays connected"}}
	if !slices.Equal(c.Lines, want) || c.Proof != "all relays connected" || c.Undo != "the 4 files as they were, until it is proven" {
		t.Errorf("%+v", c)
	}
}
