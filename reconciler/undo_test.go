package reconciler_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// provenBack is usual, whose way back ends with proofs of its own.
func provenBack(name string) rotation {
	r := usual(name)
	for i, s := range r.steps {
		switch s.Op.Key() {
		case "prove " + name:
			r.steps[i].Back = reconciler.Way(op{What: "prove old"})
		case "check " + name:
			r.steps[i].Back = reconciler.Way(op{Host: "relay", What: "check old"})
		}
	}
	return r
}

// What is said to be back says what showed it, and what nobody looked at does not.
func TestWhatShowsThatItIsBack(t *testing.T) {
	done := reconciler.Report{Outcome: state.Done, Evidence: "seen"}
	for _, c := range []struct {
		reason   string
		r        rotation
		fails    string
		old      reconciler.Report
		evidence []string
		ended    string
	}{
		{"the proofs of the way back", provenBack("a"), "prove a", done, []string{"seen", "seen: back check old"}, "a back"},
		{"a proof that saw nothing in particular", provenBack("a"), "prove a", reconciler.Report{Outcome: state.Done}, []string{"seen: back check old"}, "a back"},
		{"nobody looked, and what the new showed says nothing of the old", usual("a"), "check a", done, nil, "a back"},
		{"nothing was stopped yet", provenBack("a"), "stage a", done, []string{"nothing live was changed"}, "a back"},
		{"the old does not work", provenBack("a"), "prove a", failure("not connected"), nil, "a unknown"},
	} {
		b := newBench(t, c.r)
		b.answer[c.fails], b.answer["back prove old"] = failure("refused"), c.old
		o := b.run(t.Context())
		if got := o.Secrets[0]; !slices.Equal(ended(o), []string{c.ended}) || c.ended == "a back" && !slices.Equal(got.Evidence, c.evidence) {
			t.Errorf("%s: %v, evidence %q; %q", c.reason, o, got.Evidence, b.did)
		}
	}
}

// What was changed before the switch is taken back, and only then is anybody asked whether everything is as it was.
func TestAWayBackBeforeTheSwitch(t *testing.T) {
	push := step(reconciler.Accept, "engine", "push new")
	push.Back = reconciler.Way(op{Host: "engine", What: "push old"})
	prove := step(reconciler.Verify, "engine", "prove new")
	prove.Back = reconciler.Way(op{Host: "engine", What: "prove old"})
	for _, fails := range []string{"push new", "prove new"} {
		b := newBench(t, rotation{name: "a", steps: []reconciler.Step{push, prove}})
		b.answer[fails] = failure("refused")
		o := b.run(t.Context())
		b.order("push new", "back push old", "back prove old")
		if e := o.Secrets[0]; !slices.Equal(ended(o), []string{"a back"}) || len(e.Evidence) != 1 || e.Evidence[0] == "nothing live was changed" {
			t.Errorf("%v, %q; %q", o, e.Evidence, b.did)
		}
		b.answer["back prove old"] = failure("still the new one")
		if o := b.run(t.Context()); !slices.Equal(ended(o), []string{"a unknown"}) {
			t.Errorf("%v", o)
		}
	}
}

// A secret that is proven is not asked whether its old value works.
func TestNobodyAsksForTheOldOfWhatIsProven(t *testing.T) {
	b := newBench(t, usual("a"), provenBack("c"))
	b.answer["prove a"] = failure("refused")
	if o := b.run(t.Context()); b.has("back prove old") || !slices.Equal(ended(o), []string{"a back", "c proven"}) {
		t.Errorf("%v; %q", o, b.did)
	}
}

// What cannot be taken back is told with why it was to be, and with what is unfinished where.
func TestAWayBackThatFails(t *testing.T) {
	b := newBench(t, provenBack("a"), usual("c"))
	b.clock("admin", "relay")
	b.answer["swap a"], b.answer["back prove old"] = failure("conflict"), reconciler.Report{Outcome: state.Failed, Err: errors.New("1 of 2"), Missing: []string{"relay"}}
	o := b.run(t.Context())
	if !o.Halted || !slices.Equal(ended(o), []string{"a unknown", "c back"}) || o.Err.Error() != "conflict; and the undo failed: 1 of 2" {
		t.Errorf("%v", o)
	}
	if why := o.Secrets[0].Why; why == nil || why.Error() != "conflict; and it could not be put back: 1 of 2" {
		t.Errorf("why: %v", why)
	}
	if !slices.Equal(left(o), []string{"host relay (1 of 2): a"}) {
		t.Errorf("left %q", left(o))
	}
	for _, c := range []struct {
		reason string
		back   reconciler.Report
		alone  bool
		ended  string
	}{
		{"it does not answer, and was not left behind", away, false, "a unknown"},
		{"it was left behind, and does not answer still", away, true, "a back"},
		{"it was left behind, answers and fails", failure("held open"), true, "a unknown"},
	} {
		b := newBench(t, usual("a"))
		b.steps(func(s *reconciler.Step) { s.Alone = c.alone && s.Op.Key() == "start relay" })
		if c.alone {
			b.answer["start relay"] = failure("1067")
		}
		b.answer["prove a"], b.answer["back start relay"] = failure("refused"), c.back
		if o := b.run(t.Context()); !slices.Equal(ended(o), []string{c.ended}) {
			t.Errorf("%s: %v; %q", c.reason, o, b.did)
		}
	}
	b = newBench(t, usual("a"), usual("c"))
	b.answer["swap a"], b.answer["back restore a"], b.answer["back discard a"] = failure("conflict"), failure("first"), failure("second")
	if o := b.run(t.Context()); o.Err.Error() != "conflict; and the undo failed: first" || o.Secrets[0].Why.Error() != "conflict; and it could not be put back: first" {
		t.Errorf("the first is told: %v; %v", o, o.Secrets[0].Why)
	}
}

// Two steps with one way back have it once, for both secrets, with the limit that such a step has; the ledger knows it as a
// way back.
func TestOneWayBackForTwo(t *testing.T) {
	restart := func(name, after string) reconciler.Step {
		s := step(reconciler.Switch, "admin", name, after)
		s.Back, s.Limit = reconciler.Way(op{Host: "admin", What: "reset"}), reconciler.Span(time.Hour)
		return s
	}
	r := func(name string) rotation {
		return rotation{name: name, steps: []reconciler.Step{restart("set "+name, "none"), restart("reload", "set "+name), step(reconciler.Verify, "", "prove "+name)}}
	}
	b := newBench(t, r("a"), r("c"))
	b.answer["prove a"], b.answer["prove c"] = failure("refused"), failure("refused")
	var limits []reconciler.Span
	b.onDo = func(s reconciler.Step) {
		if s.Undoes() {
			limits = append(limits, s.Limit)
		}
	}
	b.run(t.Context())
	if !slices.Equal(limits, []reconciler.Span{reconciler.Span(time.Hour)}) || b.times("back reset") != 1 {
		t.Errorf("%v; %q", limits, b.did)
	}
	var who []string
	for _, e := range b.of("back/switch/reset", state.Done) {
		if who = append(who, e.Secret); !slices.Equal(e.Hosts, []string{"admin"}) {
			t.Errorf("on %q", e.Hosts)
		}
	}
	if slices.Sort(who); !slices.Equal(who, []string{"a", "c"}) {
		t.Errorf("the ledger says that it was reset for %q", who)
	}
}

// On one target what was done later is taken back first, unless the ops themselves say otherwise.
func TestWhatWasDoneLaterGoesBackFirst(t *testing.T) {
	undo := func(key, back string, after ...string) reconciler.Step {
		s := step(reconciler.Switch, "admin", key, after...)
		s.Back = reconciler.Way(op{Host: "admin", What: back})
		return s
	}
	for _, c := range []struct {
		reason string
		steps  []reconciler.Step
		want   []string
	}{
		{"one after the other", []reconciler.Step{undo("x", "-x"), undo("y", "-y", "x"), undo("z", "-z", "y")}, []string{"-z", "-y", "-x"}},
		{"given in another order", []reconciler.Step{undo("z", "-z", "y"), undo("y", "-y", "x"), undo("x", "-x")}, []string{"-z", "-y", "-x"}},
		{"nothing between them is said: the later first", []reconciler.Step{undo("x", "-x"), undo("y", "-y")}, []string{"-y", "-x"}},
		{"the ops say otherwise, as a start comes after the swap it needs", []reconciler.Step{undo("stop", "start"), undo("swap", "restore", "stop"), undo("start", "stop", "swap", "restore")}, []string{"stop", "restore", "start"}},
		{"the ops themselves have an order", []reconciler.Step{undo("x", "-x"), undo("y", "-y", "x"), step(reconciler.Switch, "admin", "-x"), step(reconciler.Switch, "admin", "-y", "-x")}, []string{"-x", "-y"}},
	} {
		b := newBench(t, rotation{name: "a", steps: append(c.steps, step(reconciler.Verify, "", "prove a"))})
		b.answer["prove a"] = failure("refused")
		b.run(t.Context())
		var got []string
		for _, k := range b.did {
			if back, ok := strings.CutPrefix(k, "back "); ok {
				got = append(got, back)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.reason, got)
		}
	}
}

// Only what the failed secrets began is taken back, and only what those that cannot go back need is gone on with.
func TestBackAndOnAreOfTheirOwn(t *testing.T) {
	apart := rotation{name: "license", steps: []reconciler.Step{
		step(reconciler.Prepare, "engine", "stage license"), step(reconciler.Switch, "engine", "swap license", "admin: start admin"),
		step(reconciler.Switch, "dns", "start dns", "engine: swap license"), step(reconciler.Verify, "engine", "prove license"),
	}}
	b := newBench(t, login("sql"), apart)
	b.answer["swap license"], b.answer["back restore license"] = failure("refused"), failure("held open")
	o := b.run(t.Context())
	if b.has("start dns") || b.has("prove license") || !slices.Equal(ended(o), []string{"sql proven", "license unknown"}) {
		t.Errorf("%v; %q", o, b.did)
	}
	for _, k := range []string{"stop admin", "alter sql", "swap settings", "start admin", "prove sql"} {
		if b.times(k) != 1 {
			t.Errorf("%s: %d times; %q", k, b.times(k), b.did)
		}
	}
	if !slices.Contains(b.words(), "proven sql") {
		t.Errorf("the ledger says %q", b.words())
	}
}

// Whoever finds services down reads which, where and since when, the first first.
func TestWhatIsDown(t *testing.T) {
	b := newBench(t, usual("a"))
	down := map[string]time.Time{"relay-2": time.Unix(3, 0), "relay-1": time.Unix(3, 0)}
	b.answer["stop relay"] = reconciler.Report{Outcome: state.Done, Down: down}
	b.answer["stop admin"] = reconciler.Report{Outcome: state.Done, Down: map[string]time.Time{"the hub": time.Unix(1, 0), "relay-1": time.Unix(9, 0)}}
	b.answer["swap a"] = unknown
	want := []reconciler.Down{{What: "the hub", Target: onHost("admin"), Since: time.Unix(1, 0)}, {What: "relay-1", Target: onHost("relay"), Since: time.Unix(3, 0)}, {What: "relay-2", Target: onHost("relay"), Since: time.Unix(3, 0)}}
	if o := b.run(t.Context()); !reflect.DeepEqual(o.Down, want) {
		t.Errorf("%+v", o.Down)
	}
}

// Where Admin cannot be put back its relays are not touched, and nobody waits for a proof that they are as before.
func TestNoProofOfWhatWasNotTried(t *testing.T) {
	for _, fails := range []bool{false, true} {
		r := canary(2)
		r.steps[len(r.steps)-1].Back = reconciler.Way(op{What: "ask again"})
		b := newBench(t, r)
		b.answer["prove key"] = failure("refused")
		if fails {
			b.answer["back stop admin"] = away
		}
		o := b.run(t.Context())
		if b.has("back stop relay-000") == fails || b.has("back ask again") == fails || o.Halted != fails {
			t.Errorf("Admin fails: %v: %v: %q", fails, o, b.did)
		}
	}
}

// Two secrets share a host. Where the first step of its batch cannot be taken back the rest is not tried: what stood there is not
// back, and nobody says so.
func TestWhatWasNotTriedIsNotBack(t *testing.T) {
	a := rotation{name: "a", steps: []reconciler.Step{step(reconciler.Switch, "admin", "stop admin"), step(reconciler.Switch, "admin", "swap a", "stop admin"),
		step(reconciler.Switch, "admin", "start admin", "swap a", "restore a"), step(reconciler.Verify, "", "prove a")}}
	c := rotation{name: "c", steps: []reconciler.Step{step(reconciler.Switch, "admin", "swap c"), step(reconciler.Verify, "", "prove c", ": prove a")}}
	b := newBench(t, a, c)
	b.answer["prove a"], b.answer["prove c"] = failure("refused"), failure("refused")
	for _, key := range []string{"back stop admin", "back restore a", "back restore c"} {
		b.answer[key] = failure("held open")
		o := b.run(t.Context())
		for _, e := range o.With(state.Back) {
			if !b.has("back restore " + e.Change.Secret.Name) {
				t.Errorf("%s fails: %s is said to be back: %q", key, e.Change.Secret.Name, b.did)
			}
		}
		delete(b.answer, key)
		b.did = nil
	}
}
