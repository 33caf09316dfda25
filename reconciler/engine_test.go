package reconciler_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

func TestMerging(t *testing.T) {
	edit := func(name, edits string) rotation {
		s := step(reconciler.Prepare, 0, "admin", "stage settings")
		s.Op = op{host: "admin", key: "stage settings", edits: edits}
		return rotation{name: name, steps: []reconciler.Step{s,
			step(reconciler.Stop, 1, "admin", "stop admin"), step(reconciler.Edit, 0, "admin", "swap settings"),
			step(reconciler.Start, 0, "admin", "start admin"), step(reconciler.Verify, 0, "", "prove "+name)}}
	}
	b := newBench(t, edit("key", "ApiKey"), edit("sql", "SqlString"))
	if got := b.plan.Steps[0].Op.(op).edits; got != "ApiKey+SqlString" {
		t.Errorf("the edits are %q", got)
	}
	if len(b.plan.Steps) != 6 {
		t.Errorf("%d steps, not 4 shared ones and 2 proofs", len(b.plan.Steps))
	}
	o := b.run(t.Context())
	for _, once := range []string{"stage settings", "stop admin", "swap settings", "start admin"} {
		if n := len(slices.DeleteFunc(slices.Clone(b.did), func(k string) bool { return k != once })); n != 1 {
			t.Errorf("%s was done %d times", once, n)
		}
	}
	if !slices.Equal(proven(o), []string{"key", "sql"}) || o.Err != nil {
		t.Errorf("%+v", o)
	}

	_, err := reconciler.MakePlan(&specs.Deployment{Name: "test"}, []reconciler.Rotation{edit("key", "!"), edit("sql", "x")}, reconciler.Input{})
	if err == nil || !strings.Contains(err.Error(), "key 2") || !strings.Contains(err.Error(), "sql 2") || !strings.Contains(err.Error(), "admin") {
		t.Errorf("ops that cannot be joined: %v", err)
	}
}

// Two consumers of one secret on one host ask for the same step: it is done, recorded and told once.
func TestOneSecretAsksTwice(t *testing.T) {
	r := usual("a")
	r.steps = append(r.steps, step(reconciler.Verify, 0, "", "prove a"))
	b := newBench(t, r)
	o := b.run(t.Context())
	if len(o.Proven) != 1 || len(o.Proven[0].Evidence) != 2 {
		t.Errorf("%+v", o)
	}
	n := 0
	for _, e := range b.entries {
		if e.Step == "verify/prove a" && e.Outcome == state.Done {
			n++
		}
	}
	if n != 1 {
		t.Errorf("recorded %d times", n)
	}
}

func TestAWaveIsTheLaterOfTheTwo(t *testing.T) {
	a := rotation{name: "a", steps: []reconciler.Step{step(reconciler.Stop, 0, "admin", "stop admin"), step(reconciler.Verify, 0, "", "prove a")}}
	c := rotation{name: "c", steps: []reconciler.Step{step(reconciler.Stop, 1, "admin", "stop admin"), step(reconciler.Stop, 0, "relay", "stop relay"), step(reconciler.Verify, 0, "", "prove c")}}
	b := newBench(t, a, c)
	b.run(t.Context())
	b.order("stop relay", "stop admin")
}

func TestOrder(t *testing.T) {
	b := newBench(t, usual("a"), usual("c"))
	if o := b.run(t.Context()); o.Err != nil {
		t.Fatal(o.Err)
	}
	b.order("stage a", "stop relay", "stop admin", "swap a", "start admin", "start relay", "prove a", "prove process a", "discard a")
	b.order("swap c", "start admin")
	if want := []string{"started a", "started c", "done a", "done c"}; !slices.Equal(b.words(), want) {
		t.Errorf("the ledger says %q", b.words())
	}
}

func TestFailures(t *testing.T) {
	shared := func(name string) rotation {
		r := usual(name)
		for i := range r.steps {
			if r.steps[i].Phase == reconciler.Edit {
				r.steps[i] = step(reconciler.Edit, 0, "admin", "swap settings")
			}
		}
		return r
	}
	unknown := reconciler.Report{Outcome: state.Unknown, Err: errors.New("reset")}
	for _, c := range []struct {
		name, reason   string
		rotations      []reconciler.Rotation
		key            string
		answer         reconciler.Report
		did            []string // in this order
		not            []string
		proven, undone []string
		halted         bool
	}{
		{"prepare", "nothing live was touched: only what was staged is removed",
			[]reconciler.Rotation{usual("a")}, "stage a", failure("no room"),
			[]string{"stage a", "unstage a"}, []string{"stop relay", "unswap a"}, nil, []string{"a"}, false},
		{"edit", "undo runs backwards, and the services come up again",
			[]reconciler.Rotation{usual("a")}, "swap a", failure("conflict"),
			[]string{"swap a", "unswap a", "unstop admin", "unstop relay", "unstage a"}, []string{"start admin", "discard a"}, nil, []string{"a"}, false},
		{"before verify", "nothing is proven yet, so everything goes back",
			[]reconciler.Rotation{usual("a"), usual("c")}, "swap c", failure("conflict"),
			[]string{"unswap a", "unstop admin", "unstage a"}, nil, nil, []string{"a", "c"}, false},
		{"one proof fails", "the other secret is proven, so it stays",
			[]reconciler.Rotation{usual("a"), usual("c")}, "prove c", failure("refused"),
			[]string{"prove a", "prove process a", "unswap c"}, []string{"unswap a", "prove process c"}, []string{"a"}, []string{"c"}, false},
		{"one proof fails, first in its batch", "the other's proof was not tried with it, and must be tried",
			[]reconciler.Rotation{usual("a"), usual("c")}, "prove a", failure("refused"),
			[]string{"prove a", "prove c", "prove process c", "unswap a"}, []string{"unswap c", "prove process a"}, []string{"c"}, []string{"a"}, false},
		{"a shared file", "both values are in one file: they go back together",
			[]reconciler.Rotation{shared("a"), shared("c")}, "prove c", failure("refused"),
			[]string{"prove a", "unswap settings"}, nil, nil, []string{"a", "c"}, false},
		{"unknown in the switch", "what may have happened must be looked at before anything else is done",
			[]reconciler.Rotation{usual("a")}, "swap a", unknown,
			[]string{"swap a"}, []string{"unswap a", "start admin", "unstop admin"}, nil, nil, true},
		{"unknown while preparing", "nothing live is touched by a stage, so it can be removed",
			[]reconciler.Rotation{usual("a")}, "stage a", unknown,
			[]string{"unstage a"}, []string{"stop relay"}, nil, []string{"a"}, false},
		{"no answer in the switch", "half an answer is no answer",
			[]reconciler.Rotation{usual("a")}, "swap a", reconciler.Report{Outcome: "none"},
			[]string{"swap a"}, []string{"unswap a", "start admin"}, nil, nil, true},
		{"an outcome without a word", "a zero report is not success",
			[]reconciler.Rotation{usual("a")}, "swap a", reconciler.Report{},
			[]string{"swap a"}, []string{"start admin"}, nil, nil, true},
		{"the undo fails", "the others are taken back all the same, and the run says that it is not as before",
			[]reconciler.Rotation{usual("a")}, "prove a", failure("refused"),
			[]string{"unstart relay", "unswap a", "unstop admin", "unstop relay"}, nil, nil, nil, true},
		{"a file cannot be put back", "its service stays down; the others come up",
			[]reconciler.Rotation{usual("a")}, "prove a", failure("refused"),
			[]string{"unstart relay", "unstart admin", "unstop relay"}, []string{"unstop admin", "unstage a"}, nil, nil, true},
		{"retire", "it is proven: what is left is tidying up",
			[]reconciler.Rotation{usual("a")}, "discard a", failure("held open"),
			[]string{"discard a"}, []string{"unswap a"}, []string{"a"}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Log(c.reason)
			b := newBench(t, c.rotations...)
			b.answer[c.key] = c.answer
			if c.name == "the undo fails" {
				b.answer["unstart admin"] = failure("hangs")
			}
			if c.name == "a file cannot be put back" {
				b.answer["unswap a"] = failure("held open")
			}
			o := b.run(t.Context())
			b.order(c.did...)
			for _, k := range c.not {
				if b.has(k) {
					t.Errorf("%s was done: %q", k, b.did)
				}
			}
			if !slices.Equal(proven(o), c.proven) || !slices.Equal(o.Undone, c.undone) || o.Halted != c.halted {
				t.Errorf("proven %q, undone %q, halted %v, %v", proven(o), o.Undone, o.Halted, o.Err)
			}
			if (o.Err == nil) != (c.name == "retire") {
				t.Errorf("error: %v", o.Err)
			}
			for _, w := range c.proven {
				if !slices.Contains(b.words(), "done "+w) {
					t.Errorf("%s is proven, the ledger says %q", w, b.words())
				}
			}
			for _, w := range b.words() {
				if name, ok := strings.CutPrefix(w, "done "); ok && !slices.Contains(c.proven, name) {
					t.Errorf("%s is not proven, the ledger says %q", name, b.words())
				}
			}
		})
	}
}

func TestALostLeaseStopsBeforeTheNextEffect(t *testing.T) {
	for _, key := range []string{"stage a", "stop relay", "swap a", "prove a"} {
		b := newBench(t, usual("a"))
		b.before[key] = b.lose
		o := b.run(t.Context())
		var lost *state.LostError
		if !errors.As(o.Err, &lost) || !o.Halted || len(o.Proven) > 0 || b.did[len(b.did)-1] != key {
			t.Errorf("lost during %s: %+v; %q", key, o, b.did)
		}
	}
	b := newBench(t, usual("a"))
	b.answer["prove a"] = failure("refused")
	b.before["unstart relay"] = b.lose
	if o := b.run(t.Context()); !o.Halted || b.has("unswap a") {
		t.Errorf("lost during undo: %+v; %q", o, b.did)
	}
}

// Each append is refused in turn: whatever it announced does not happen, and nothing is called a success.
func TestALedgerThatRefusesStopsTheRun(t *testing.T) {
	whole := newBench(t, usual("a"))
	whole.run(t.Context())
	for n := 1; n <= whole.appends; n++ {
		b := newBench(t, usual("a"))
		b.refuse = n
		o := b.run(t.Context())
		if o.Err == nil {
			t.Errorf("append %d refused: %+v", n, o)
		}
		if n == 1 && len(b.did) > 0 {
			t.Errorf("the start is not durable, and %q was done", b.did)
		}
	}
}

func TestAnInterruptWaitsUntilTheServicesAreUp(t *testing.T) {
	for _, key := range []string{"stop relay", "stop admin", "swap a", "start admin", "start relay"} {
		ctx, cancel := context.WithCancel(t.Context())
		b := newBench(t, usual("a"))
		b.before[key] = cancel
		o := b.run(ctx)
		b.order("start admin", "start relay")
		if !o.Halted || o.Err == nil || !errors.Is(o.Err, context.Canceled) || b.has("unswap a") || b.has("prove a") {
			t.Errorf("interrupted at %s: %+v; %q", key, o, b.did)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	b := newBench(t, usual("a"))
	b.before["stage a"] = cancel
	if o := b.run(ctx); b.has("stop relay") || o.Err == nil {
		t.Errorf("interrupted before the switch: %+v; %q", o, b.did)
	}
}

func TestOutagesAreMeasured(t *testing.T) {
	r := usual("a")
	r.with = func(c *reconciler.Change) {
		c.Outages = []state.Outage{{What: "relays", Predicted: 9, Members: []string{"r1", "r2"}}, {What: "Admin", Members: []string{"Admin"}}}
	}
	b := newBench(t, r)
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	b.answer["stop relay"] = reconciler.Report{Outcome: state.Done, Down: map[string]time.Time{"r1": at(2), "r2": at(1)}}
	b.answer["prove a"] = reconciler.Report{Outcome: state.Done, Evidence: "x", Up: map[string]time.Time{"r1": at(9), "r2": at(7)}}
	o := b.run(t.Context())
	got := map[string]float64{}
	for _, x := range o.Proven[0].Outages {
		got[x.What] = x.Measured
	}
	if got["relays"] != 8 || got["r1"] != 7 || got["r2"] != 6 || len(got) != 3 {
		t.Errorf("measured %v: the fleet is down from the first stop to the last return; what was not seen is not measured", got)
	}
}
