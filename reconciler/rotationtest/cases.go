package rotationtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// purePlan: the same input gives the same bytes, also for a reader of the saved plan.
func purePlan(t *testing.T, f Fixture) {
	w := f.New(t)
	p := start(t, w)
	defer p.close()
	in := p.input()
	var plans [][]byte
	var last *reconciler.Plan
	for range 3 {
		plan, err := reconciler.MakePlan(w.Deployment, w.Rotations, in)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		plans, last = append(plans, b), plan
	}
	if !bytes.Equal(plans[0], plans[1]) || !bytes.Equal(plans[0], plans[2]) {
		t.Errorf("the same input gives different plans:\n%s\n%s", plans[0], plans[1])
	}
	saved, err := reconciler.ReadSaved(plans[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := saved.Check(last, in.History); err != nil {
		t.Errorf("a saved plan is not what it was: %v", err)
	}
	if d := reconciler.Differences(saved.Seen, last.Seen); len(d) > 0 {
		t.Errorf("facts change on their way through JSON: %q", d)
	}
	again := p.plan()
	if err := saved.Check(again, in.History); err != nil {
		t.Errorf("a second look at an unchanged world refuses the plan: %v", err)
	}
	p.search()
}

// rotate: one run proves every declared version, the next plans nothing, the same plan cannot be used twice.
func rotate(t *testing.T, f Fixture) {
	w := f.New(t)
	if err := eventually(w.Old); err != nil {
		t.Fatalf("a new world: %v", err)
	}
	guarded(t, w, func() {
		p := start(t, w)
		defer p.close()
		plan, out := p.apply(t.Context(), nil)
		if out.Err != nil || out.Halted || len(out.Left) > 0 || len(out.Undone) > 0 {
			t.Fatalf("%+v", out)
		}
		if want := plan.Count(reconciler.Rotate); len(out.Proven) != want {
			t.Errorf("%d of %d proven", len(out.Proven), want)
		}
		for _, proven := range out.Proven {
			if len(proven.Evidence) == 0 {
				t.Errorf("%s: proven without evidence", proven.Change.Secret)
			}
		}
		inOrder(t, w, plan)
		p.search()
	})
	settled(t, w)
}

// inOrder demands that every start stands in the ledger before its outcome, and that every rotation is closed.
func inOrder(t *testing.T, w *World, plan *reconciler.Plan) {
	t.Helper()
	entries, err := w.Ledger.Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := state.NewHistory(entries)
	if !h.Applied(plan.Digest) {
		t.Error("the ledger does not know that the plan was used")
	}
	for _, c := range plan.Changes {
		if v, ok := h.Proven(c.Secret.Name); c.Status == reconciler.Rotate && (!ok || v != c.Secret.Version) {
			t.Errorf("the ledger does not vouch for %s: %q %v", c.Secret, v, ok)
		}
	}
	began := map[string]bool{}
	for _, e := range entries {
		id := e.Run + e.Secret + e.Step + e.Host
		if e.Outcome == state.Started {
			began[id] = true
		} else if !began[id] {
			t.Errorf("%s of %s on %s: %s without a start", e.Step, e.Secret, e.Host, e.Outcome)
		}
	}
}

// refuted: what cannot be proven is taken back, and everything is as before; then it can be tried again.
func refuted(t *testing.T, f Fixture) {
	w := f.New(t)
	if err := eventually(w.Old); err != nil {
		t.Fatalf("a new world: %v", err)
	}
	guarded(t, w, func() {
		p := start(t, w)
		defer p.close()
		plan, out := p.apply(t.Context(), &life{refute: true})
		if out.Err == nil || out.Halted || len(out.Proven) > 0 || len(out.Undone) != plan.Count(reconciler.Rotate) {
			t.Errorf("refuted, and yet: %+v", out)
		}
		p.search()
		if err := eventually(w.Old); err != nil {
			t.Errorf("taken back: %v", err)
		}
		if err := eventually(w.Up); err != nil {
			t.Errorf("taken back: %v", err)
		}
		after := start(t, w)
		defer after.close()
		for _, d := range reconciler.Differences(plan.Seen, after.plan().Seen) {
			if !bytes.Contains([]byte(d), []byte("value")) { // kept now: that is what a value is for
				t.Errorf("taken back, and not as before: %s", d)
			}
		}
	})
	converges(t, w, 1)
}

func kills(t *testing.T, f Fixture) {
	for i, s := range outline(t, f) {
		for _, after := range []bool{false, true} {
			when := "before"
			if !after && f.Brief {
				continue
			}
			if after {
				when = "after"
			}
			t.Run(fmt.Sprintf("%s %02d %s", when, i, at(s)), func(t *testing.T) {
				t.Parallel()
				killed(t, f.New(t), &life{end: moment{step: at(s), after: after}})
			})
		}
	}
}

// killed lets a run die, and demands that the next one converges.
func killed(t *testing.T, w *World, l *life) {
	guarded(t, w, func() {
		p := start(t, w)
		defer p.close()
		_, out := p.apply(t.Context(), l)
		if !l.came {
			t.Fatalf("the moment %+v did not come: %+v", l.end, out)
		}
		if len(out.Proven) > 0 && l.end.step == "" && out.Err == nil {
			t.Errorf("a dead run reports success: %+v", out)
		}
		p.search()
	})
	converges(t, w, 1)
}

// killsOfUndo kills the undo of a rotation that was refuted, after every one of its steps.
func killsOfUndo(t *testing.T, f Fixture) {
	whole := &life{refute: true}
	p := start(t, f.New(t))
	p.apply(t.Context(), whole)
	p.close()
	for i, step := range whole.undone {
		t.Run(fmt.Sprintf("%02d %s", i, step), func(t *testing.T) {
			t.Parallel()
			killed(t, f.New(t), &life{refute: true, end: moment{step: step, after: true}})
		})
	}
}

// killsOfLedger kills before and after every append: the entry is there or not, and nothing follows.
func killsOfLedger(t *testing.T, f Fixture) {
	whole := &life{}
	p := start(t, f.New(t))
	p.apply(t.Context(), whole)
	p.close()
	for n := 1; n <= whole.appends; n++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%02d %v", n, after), func(t *testing.T) {
				t.Parallel()
				killed(t, f.New(t), &life{end: moment{append: n, after: after}})
			})
		}
	}
}

// cancels interrupts a run at every step. Whatever it was at, it leaves the services running.
func cancels(t *testing.T, f Fixture) {
	for i, s := range outline(t, f) {
		t.Run(fmt.Sprintf("%02d %s", i, at(s)), func(t *testing.T) {
			t.Parallel()
			w := f.New(t)
			guarded(t, w, func() {
				p := start(t, w)
				defer p.close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				l := &life{end: moment{step: at(s)}, cancel: cancel}
				_, out := p.apply(ctx, l)
				if !l.came {
					t.Fatalf("the step was not reached: %+v", out)
				}
				if err := eventually(w.Up); err != nil {
					t.Errorf("interrupted, and %v: %+v", err, out)
				}
				p.search()
			})
			converges(t, w, 1)
		})
	}
}

// faults lets everything go wrong once that can. The run itself goes on, or says what happened; the next ones converge.
func faults(t *testing.T, f Fixture) {
	w := f.New(t)
	if w.Points == nil {
		t.Skip("this fixture has no faults")
	}
	p := start(t, w)
	p.apply(t.Context(), nil)
	p.close()
	for _, point := range w.Points() {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := f.New(t)
			w.Arm(point)
			guarded(t, w, func() {
				p := start(t, w)
				defer p.close()
				_, out := p.apply(t.Context(), nil)
				t.Logf("%+v", out)
				p.search()
			})
			converges(t, w, 2)
		})
	}
}
