package reconciler_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

func plan(t *testing.T, rotations ...reconciler.Rotation) (*reconciler.Plan, error) {
	t.Helper()
	return reconciler.MakePlan(&specs.Deployment{Name: "test"}, rotations, reconciler.Input{})
}

// Two phases that edit one file would take one secret's value live with the other's.
func TestWhatNoPlanMayHold(t *testing.T) {
	swap, stage := step(reconciler.Accept, "relay", "swap settings"), step(reconciler.Accept, "relay", "stage settings")
	forgotten := step(reconciler.Switch, "relay", "stop relay")
	forgotten.Back = reconciler.Back{}
	empty := step(reconciler.Switch, "relay", "stop relay")
	empty.Back = reconciler.Way(nil)
	for _, c := range []struct {
		reason string
		step   reconciler.Step
		word   string
	}{
		{"a swap outside the switch", swap, "switch only"},
		{"a second staging of a file", stage, "prepare only"},
		{"nobody thought of the way back", forgotten, "way back"},
		{"a way back that is none", empty, "no op"},
		{"others would wait for a person", reconciler.Step{Phase: reconciler.Switch, Op: reconciler.ByHand{What: "stops relay"}, Back: reconciler.Nothing()}, "verify only"},
	} {
		_, err := plan(t, usual("key"), rotation{name: "trust", steps: []reconciler.Step{c.step}})
		if err == nil || !strings.Contains(err.Error(), "trust 2") || !strings.Contains(err.Error(), c.word) || !strings.Contains(err.Error(), "relay") && !strings.Contains(err.Error(), "person") {
			t.Errorf("%s: %v", c.reason, err)
		}
	}
}

// login is a change that goes through an ALTER that nobody can take back, as a single SQL login does.
func login(name string) rotation {
	alter := step(reconciler.Switch, "", "alter "+name, "admin: stop admin")
	alter.Back = reconciler.Never("the old password is gone")
	return rotation{name: name, steps: []reconciler.Step{
		step(reconciler.Prepare, "admin", "stage settings"),
		step(reconciler.Switch, "admin", "stop admin"),
		alter,
		step(reconciler.Switch, "admin", "swap settings", ": alter "+name, "stop admin"),
		step(reconciler.Switch, "admin", "start admin", "swap settings", "restore settings"),
		step(reconciler.Verify, "", "prove "+name),
	}}
}

// What was done and has no way back is never said to be undone, and what shares a file with it stays with it.
func TestAhead(t *testing.T) {
	other := rotation{name: "key", steps: []reconciler.Step{
		step(reconciler.Prepare, "admin", "stage settings"), step(reconciler.Switch, "admin", "stop admin"),
		step(reconciler.Switch, "admin", "swap settings", "stop admin"), step(reconciler.Switch, "admin", "start admin", "swap settings", "restore settings"),
		step(reconciler.Verify, "", "prove key"),
	}}
	apart := rotation{name: "license", steps: []reconciler.Step{
		step(reconciler.Prepare, "engine", "stage license"), step(reconciler.Switch, "engine", "swap license", "admin: start admin"), step(reconciler.Verify, "engine", "prove license"),
	}}
	for _, c := range []struct {
		name      string
		rotations []reconciler.Rotation
		fails     string
		ended     []string
		did, not  []string
	}{
		{"its own proof fails", []reconciler.Rotation{login("sql")}, "prove sql", []string{"sql ahead"}, []string{"start admin"}, []string{"back restore settings", "back discard settings"}},
		{"the ALTER fails: it may have been done", []reconciler.Rotation{login("sql")}, "alter sql", []string{"sql ahead"}, []string{"start admin"}, []string{"back restore settings"}},
		{"before the ALTER everything goes back", []reconciler.Rotation{login("sql")}, "stop admin", []string{"sql back"}, []string{"back discard settings"}, []string{"alter sql"}},
		{"another's proof fails, in the same file", []reconciler.Rotation{login("sql"), other}, "prove key", []string{"sql proven", "key ahead"}, []string{"prove sql"}, []string{"back restore settings"}},
		{"another's file fails: it goes back, the login goes on and is proven", []reconciler.Rotation{login("sql"), apart}, "swap license", []string{"sql proven", "license back"},
			[]string{"start admin", "back restore license", "prove sql"}, []string{"back restore settings"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.rotations...)
			b.clock("admin")
			b.answer[c.fails] = failure("refused")
			o := b.run(t.Context())
			b.order(c.did...)
			for _, k := range c.not {
				if b.has(k) {
					t.Errorf("%s was done: %q", k, b.did)
				}
			}
			if !slices.Equal(ended(o), c.ended) || o.Err == nil || len(o.Down) > 0 {
				t.Errorf("%q, %v, down %v; %q", ended(o), o.Err, o.Down, b.did)
			}
			for _, e := range b.entries {
				if e.Outcome == state.Back && e.Secret == "sql" && c.ended[0] != "sql back" {
					t.Errorf("the ledger says that it is back: %+v", e)
				}
			}
			if v, ok := state.NewHistory(b.entries).Vouched("sql"); ok && v == "1" && c.ended[0] == "sql ahead" {
				t.Error("the history vouches for a dead password")
			}
		})
	}
}

// What was refused for certain was not done: everything goes back, and so does what shares the file.
func TestRefusedWithoutAWayBack(t *testing.T) {
	b := newBench(t, login("sql"))
	b.clock("admin")
	refused := failure("the policy refuses it")
	refused.Refused = true
	b.answer["alter sql"] = refused
	o := b.run(t.Context())
	if !slices.Equal(ended(o), []string{"sql back"}) || len(o.Down) > 0 || b.has("swap settings") || b.times("alter sql") != 1 {
		t.Errorf("%v; %q", o, b.did)
	}
}

// Nobody knows whether it was done: what was to follow it is not made live, in any secret's name, and the services come up.
func TestNoFileFollowsWhatIsNotKnown(t *testing.T) {
	sql := login("sql")
	sql.steps[2].Once = true
	key := rotation{name: "key", steps: []reconciler.Step{
		step(reconciler.Prepare, "admin", "stage settings"), step(reconciler.Switch, "admin", "stop admin"),
		step(reconciler.Switch, "admin", "swap settings", "stop admin"), step(reconciler.Switch, "admin", "start admin", "swap settings", "restore settings"),
		step(reconciler.Switch, "relay", "stop relay", "admin: start admin"), step(reconciler.Switch, "relay", "swap relay", "stop relay"),
		step(reconciler.Switch, "relay", "start relay", "stop relay", "swap relay", "restore relay"), step(reconciler.Verify, "", "prove key"),
	}}
	b := newBench(t, sql, key)
	b.clock("admin", "relay")
	b.answer["alter sql"] = reconciler.Report{Outcome: state.Unknown, Err: errors.New("lost")}
	o := b.run(t.Context())
	if !b.has("start admin") || b.has("swap settings") || b.has("swap relay") || len(o.Down) > 0 || ended(o)[0] != "sql ahead" {
		t.Errorf("%v; %q", o, b.did)
	}
}

// Two wishes that contradict each other are an error that names both. Wishes that agree are kept, whoever has them.
func TestOrderBetweenKinds(t *testing.T) {
	a := rotation{name: "sql", steps: []reconciler.Step{step(reconciler.Switch, "engine", "stop engine"), step(reconciler.Switch, "admin", "stop admin", "engine: stop engine")}}
	c := rotation{name: "key", steps: []reconciler.Step{step(reconciler.Switch, "admin", "stop admin"), step(reconciler.Switch, "engine", "stop engine", "admin: stop admin")}}
	_, err := plan(t, a, c)
	if err == nil || !strings.Contains(err.Error(), "sql wants") || !strings.Contains(err.Error(), "key wants") || reconciler.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	c.steps[1] = step(reconciler.Switch, "dns", "stop dns", "admin: stop admin")
	b := newBench(t, c, a) // the order of the kinds does not matter
	b.run(t.Context())
	b.order("stop engine", "stop admin", "stop dns")
}

// Rather is Before for as long as nobody minds.
func TestRather(t *testing.T) {
	prove := step(reconciler.Switch, "", "prove answer", "admin: start admin")
	prove.Rather = []string{reconciler.StepID(reconciler.Switch, op{Host: "engine", What: "stop engine"})}
	license := rotation{name: "license", steps: []reconciler.Step{step(reconciler.Switch, "engine", "stop engine"), step(reconciler.Switch, "admin", "start admin"), prove}}
	b := newBench(t, license)
	b.run(t.Context())
	b.order("start admin", "prove answer", "stop engine")
	b = newBench(t, license, rotation{name: "sql", steps: []reconciler.Step{step(reconciler.Switch, "engine", "stop engine"), step(reconciler.Switch, "admin", "start admin", "engine: stop engine")}})
	b.run(t.Context())
	b.order("stop engine", "start admin", "prove answer")
}

// Before is for a step of somebody else, and holds on the way back.
func TestBefore(t *testing.T) {
	swap := step(reconciler.Switch, "admin", "swap license")
	swap.Before = []string{reconciler.StepID(reconciler.Switch, op{Host: "admin", What: "start admin"})}
	license := rotation{name: "license", steps: []reconciler.Step{swap, step(reconciler.Verify, "", "prove license")}}
	b := newBench(t, usual("a"), license)
	b.answer["prove a"], b.answer["prove license"] = failure("refused"), failure("refused")
	b.run(t.Context())
	b.order("swap license", "start admin", "back restore license", "back start admin")
	start := step(reconciler.Switch, "admin", "swap license", "start admin")
	_, err := plan(t, usual("a"), license, rotation{name: "other", steps: []reconciler.Step{start}})
	if err == nil || !strings.Contains(err.Error(), "license wants") || !strings.Contains(err.Error(), "other wants") {
		t.Errorf("%v", err)
	}
}

// canary is the way of a fleet whose hub goes first: each relay's outage is its own.
func canary(relays int) rotation {
	r := rotation{name: "key", steps: []reconciler.Step{
		step(reconciler.Switch, "admin", "stop admin"), step(reconciler.Switch, "admin", "swap a", "stop admin"),
		step(reconciler.Switch, "admin", "start admin", "swap a", "restore a"), step(reconciler.Switch, "", "await ready", "admin: start admin"),
	}}
	for i := range relays {
		host := fmt.Sprintf("relay-%03d", i)
		stop := step(reconciler.Switch, host, "stop "+host, ": await ready")
		swap := step(reconciler.Switch, host, "swap "+host, "stop "+host)
		start := step(reconciler.Switch, host, "start "+host, "swap "+host, "restore "+host)
		swap.Alone, start.Alone = true, true
		r.steps = append(r.steps, stop, swap, start)
	}
	r.steps = append(r.steps, step(reconciler.Verify, "", "prove key"))
	return r
}

func TestARelayWaitsForNoOther(t *testing.T) {
	b := newBench(t, canary(3))
	slow := make(chan struct{})
	b.before["stop relay-000"] = func() { <-slow } // until both others are through
	var n atomic.Int32
	through := func() {
		if n.Add(1) == 2 {
			close(slow)
		}
	}
	b.before["start relay-001"], b.before["start relay-002"] = through, through
	o := b.run(t.Context())
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	b.order("start admin", "await ready", "swap relay-001", "swap relay-000")
	b.order("swap relay-002", "swap relay-000")
	if b.batches["relay-001"] != 1 {
		t.Errorf("stop, swap and start of a relay are not one batch: %v %q", b.batches, b.did)
	}
}

// The way back keeps the constraints between ops: Admin first, and no relay is touched before Admin is ready with the old.
func TestTheWayBackHasTheSameOrder(t *testing.T) {
	b := newBench(t, canary(2))
	b.clock("admin", "relay-000", "relay-001")
	b.answer["prove key"] = failure("refused")
	o := b.run(t.Context())
	b.order("back stop admin", "back restore a", "back start admin", "back await ready", "back stop relay-000", "back restore relay-000", "back start relay-000")
	if !slices.Equal(ended(o), []string{"key back"}) {
		t.Errorf("%+v", o)
	}
	b = newBench(t, canary(2))
	b.clock("admin", "relay-000", "relay-001")
	b.answer["prove key"], b.answer["back stop admin"] = failure("refused"), failure("hangs")
	o = b.run(t.Context())
	if b.has("back stop relay-000") || !slices.Equal(ended(o), []string{"key unknown"}) || len(o.Down) > 0 {
		t.Errorf("Admin could not be taken back, and relays that run were touched: %q %+v", b.did, o)
	}
}

// Evidence counts where it is given.
func TestChangesWithoutVerify(t *testing.T) {
	for _, p := range []reconciler.Phase{reconciler.Prepare, reconciler.Accept, reconciler.Switch, reconciler.Retire} {
		b := newBench(t, rotation{name: "trust", steps: []reconciler.Step{step(p, "relay", "widen list")}})
		o := b.run(t.Context())
		if !slices.Equal(ended(o), []string{"trust proven"}) || o.Err != nil || len(o.Secrets[0].Evidence) == 0 {
			t.Errorf("%s: %+v", p, o)
		}
		h := state.NewHistory(b.entries)
		if _, pending := h.Pending("trust", "2"); pending {
			t.Errorf("%s: it stays pending", p)
		}
		b = newBench(t, rotation{name: "trust", steps: []reconciler.Step{step(p, "relay", "widen list")}})
		b.answer["widen list"] = failure("refused")
		if o = b.run(t.Context()); !slices.Equal(ended(o), []string{"trust back"}) || o.Err == nil {
			t.Errorf("%s, failed: %q %v", p, ended(o), o.Err)
		}
	}
}

// What the next run needs is durable before the effect.
func TestFacts(t *testing.T) {
	stop := step(reconciler.Switch, "admin", "stop admin")
	stop.Op = op{Host: "admin", What: "stop admin", Know: []state.Fact{{Host: "admin", Field: "dependents", Value: "Watch"}}}
	r := rotation{name: "key", steps: []reconciler.Step{step(reconciler.Prepare, "", "note beats"), stop, step(reconciler.Verify, "", "prove key")}}
	b := newBench(t, r)
	b.answer["note beats"] = reconciler.Report{Outcome: state.Done, Facts: []state.Fact{{Field: "beats", Value: "02:11"}}}
	b.before["stop admin"] = func() {
		h := state.NewHistory(b.entries)
		for _, f := range []struct{ host, field, want string }{{"admin", "dependents", "Watch"}, {"", "beats", "02:11"}} {
			if v, ok := h.Fact("key", f.host, f.field); !ok || v != f.want {
				t.Errorf("before the stop the ledger says of %s %q, %v", f.field, v, ok)
			}
		}
	}
	b.run(t.Context())
	if v, ok := state.NewHistory(b.entries).Fact("key", "admin", "dependents"); ok {
		t.Errorf("proven, and a stop's dependents still count: %q", v)
	}
}

// The ledger is told by phase, however many hosts there are, and not at all while services are down.
func TestTheLedgerIsToldByPhase(t *testing.T) {
	fleet := func(relays int) rotation {
		r := canary(relays)
		for i, s := range r.steps { // what each relay does is the same, by its name
			if o, ok := s.Op.(op); ok && strings.HasPrefix(o.Host, "relay") {
				o.What, _, _ = strings.Cut(o.What, " ")
				r.steps[i].Op, r.steps[i].After = o, nil
			}
			if _, ok := s.Op.(swapped); ok && s.Op.Target().Name != "admin" {
				r.steps[i].Op = swapped{op{Host: s.Op.Target().Name, What: "swap settings"}}
				r.steps[i].After = nil
			}
		}
		return r
	}
	few, many := newBench(t, fleet(2)), newBench(t, fleet(200))
	for _, b := range []*bench{few, many} {
		at := map[int]bool{}
		for _, k := range []string{"stop admin", "stop", "swap settings", "start"} {
			b.before[k] = func() {
				b.mu.Lock()
				defer b.mu.Unlock()
				at[b.appends] = true
			}
		}
		if o := b.run(t.Context()); o.Err != nil {
			t.Fatal(o.Err)
		}
		if len(at) != 1 {
			t.Errorf("the ledger was written while services were down: %v", at)
		}
	}
	if few.appends != many.appends || many.appends > 4 { // the start, before the switch, after it, the end
		t.Errorf("%d and %d appends", few.appends, many.appends)
	}
	if len(many.entries) > len(few.entries) {
		t.Errorf("%d lines for 200 relays, %d for 2", len(many.entries), len(few.entries))
	}
}

// A plan says where.
func TestAPlanSaysWhere(t *testing.T) {
	one := func(host string) *reconciler.Plan {
		p, err := plan(t, rotation{name: "key", steps: []reconciler.Step{step(reconciler.Switch, host, "swap settings"), step(reconciler.Switch, "relay-09", "swap settings")}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	a, b := one("relay-01"), one("relay-02")
	if a.Digest == b.Digest {
		t.Error("another relay, and the same digest")
	}
	ids := map[string]bool{}
	for _, s := range a.Steps() {
		ids[s.ID] = true
	}
	if len(ids) != len(a.Steps()) {
		t.Errorf("the steps' ids repeat: %v", ids)
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := reconciler.ReadSaved(text)
	if err != nil {
		t.Fatal(err)
	}
	both := saved.Rounds[0].Steps[0]
	s := both.Each[0]
	if both.Hosts != "relay-01,relay-09" || s.Op.Target.Name != "{host}" || s.Op.Kind != "fake" || s.Phase != reconciler.Switch || s.Back.Op.Target.Name != "{host}" || !strings.Contains(string(s.Op.Args), "swap settings") {
		t.Errorf("%s", text)
	}
	for _, word := range []string{`"phase":"switch"`, `"id":"switch/{host}/swap settings"`} {
		if !strings.Contains(string(text), word) {
			t.Errorf("no %s in %s", word, text)
		}
	}
	for _, old := range []string{"meshrotate.plan/v1", "meshrotate.plan/v2"} {
		_, err := reconciler.ReadSaved([]byte(`{"format":"` + old + `"}`))
		if err == nil || !strings.Contains(err.Error(), old+", which an earlier version") || reconciler.HintOf(err) == "" {
			t.Errorf("an old plan: %v", err)
		}
	}
}

// Put back, and nothing was changed: who was away is nobody's work left.
func TestPutBackWithSomebodyAway(t *testing.T) {
	r := usual("a")
	r.with = func(c *reconciler.Change) {
		c.Left = []reconciler.Target{{Kind: reconciler.HostTarget, Name: "away"}}
	}
	b := newBench(t, r)
	b.answer["prove a"] = failure("refused")
	if o := b.run(t.Context()); len(o.Left) > 0 || !slices.Equal(ended(o), []string{"a back"}) {
		t.Errorf("%+v", o)
	}
}

// "As it was" is a claim until somebody looked.
func TestAnUndoIsProven(t *testing.T) {
	r := usual("a")
	for i, s := range r.steps {
		if s.Op.Key() == "prove a" {
			r.steps[i].Back = reconciler.Way(op{What: "prove old"})
		}
	}
	b := newBench(t, r)
	b.answer["prove a"] = failure("refused")
	o := b.run(t.Context())
	b.order("back start relay", "back prove old")
	if !slices.Equal(ended(o), []string{"a back"}) {
		t.Errorf("%+v", o)
	}
	b = newBench(t, r)
	b.answer["swap a"], b.answer["back prove old"] = failure("conflict"), failure("not connected")
	if o = b.run(t.Context()); !slices.Equal(ended(o), []string{"a unknown"}) || !o.Halted || !strings.Contains(o.Err.Error(), "not connected") {
		t.Errorf("the undo is not proven: %q %v", ended(o), o.Err)
	}
	b = newBench(t, r)
	b.answer["stage a"] = failure("no room")
	if b.run(t.Context()); b.has("back prove old") {
		t.Error("nothing live was touched, and it was asked for")
	}
}

// A run that goes on from one that was cut off, proves nothing and has nothing to take back leaves the secret pending.
func TestBackToPending(t *testing.T) {
	r := rotation{name: "a", steps: []reconciler.Step{step(reconciler.Verify, "", "prove a")}}
	b := newBench(t, r)
	b.entries = []state.Entry{{Secret: "a", Version: "2", Outcome: state.Started}, {Secret: "a", Version: "2", Outcome: state.Ahead}}
	b.answer["prove a"] = failure("refused")
	if o := b.run(t.Context()); !slices.Equal(ended(o), []string{"a back"}) {
		t.Errorf("%v", o)
	}
	h := state.NewHistory(b.entries)
	if _, pending := h.Pending("a", "2"); !pending {
		t.Error("nothing was ever proven, and the next run would call it as declared")
	}
	if _, ok := h.Vouched("a"); ok {
		t.Error("the history vouches for a value that nobody knows")
	}
}

// Nothing was begun: that is not unknown.
func TestTheLeaseIsLostBeforeAnything(t *testing.T) {
	b := newBench(t, usual("a"))
	b.onAppend = func() { b.lost = true }
	o := b.run(t.Context())
	if !slices.Equal(ended(o), []string{"a back"}) || len(b.did) > 0 || o.Err == nil {
		t.Errorf("%v; %q", o, b.did)
	}
}
