package reconciler_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// vital marks a step.
func vital(r rotation, key string) rotation {
	for i, s := range r.steps {
		if s.Op.Key() == key {
			r.steps[i].Vital = true
		}
	}
	return r
}

// Without its vital step nothing starts on what is dead: it stays down, and the reason is told. Tried again, it starts.
func TestNothingStartsOnWhatIsDead(t *testing.T) {
	b := newBench(t, vital(login("sql"), "swap settings"))
	b.clock("admin")
	b.answer["swap settings"] = failure("held open")
	o := b.run(t.Context())
	if b.has("start admin") || len(o.Down) != 1 || o.Down[0].Why == nil || !strings.Contains(o.Down[0].Why.Error(), "no longer valid") || !slices.Equal(ended(o), []string{"sql ahead"}) {
		t.Errorf("%v; %q", o, b.did)
	}

	b = newBench(t, vital(login("sql"), "swap settings"))
	b.clock("admin")
	b.answer["swap settings"] = failure("held open")
	b.before["swap settings"] = func() {
		if b.has("swap settings") {
			delete(b.answer, "swap settings")
		}
	}
	if o := b.run(t.Context()); b.times("start admin") != 1 || len(o.Down) > 0 {
		t.Errorf("%v; %q", o, b.did)
	}

	// A later run knows that the old one is dead, and what it swaps has no way back: refused, it goes back, and does not start.
	r := vital(usual("a"), "swap a")
	for i, s := range r.steps {
		if s.Op.Key() == "swap a" {
			r.steps[i].Back = reconciler.Never("the old one is dead")
		}
	}
	b = newBench(t, r)
	b.clock("admin", "relay")
	b.answer["swap a"] = reconciler.Report{Outcome: state.Failed, Refused: true, Err: failure("held open").Err}
	o = b.run(t.Context())
	if b.has("start admin") || !b.has("back start relay") || !slices.Equal(ended(o), []string{"a unknown"}) || len(o.Down) != 1 || o.Down[0].What != "admin" {
		t.Errorf("%v; %q", o, b.did)
	}

	// So it is where the run ends before its turn.
	asked := step(reconciler.Switch, "", "ask sql", "admin: stop admin")
	for i, s := range r.steps {
		if s.Op.Key() == "swap a" {
			r.steps[i].After = append(s.After, reconciler.StepID(reconciler.Switch, asked.Op))
		}
	}
	r.steps = append(r.steps, asked)
	b = newBench(t, r)
	b.clock("admin", "relay")
	b.answer["ask sql"] = failure("is away")
	o = b.run(t.Context())
	if b.has("swap a") || b.has("back start admin") || len(o.Down) == 0 || !slices.ContainsFunc(o.Down, func(d reconciler.Down) bool {
		return d.What == "admin" && d.Why != nil && strings.Contains(d.Why.Error(), "no longer valid")
	}) {
		t.Errorf("%v; %q", o, b.did)
	}
}

// Nor does anything start on what may be dead: the step that its vital one waits for has no way back, and nobody knows its end.
// Refused for certain, that was not done, and what was there works.
func TestNothingStartsOnWhatMayBeDead(t *testing.T) {
	for _, report := range []reconciler.Report{{Outcome: state.Unknown, Err: errors.New("lost")}, {Outcome: state.Failed, Refused: true, Err: errors.New("log is full")}} {
		down := report.Outcome == state.Unknown
		r := vital(login("sql"), "swap settings")
		for i, s := range r.steps {
			r.steps[i].Once = s.Op.Key() == "alter sql"
		}
		b := newBench(t, r)
		b.clock("admin")
		b.answer["alter sql"] = report
		o := b.run(t.Context())
		started := b.has("start admin") || b.has("back start admin")
		if started == down || len(o.Down) > 0 != down || down && !strings.Contains(fmt.Sprint(o.Down[0].Why), "nobody knows whether what it has is still valid") {
			t.Errorf("%v: %v; %q", report.Err, o, b.did)
		}
	}
}

// Nothing that has no way back follows what nobody knows the end of.
func TestNothingFollowsWhatNobodyKnows(t *testing.T) {
	r := login("sql")
	first := step(reconciler.Switch, "", "alter replica", "admin: stop admin")
	first.Back, first.Once = reconciler.Never("gone"), true
	for i, s := range r.steps {
		if s.Op.Key() == "alter sql" {
			r.steps[i].After = append(s.After, reconciler.StepID(reconciler.Switch, first.Op))
		}
	}
	r.steps = append(r.steps, first)
	b := newBench(t, r)
	b.clock("admin")
	b.answer["alter replica"] = reconciler.Report{Outcome: state.Unknown, Err: failure("lost").Err}
	o := b.run(t.Context())
	if b.has("alter sql") || b.has("swap settings") || !b.has("start admin") || !slices.Equal(ended(o), []string{"sql ahead"}) {
		t.Errorf("%v; %q", o, b.did)
	}
}

// The way back starts a service that was down before, too; that it does not start then fails nothing, and is told.
func TestTheWayBackStartsWhatWasDown(t *testing.T) {
	scene := func() *bench {
		r := usual("a")
		for i, s := range r.steps {
			r.steps[i].WasDown = s.Op.Key() == "stop admin"
		}
		b := newBench(t, r)
		b.clock("admin", "relay")
		b.answer["prove a"] = failure("refused")
		return b
	}
	b := scene()
	if o := b.run(t.Context()); b.times("back start admin") != 1 || len(o.Down) > 0 || !slices.Equal(ended(o), []string{"a back"}) {
		t.Errorf("%v; %q", o, b.did)
	}
	b = scene()
	b.answer["back start admin"] = failure("1067")
	o := b.run(t.Context())
	if !slices.Equal(ended(o), []string{"a back"}) || len(o.Down) != 1 || o.Down[0].Why == nil || !b.has("back start relay") {
		t.Errorf("%v; %q", o, b.did)
	}
}

// A secret that goes no way back says on which hosts its turn never came.
func TestWhoseTurnNeverCame(t *testing.T) {
	r := canary(2)
	r.steps[1].Back = reconciler.Never("half of them have it")
	b := newBench(t, r)
	b.clock("admin")
	b.answer["start admin"] = failure("1067")
	o := b.run(t.Context())
	if got := left(o); !slices.Equal(ended(o), []string{"key ahead"}) || len(got) != 2 || !strings.Contains(strings.Join(got, " "), "its turn") {
		t.Errorf("%v: %q; %q", o, got, b.did)
	}
}

// What is taken to be down is asked for once more at the end.
func TestWhoRunsIsNotDown(t *testing.T) {
	b := newBench(t, usual("a"))
	b.clock("admin", "relay")
	b.answer["swap a"] = reconciler.Report{Outcome: state.Unknown, Err: failure("lost").Err}
	b.running = reconciler.Report{Started: map[string]time.Time{"admin": time.Unix(20, 0)}}
	if o := b.run(t.Context()); slices.ContainsFunc(o.Down, func(d reconciler.Down) bool { return d.What == "admin" }) {
		t.Errorf("%v; %q", o, b.did)
	}
}

// A service that was down before does not start on what it has: neither on the way back, nor forward without what is needed. It
// is told as down, and what waits for its answer is not tried.
func TestWhatStaysDown(t *testing.T) {
	scene := func() *bench {
		r := usual("a")
		for i, s := range r.steps {
			r.steps[i].WasDown = s.Op.Key() == "stop admin"
			r.steps[i].Needed = s.Op.Key() == "swap a"
		}
		b := newBench(t, r)
		b.clock("admin", "relay")
		return b
	}
	b := scene()
	if o := b.run(t.Context()); o.Err != nil || !b.has("start admin") {
		t.Errorf("nothing is in the way: %v; %q", o, b.did)
	}
	for _, key := range []string{"stop admin", "swap a", "prove a"} {
		b := scene()
		b.answer[key] = failure("refused")
		o := b.run(t.Context())
		if key == "stop admin" {
			o.Down = append(o.Down, reconciler.Down{Why: errors.New("may not run beside what the others have")}) // it was not stopped here
		}
		if b.has("back start admin") || len(o.Down) != 1 || !strings.Contains(fmt.Sprint(o.Down[0].Why), "may not run beside what the others have") || !slices.Equal(ended(o), []string{"a back"}) {
			t.Errorf("%s failed: %v; %q", key, o, b.did)
		}
		if b.has("stop relay") != b.has("back start relay") {
			t.Errorf("%s failed, and the relay that ran stays down: %q", key, b.did)
		}
	}
	// Forward, for what has no way back and shares the service.
	r := rotation{name: "c", steps: []reconciler.Step{step(reconciler.Switch, "admin", "stop admin"), step(reconciler.Switch, "admin", "set c", "stop admin"), step(reconciler.Switch, "admin", "start admin", "set c")}}
	r.steps[1].Back = reconciler.Never("it is stored")
	a := usual("a")
	for i, s := range a.steps {
		a.steps[i].WasDown, a.steps[i].Needed = s.Op.Key() == "stop admin", s.Op.Key() == "swap a"
	}
	b = newBench(t, a, r)
	b.clock("admin", "relay")
	b.answer["swap a"] = failure("refused")
	if o := b.run(t.Context()); b.has("start admin") || b.has("back start admin") || len(o.Down) != 1 {
		t.Errorf("%v; %q", o, b.did)
	}
}

// A batch that was sent twice and failed at the second try may have come further at the first: what follows is taken back as well.
func TestAnEarlierTryMayHaveComeFurther(t *testing.T) {
	for _, further := range []bool{false, true} {
		b := newBench(t, usual("a"))
		b.clock("admin", "relay")
		b.answer["admin: swap a"] = reconciler.Report{Outcome: state.Failed, Err: errors.New("sharing"), Further: further}
		b.answer["swap a"] = b.answer["admin: swap a"]
		if o := b.run(t.Context()); b.has("back stop admin") != further || !slices.Equal(ended(o), []string{"a back"}) {
			t.Errorf("further %v: %v; %q", further, o, b.did)
		}
	}
}

// What goes forward brings up a relay that was down before, but not on a file that was to follow Admin's, when that was not swapped.
func TestNoFileIsSwappedBehindOneThatWasNot(t *testing.T) {
	r := canary(1)
	alter := step(reconciler.Switch, "sql", "alter x")
	alter.Back = reconciler.Never("the old one is gone")
	r.steps[1].After = append(r.steps[1].After, reconciler.StepID(reconciler.Switch, alter.Op))
	r.steps = append(r.steps, alter)
	r.with = func(c *reconciler.Change) {
		c.Down = []reconciler.Down{{What: "relay-000", Service: "relay", Target: onHost("relay-000"), Since: time.Unix(1, 0)}}
	}
	b := newBench(t, r)
	b.clock("admin", "relay-000")
	b.answer["swap a"] = failure("conflict")
	o := b.run(t.Context())
	if !b.has("start relay-000") || b.has("swap relay-000") || !slices.Equal(ended(o), []string{"key ahead"}) || !strings.Contains(strings.Join(left(o), " "), "relay-000") {
		t.Errorf("%v: %q; %q", o, left(o), b.did)
	}
}
