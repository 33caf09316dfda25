package reconciler_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/state"
)

var (
	away    = reconciler.Report{Outcome: state.Failed, Unreachable: true, Err: errors.New("no route")}
	unknown = reconciler.Report{Outcome: state.Unknown, Err: errors.New("reset")}
)

func (b *bench) times(key string) int {
	n := 0
	for _, k := range b.did {
		if k == key {
			n++
		}
	}
	return n
}

// A failed proof says nothing about another secret's proofs, wherever in a batch they stand, and none is asked for twice.
func TestTheProofsOfTheOthersGoOn(t *testing.T) {
	b := newBench(t, usual("a"), usual("c"), usual("d"))
	b.parallel = 9
	b.answer["prove c"] = failure("refused")
	b.before["prove d"] = func() {
		if b.has("check d") || b.has("check c") {
			t.Error("what waits for the rest of a batch did not")
		}
	}
	o := b.run(t.Context())
	if !slices.Equal(ended(o), []string{"a proven", "c back", "d proven"}) || b.times("prove a") != 1 || b.times("prove d") != 1 || b.has("check c") {
		t.Errorf("%v; %q", o, b.did)
	}
	if want := []string{"started a", "started c", "started d", "proven a", "proven d", "back c"}; !slices.Equal(b.words(), want) {
		t.Errorf("the ledger says %q", b.words())
	}
}

// A later batch of the same target holds another secret's proof.
func TestAProofInALaterBatch(t *testing.T) {
	later := usual("c")
	for i, s := range later.steps {
		switch s.Op.Key() {
		case "prove c":
			later.steps[i] = step(reconciler.Verify, "", "prove c", "relay: check c")
		case "check c":
			later.steps[i] = step(reconciler.Verify, "relay", "check c")
		}
	}
	b := newBench(t, usual("a"), later)
	b.answer["prove a"] = failure("refused")
	if o := b.run(t.Context()); !slices.Equal(ended(o), []string{"a back", "c proven"}) {
		t.Errorf("in a later batch of the same target: %v; %q", o, b.did)
	}
}

// What is proven is in the ledger before anything old is removed, and before another secret is taken back.
func TestProvenIsWrittenFirst(t *testing.T) {
	for _, c := range []struct{ fails, before string }{{"", "tidy a"}, {"prove c", "back stop relay"}} {
		b := newBench(t, usual("a"), usual("c"))
		reached := false
		if c.fails != "" {
			b.answer[c.fails] = failure("refused")
		}
		b.before[c.before] = func() {
			if reached = true; !slices.Contains(b.words(), "proven a") {
				t.Errorf("before %s the ledger says %q", c.before, b.words())
			}
		}
		if b.run(t.Context()); !reached {
			t.Errorf("%s was not done: %q", c.before, b.did)
		}
	}
}

// A shared file takes its secrets back together, and none of them is called proven on the way, though its proofs were given.
func TestFateIsSharedAlongFiles(t *testing.T) {
	files := func(name string, files ...string) rotation {
		r := rotation{name: name}
		for _, f := range files {
			r.steps = append(r.steps, step(reconciler.Switch, "admin", "swap "+f))
		}
		r.steps = append(r.steps, step(reconciler.Verify, "", "prove "+name))
		return r
	}
	for _, rs := range [][]reconciler.Rotation{
		{files("a", "1"), files("b", "1", "2"), files("c", "2", "3"), files("d", "3"), files("e", "4")},
		{files("a", "3"), files("b", "2", "3"), files("c", "1", "2"), files("d", "1"), files("e", "4")},
	} {
		for _, fails := range []string{"prove a", "prove d"} {
			b := newBench(t, rs...)
			b.answer[fails] = failure("refused")
			o := b.run(t.Context())
			if !slices.Equal(ended(o), []string{"a back", "b back", "c back", "d back", "e proven"}) || b.has("back restore 4") {
				t.Errorf("%s: %v; %q", fails, o, b.did)
			}
			if slices.ContainsFunc(b.words(), func(w string) bool { return strings.HasPrefix(w, "proven ") && w != "proven e" }) {
				t.Errorf("the ledger says %q", b.words())
			}
		}
	}
}

// Not every answer is one. What may have been begun with a file in the same batch must be looked at.
func TestHalfAnAnswer(t *testing.T) {
	relay := func() rotation {
		return rotation{name: "a", steps: []reconciler.Step{
			step(reconciler.Switch, "relay", "stop relay"), step(reconciler.Switch, "relay", "swap a", "stop relay"), step(reconciler.Switch, "relay", "start relay", "swap a"),
			step(reconciler.Verify, "", "prove a"),
		}}
	}
	for _, c := range []struct {
		reason string
		answer reconciler.Report
		says   string
		ended  string
	}{
		{"no report", reconciler.Report{Outcome: "none"}, "relay: stop relay: no answer", "a unknown"},
		{"a report of nothing", reconciler.Report{}, "relay: stop relay: no outcome", "a unknown"},
		{"it is not known", unknown, "reset", "a unknown"},
		{"a failure ends a batch: the rest was not begun", failure("refused"), "refused", "a back"},
		{"a failure without a word", reconciler.Report{Outcome: state.Failed}, "relay: stop relay: no outcome", "a back"},
	} {
		b := newBench(t, relay())
		b.answer["stop relay"] = c.answer
		o := b.run(t.Context())
		if halted := c.ended == "a unknown"; o.Halted != halted || b.has("back start relay") == halted {
			t.Errorf("%s: halted %v; %q", c.reason, o.Halted, b.did)
		}
		if slices.ContainsFunc(b.entries, func(e state.Entry) bool { return e.Outcome == "" }) {
			t.Errorf("%s: an entry of nothing: %+v", c.reason, b.entries)
		}
		if !slices.Equal(ended(o), []string{c.ended}) || o.Err == nil || !strings.Contains(o.Err.Error(), c.says) || b.has("back restore a") {
			t.Errorf("%s: %v; %q", c.reason, o, b.did)
		}
	}
	b := newBench(t, usual("a"), usual("c"))
	b.answer["prove a"] = unknown
	if o := b.run(t.Context()); !o.Halted || b.has("back restore a") || !slices.Equal(ended(o), []string{"a unknown", "c proven"}) {
		t.Errorf("a proof without an answer halts, when the others were asked: %v; %q", o, b.did)
	}
	b = newBench(t, usual("a"), usual("c"))
	b.answer["stage a"] = failure("no room")
	if b.run(t.Context()); b.has("stage c") {
		t.Errorf("outside Verify a failure ends it: %q", b.did)
	}
}

// The first failure is the one that is told, of the run and of each secret.
func TestTheFirstFailureIsTold(t *testing.T) {
	b := newBench(t, usual("a"), usual("c"))
	b.answer["prove a"], b.answer["check c"] = failure("first"), failure("second")
	o := b.run(t.Context())
	if o.Err == nil || o.Err.Error() != "first" || len(o.Secrets) != 2 || o.Secrets[0].Why.Error() != "first" || o.Secrets[1].Why.Error() != "second" {
		t.Errorf("%v; %+v", o.Err, o.Secrets)
	}
	for i, e := range b.of("", state.Back) {
		if want := []string{"first", "second"}[i]; e.Detail != want {
			t.Errorf("the ledger says of %s: %q", e.Secret, e.Detail)
		}
	}
}

// Who reads the first of the evidence reads what those say who serve many, however late they said it.
func TestWhatServesManyIsToldFirst(t *testing.T) {
	late := usual("a")
	for i, s := range late.steps {
		switch s.Op.Key() {
		case "prove a":
			late.steps[i] = step(reconciler.Verify, "", "prove a", "relay: check a")
		case "check a":
			late.steps[i] = step(reconciler.Verify, "relay", "check a")
		}
	}
	b := newBench(t, late)
	if o := b.run(t.Context()); !slices.Equal(o.Secrets[0].Evidence, []string{"seen: prove a", "seen: check a"}) {
		t.Errorf("the evidence is %q", o.Secrets[0].Evidence)
	}
}
