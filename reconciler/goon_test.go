package reconciler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// logon is a change of a service's account: what it sets cannot be read back, and stands between the stop and the start on
// the same host.
func logon() rotation {
	set := step(reconciler.Switch, "engine", "set logon", "stop engine")
	set.Back, set.Once = reconciler.Never("the old password is not known here"), true
	return rotation{name: "svc", steps: []reconciler.Step{
		step(reconciler.Switch, "engine", "stop engine"), set,
		step(reconciler.Switch, "engine", "start engine", "set logon"), step(reconciler.Verify, "engine", "prove svc"),
	}}
}

// A step that has no way back is done once in a run, whatever became of it, and its service comes up.
func TestNothingWithoutAWayBackIsRepeated(t *testing.T) {
	for _, answer := range []reconciler.Report{failure("denied"), {Outcome: state.Unknown, Err: errors.New("lost")}, {Outcome: "none"}} {
		b := newBench(t, logon())
		b.clock("engine")
		b.answer["set logon"] = answer
		o := b.run(t.Context())
		if n := b.times("set logon"); n != 1 {
			t.Errorf("%s: set %d times: %q", answer.Outcome, n, b.did)
		}
		if !b.has("start engine") || len(o.Down) > 0 || !slices.Equal(ended(o), []string{"svc ahead"}) {
			t.Errorf("%s: %v; %q", answer.Outcome, o, b.did)
		}
	}
}

// Endings of several rounds: what an earlier one proved is not unknown, and what was not begun is not either.
func TestEndingsOfRounds(t *testing.T) {
	first := []reconciler.Step{step(reconciler.Switch, "relay", "swap list"), step(reconciler.Verify, "relay", "prove list")}
	second := []reconciler.Step{step(reconciler.Prepare, "build", "import pfx"), step(reconciler.Verify, "build", "prove build")}
	sign := rotation{name: "sign", rounds: []reconciler.Round{{Steps: first}, {Steps: second}}}
	later := rotation{name: "later", rounds: []reconciler.Round{{}, {Steps: []reconciler.Step{step(reconciler.Prepare, "x", "stage x"), step(reconciler.Verify, "x", "prove x")}}}}
	for _, c := range []struct {
		reason    string
		rotations []reconciler.Rotation
		fails     string
		ended     []string
	}{
		{"another secret's proof fails in the first round", []reconciler.Rotation{sign, usual("a")}, "prove a", []string{"sign ahead", "a back"}},
		{"the first round fails: the second was not begun", []reconciler.Rotation{usual("a"), later}, "prove a", []string{"a back", "later back"}},
		{"it fails in the only round in which it has steps", []reconciler.Rotation{usual("a"), later}, "prove x", []string{"a proven", "later back"}},
		{"its second round fails", []reconciler.Rotation{sign}, "prove build", []string{"sign ahead"}},
	} {
		b := newBench(t, c.rotations...)
		b.answer[c.fails] = failure("refused")
		if o := b.run(t.Context()); !slices.Equal(ended(o), c.ended) {
			t.Errorf("%s: %v", c.reason, o)
		}
	}
}

// The swap fails for good, and its secret cannot go back: its service starts with the file that it has. Who waits for it and
// runs is not touched, for nobody has the new value.
func TestASwapFailsThatCannotGoBack(t *testing.T) {
	r := canary(2)
	for i, s := range r.steps {
		if s.Op.Key() == "swap a" {
			r.steps[i].Back = reconciler.Never("half of them have it")
		}
	}
	b := newBench(t, r)
	b.clock("admin", "relay-000", "relay-001")
	b.answer["swap a"] = failure("conflict")
	o := b.run(t.Context())
	if !b.has("start admin") || b.has("stop relay-000") || len(o.Down) > 0 || !slices.Equal(ended(o), []string{"key ahead"}) {
		t.Errorf("%v; %q", o, b.did)
	}
}

// A host that was left behind with the new file, and cannot be reached, is not back, nor is its secret.
func TestNotBackWhereSomebodyKeepsTheNew(t *testing.T) {
	r := usual("a")
	relay := step(reconciler.Switch, "relay", "swap relay", "stop relay")
	relay.Alone = true
	for i, s := range r.steps {
		if s.Op.Key() == "start relay" {
			r.steps[i].After = append(s.After, relay.ID, reconciler.StepID(reconciler.Switch, relay.Op))
			r.steps[i].Alone = true
		}
	}
	r.steps = append(r.steps, relay)
	r.with = func(c *reconciler.Change) { c.Tolerate = reconciler.Tolerance{Of: of("relay"), Count: 1} }
	b := newBench(t, r)
	b.clock("relay", "admin")
	away := reconciler.Report{Outcome: state.Failed, Unreachable: true, Err: errors.New("no route")}
	b.answer["start relay"], b.answer["prove a"] = away, failure("refused")
	for _, k := range []string{"back stop relay", "back restore relay", "back start relay"} {
		b.answer[k] = away
	}
	o := b.run(t.Context())
	if v, ok := state.NewHistory(b.entries).Vouched("a"); ok || slices.Equal(ended(o), []string{"a back"}) || len(o.Left) != 1 {
		t.Errorf("%v; vouched %q; %q", o, v, b.did)
	}
}

// Evidence counts for its own round.
func TestARoundIsNotProvenByAnother(t *testing.T) {
	swap := step(reconciler.Switch, "h", "swap x")
	swap.Alone = true
	b := newBench(t, rotation{name: "k", rounds: []reconciler.Round{
		{Steps: []reconciler.Step{step(reconciler.Verify, "g", "prove first")}},
		{Steps: []reconciler.Step{swap, step(reconciler.Verify, "h", "prove x")}},
	}})
	b.answer["swap x"] = failure("held open")
	if o := b.run(t.Context()); slices.Equal(ended(o), []string{"k proven"}) {
		t.Errorf("%v", o)
	}
}

// A thousand secrets are planned in a time that grows with them, not with their square.
func BenchmarkSecrets(b *testing.B) {
	for _, n := range []int{500, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var all []reconciler.Rotation
			for i := range n {
				name := fmt.Sprint("s", i)
				all = append(all, rotation{name: name, steps: []reconciler.Step{
					step(reconciler.Prepare, "h", "stage "+name), step(reconciler.Switch, "h", "swap "+name), step(reconciler.Verify, "h", "prove "+name)}})
			}
			for b.Loop() {
				if _, err := reconciler.MakePlan(&specs.Deployment{Name: "test"}, all, reconciler.Input{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/secret")
		})
	}
}

// twoInstances is the change of a password on two instances, the second of which the services use.
func twoInstances() rotation {
	alter := func(host string, after ...string) reconciler.Step {
		s := step(reconciler.Switch, host, "alter "+host, after...)
		s.Back, s.Once = reconciler.Never("the old password is gone"), true
		return s
	}
	return rotation{name: "login", steps: []reconciler.Step{
		step(reconciler.Switch, "engine", "stop engine"), alter("sql2", "engine: stop engine"), alter("sql1", "sql2: alter sql2"),
		step(reconciler.Switch, "sql1", "try login", "alter sql1"), step(reconciler.Switch, "engine", "swap login", "stop engine", "sql1: alter sql1", "sql1: try login"),
		step(reconciler.Switch, "engine", "start engine", "stop engine", "swap login"), step(reconciler.Verify, "engine", "prove login"),
	}}
}

// A secret that goes back starts no service that another one, which cannot, still holds down: it would run with what is dead.
func TestNobodyStartsWhatIsHeldDown(t *testing.T) {
	license := rotation{name: "license", steps: []reconciler.Step{
		step(reconciler.Switch, "engine", "stop engine"), step(reconciler.Switch, "engine", "swap license", "stop engine"),
		step(reconciler.Switch, "engine", "start engine", "stop engine", "swap license", "restore license"), step(reconciler.Verify, "engine", "prove license"),
	}}
	b := newBench(t, twoInstances(), license)
	b.clock("engine")
	b.answer["try login"] = reconciler.Report{Outcome: state.Unknown, Err: errors.New("no answer")}
	o := b.run(t.Context())
	swap, start := slices.Index(b.did, "swap login"), slices.Index(b.did, "start engine")
	if swap < 0 || start < swap || b.has("back start engine") || len(o.Down) > 0 {
		t.Errorf("%v; %q", o, b.did)
	}
}

// What has no way back and was refused was not done: it is tried once more, and no file relies on it before it is done.
func TestWhatWasRefusedIsTriedAgain(t *testing.T) {
	b := newBench(t, twoInstances())
	b.clock("engine")
	away := failure("away")
	away.Refused = true
	b.answer["alter sql1"] = away
	o := b.run(t.Context())
	if b.times("alter sql1") != 2 || b.times("alter sql2") != 1 || b.has("swap login") || !b.has("start engine") || !slices.Equal(ended(o), []string{"login ahead"}) {
		t.Errorf("%v; %q", o, b.did)
	}
}

// restored is the way back of a swap: it makes the old file live.
type restored struct{ op }

func (r restored) Swaps() string { return strings.TrimPrefix(r.What, "restore ") }

// On the way back a file is not taken back while another service, which had to stop before, goes on with the new one: who is down
// comes up with the new one too.
func TestAPairGoesBackTogetherOrNotAtAll(t *testing.T) {
	swap := func(host string) reconciler.Step {
		s := step(reconciler.Switch, host, "swap "+host, "a: stop a", "b: stop b")
		s.Back = reconciler.Way(restored{op{Host: host, What: "restore " + host}})
		return s
	}
	start := func(host string, after ...string) reconciler.Step {
		s := step(reconciler.Switch, host, "start "+host, append(after, "a: swap a", "b: swap b", "a: restore a", "b: restore b")...)
		for _, h := range []string{"a", "b"} {
			s.Before = append(s.Before, reconciler.StepID(reconciler.Switch, op{Host: h, What: "restore " + h}))
		}
		return s
	}
	b := newBench(t, rotation{name: "pair", steps: []reconciler.Step{
		step(reconciler.Switch, "b", "stop b"), step(reconciler.Switch, "a", "stop a", "b: stop b"), swap("a"), swap("b"),
		start("a", "stop a"), start("b", "stop b", "a: start a"), step(reconciler.Verify, "b", "prove pair"),
	}})
	b.clock("a", "b")
	b.answer["start b"], b.answer["back stop a"] = failure("1053"), failure("denied")
	o := b.run(t.Context())
	if b.has("back restore b") || b.has("back restore a") || !b.has("back start b") || !slices.Equal(ended(o), []string{"pair unknown"}) {
		t.Errorf("%v; %q", o, b.did)
	}
}

// Where a switch is only finished, a host that is up is not touched for the sake of what failed there: its service would stop, and
// start with what is dead.
func TestAHostThatIsUpStaysUp(t *testing.T) {
	never := func(s reconciler.Step) reconciler.Step {
		s.Back = reconciler.Never("the old password is dead")
		return s
	}
	r := rotation{name: "svc", steps: []reconciler.Step{
		never(step(reconciler.Switch, "admin", "set admin")), step(reconciler.Switch, "admin", "start admin", "set admin"),
		step(reconciler.Switch, "x", "wait x", "admin: set admin"),
		never(step(reconciler.Switch, "engine", "set engine", "x: wait x")), step(reconciler.Switch, "engine", "stop engine", "set engine"),
		step(reconciler.Switch, "engine", "start engine", "stop engine"), step(reconciler.Verify, "engine", "prove svc"),
	}}
	waits := r
	waits.steps = slices.Clone(r.steps)
	waits.steps[3].Before, waits.steps[4].After = []string{reconciler.StepID(reconciler.Switch, r.steps[4].Op)}, nil // said from the other side
	for _, c := range []struct {
		rotation
		fails string
	}{{r, "set engine"}, {r, ""}, {waits, "set engine"}, {waits, ""}} {
		fails := c.fails
		b := newBench(t, c.rotation)
		b.clock("engine")
		b.answer["start admin"] = failure("refused")
		if fails != "" {
			b.answer[fails] = failure("denied")
		}
		o := b.run(t.Context())
		if !b.has("set engine") || b.has("stop engine") != (fails == "") || len(o.Down) > 0 || !slices.Equal(ended(o), []string{"svc ahead"}) {
			t.Errorf("%q: %v; %q", fails, o, b.did)
		}
	}
}

// A secret that cannot go back goes on when another one has failed. What of its own fails on that way keeps it from being proven.
func TestWhatFailsOnTheWayOnIsItsOwn(t *testing.T) {
	r := logon()
	second := step(reconciler.Switch, "admin", "set logon 2", "engine: set logon", "license: swap license")
	second.Back = reconciler.Never("the old password is not known here")
	r.steps = append(r.steps, second, step(reconciler.Verify, "admin", "prove admin"))
	license := rotation{name: "license", steps: []reconciler.Step{
		step(reconciler.Prepare, "license", "stage license"), step(reconciler.Switch, "license", "swap license", "engine: set logon"), step(reconciler.Verify, "license", "prove license")}}
	b := newBench(t, license, r)
	b.clock("engine")
	b.answer["swap license"], b.answer["set logon 2"] = failure("disk full"), failure("denied")
	if o := b.run(t.Context()); !b.has("set logon 2") || !slices.Equal(ended(o), []string{"license back", "svc ahead"}) {
		t.Errorf("%v; %q", o, b.did)
	}
}

// Two secrets share a service. One cannot go back, and the other's file cannot be taken back there, though it was elsewhere: the
// service does not come up for the sake of the first, beside what the others have again.
func TestNothingStartsOnAFileThatStays(t *testing.T) {
	pair := rotation{name: "pair", steps: []reconciler.Step{
		step(reconciler.Switch, "engine", "stop engine"), step(reconciler.Switch, "admin", "stop admin", "engine: stop engine"),
		step(reconciler.Switch, "engine", "swap pair", "stop engine", "admin: stop admin"),
		step(reconciler.Switch, "admin", "swap pair", "stop admin", "engine: swap pair"),
		step(reconciler.Switch, "admin", "start admin", "swap pair", "restore pair"),
		step(reconciler.Switch, "engine", "start engine", "admin: start admin", "swap pair", "restore pair"),
		step(reconciler.Verify, "", "prove pair"),
	}}
	set := step(reconciler.Switch, "admin", "set logon", "stop admin")
	set.Back, set.Once = reconciler.Never("the old password is not known here"), true
	account := rotation{name: "svc", steps: []reconciler.Step{
		step(reconciler.Switch, "admin", "stop admin"), set,
		step(reconciler.Switch, "admin", "start admin", "set logon"), step(reconciler.Verify, "admin", "prove svc"),
	}}
	b := newBench(t, pair, account)
	b.clock("admin", "engine")
	b.answer["start admin"], b.answer["admin: back restore pair"] = failure("it did not start"), failure("denied")
	o := b.run(t.Context())
	if b.times("start admin") != 1 || !b.has("back start engine") || len(o.Down) != 1 || o.Down[0].What != "admin" {
		t.Errorf("%v; %q", o, b.did)
	}
}

// A run that halts without a stop has not come back where something of it has no way back, or goes on from an earlier run's.
func TestHaltedWithoutAWayBack(t *testing.T) {
	push, prove := step(reconciler.Accept, "engine", "set x"), step(reconciler.Verify, "", "prove x")
	push.Back, prove.Back = reconciler.Never("the value before it is not kept"), reconciler.Nothing()
	wait := step(reconciler.Verify, "", "prove x")
	wait.Back = reconciler.Never("an earlier run has set it")
	asked := step(reconciler.Verify, "", "prove x")
	for _, c := range []struct {
		reason string
		steps  []reconciler.Step
		ended  string
	}{
		{"it was set in this run", []reconciler.Step{push, prove}, "x unknown"},
		{"it was set in an earlier one", []reconciler.Step{wait}, "x unknown"},
		{"it was only asked", []reconciler.Step{asked}, "x back"},
	} {
		b := newBench(t, rotation{name: "x", steps: c.steps})
		b.answer["prove x"] = unknown
		if o := b.run(t.Context()); !o.Halted || !slices.Equal(ended(o), []string{c.ended}) {
			t.Errorf("%s: %v; %q", c.reason, o, b.did)
		}
	}
}

// Who shares nothing with what failed before Verify but the round is live already, and is proven: it is not stopped a second time.
// Who is not live everywhere goes back, and so does everybody after an interrupt.
func TestWhoIsLiveIsNotTakenBackForAnother(t *testing.T) {
	alone := func(name string) rotation {
		restart := step(reconciler.Switch, name, "start "+name, "swap "+name)
		restart.After = append(restart.After, reconciler.StepID(reconciler.Switch, swapped{op{Host: name, What: "restore " + name}}))
		return rotation{name: name, steps: []reconciler.Step{
			step(reconciler.Prepare, name, "stage "+name), step(reconciler.Switch, name, "stop "+name),
			step(reconciler.Switch, name, "swap "+name, "stop "+name), restart, step(reconciler.Verify, name, "prove "+name),
		}}
	}
	further := alone("c")
	further.steps = append(further.steps, step(reconciler.Switch, "relay", "stop relay", "a: start a"))
	same := alone("c")
	same.steps = append(same.steps, step(reconciler.Switch, "a", "swap a", "stop a")) // one file with a
	push := func(name string) rotation {
		s := step(reconciler.Accept, "engine", "push "+name)
		s.Back = reconciler.Way(op{Host: "engine", What: "push old " + name})
		return rotation{name: name, steps: []reconciler.Step{s, step(reconciler.Verify, "", "prove "+name)}}
	}
	for _, c := range []struct {
		reason  string
		a, c    rotation
		fails   string
		refuted bool
		stopped string
		ended   []string
	}{
		{"it is live", alone("a"), alone("c"), "start a", false, "", []string{"a back", "c proven"}},
		{"its own proof fails then", alone("a"), alone("c"), "start a", true, "", []string{"a back", "c back"}},
		{"nothing live was changed of it", alone("a"), alone("c"), "stage a", false, "", []string{"a back", "c back"}},
		{"something of it was still to come", alone("a"), further, "start a", false, "", []string{"a back", "c back"}},
		{"they share a file", alone("a"), same, "start a", false, "", []string{"a back", "c back"}},
		{"one of many was refused", push("c"), push("d"), "push d", false, "", []string{"c proven", "d back"}},
		{"the one that is live waits for nobody's undo that failed", alone("a"), alone("c"), "start a", false, "back restore a", []string{"a unknown", "c proven"}},
	} {
		b := newBench(t, c.a, c.c)
		b.answer[c.fails] = failure("refused")
		if c.refuted {
			b.answer["prove c"] = failure("not seen")
		}
		if c.stopped != "" {
			b.answer[c.stopped] = failure("held")
		}
		o := b.run(t.Context())
		if !slices.Equal(ended(o), c.ended) {
			t.Errorf("%s: %v; %q", c.reason, o, b.did)
		}
		if slices.Contains(c.ended, "c proven") && (b.has("back restore c") || b.has("back push old c") || b.times("start c") > 1) {
			t.Errorf("%s: touched once more: %q", c.reason, b.did)
		}
		if o.Err == nil || !strings.Contains(o.Err.Error(), "refused") {
			t.Errorf("%s: the cause is %v", c.reason, o.Err)
		}
	}
	b := newBench(t, push("c"), push("d"))
	ctx, cancel := context.WithCancel(t.Context())
	b.answer["push d"] = failure("refused")
	b.before["push d"] = cancel
	if o := b.run(ctx); !slices.Equal(ended(o), []string{"c back", "d back"}) {
		t.Errorf("interrupted: %v; %q", o, b.did)
	}
}

// A host that is left behind in the tidying of one round takes the proof of the next with it: that is why nothing showed that it works.
func TestAProofThatWasLeftOutSaysWhy(t *testing.T) {
	first := usual("key").steps
	second := []reconciler.Step{step(reconciler.Switch, "engine", "stop engine"), step(reconciler.Verify, "admin", "prove other")}
	b := newBench(t, rotation{name: "key", rounds: []reconciler.Round{{Steps: first}, {Steps: second}}})
	b.answer["tidy key"] = failure("it is held")
	o := b.run(t.Context())
	last := b.entries[len(b.entries)-1]
	if e := o.Secrets[0]; e.Ending == state.Proven || !strings.Contains(e.Why.Error(), "it is held") || !strings.Contains(last.Detail, "it is held") {
		t.Errorf("%v: %v; the ledger: %s", o, e.Why, last.Detail)
	}
}
