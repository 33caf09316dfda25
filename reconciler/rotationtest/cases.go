package rotationtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// purePlan: the same input gives the same bytes, also for a reader of the saved plan.
func purePlan(t *testing.T, w *World) {
	p := start(t, w, nil)
	defer p.close()
	entries, err := w.State.Ledger.Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in := reconciler.Input{Seen: reconciler.Observe(t.Context(), p.Site, w.Rotations, p.tell), History: state.NewHistory(entries), Now: time.Now()}
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
	looked, err := json.Marshal(p.look().Plan)
	if err == nil {
		saved, err = reconciler.ReadSaved(looked)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := saved.Check(p.look().Plan, in.History); err != nil {
		t.Errorf("a second look at an unchanged world refuses the plan: %v", err)
	}
	p.search()
}

// rotate: one run proves every declared version, the next plans nothing, the same plan cannot be used twice.
func rotate(t *testing.T, w *World) {
	if err := eventually(w.Old); err != nil {
		t.Fatalf("a new world: %v", err)
	}
	plan, out := run(t.Context(), t, w, nil)
	if out.Err != nil || out.Halted || len(out.Left) > 0 || len(out.Down) > 0 || ended(out, state.Proven) != plan.Count(reconciler.Rotate) {
		t.Fatalf("%v", out)
	}
	for _, e := range out.Secrets {
		if len(e.Evidence) == 0 {
			t.Errorf("%s: proven without evidence", e.Change.Secret)
		}
	}
	inOrder(t, w, plan)
	settled(t, w)
}

// inOrder demands that every start stands in the ledger before its outcome, and that every rotation is closed.
func inOrder(t *testing.T, w *World, plan *reconciler.Plan) {
	t.Helper()
	entries, err := w.State.Ledger.Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := state.NewHistory(entries)
	if !h.Applied(plan.Digest, plan.Entries) {
		t.Error("the ledger does not know that the plan was used")
	}
	for _, c := range plan.Changes {
		if v, ok := h.Vouched(c.Secret.Name); c.Status == reconciler.Rotate && (!ok || v != c.Secret.Version) {
			t.Errorf("the ledger does not vouch for %s: %q %v", c.Secret, v, ok)
		}
	}
	began := map[string]bool{}
	for _, e := range entries {
		for _, host := range append(e.Hosts, "") {
			id := e.Run + e.Secret + e.Step + host
			if e.Outcome == state.Started {
				began[id] = true
			} else if !began[id] && !strings.HasPrefix(e.Step, "round ") { // of several rounds, the end of one
				t.Errorf("%s of %s on %s: %s without a start", e.Step, e.Secret, host, e.Outcome)
			}
		}
	}
}

// refuted: what cannot be proven is taken back, and everything is as before; then it can be tried again. What has no way back
// stays, with all services up, and the next run proves it.
func refuted(t *testing.T, w *World) {
	if err := eventually(w.Old); err != nil {
		t.Fatalf("a new world: %v", err)
	}
	plan, out := run(t.Context(), t, w, newLife(plot{refute: true}))
	ahead := oneWays(plan)
	if out.Err == nil || out.Halted || len(out.Down) > 0 || len(out.Left) > 0 || ended(out, state.Ahead) != len(ahead) ||
		ended(out, state.Back) != plan.Count(reconciler.Rotate)-len(ahead) {
		t.Errorf("refuted, and yet: %v", out)
	}
	if len(ahead) > 0 {
		if err := eventually(w.Up); err != nil {
			t.Errorf("ahead: %v", err)
		}
		converges(t, w, 1)
		return
	}
	if err := eventually(w.Old); err != nil {
		t.Errorf("taken back: %v", err)
	}
	if err := eventually(w.Up); err != nil {
		t.Errorf("taken back: %v", err)
	}
	after := start(t, w, nil)
	for _, d := range reconciler.Differences(plan.Seen, after.look().Plan.Seen) {
		if !strings.Contains(d, "value of") { // kept now: that is what a value is for
			t.Errorf("taken back, and not as before: %s", d)
		}
	}
	after.close()
	converges(t, w, 1)
}

// oneWays are the secrets that do not come back from the plan's switch: they have a step without a way back, or share a file
// with one that has. A run without a proof ends in the first round that has one.
func oneWays(p *reconciler.Plan) map[string]bool {
	var steps []reconciler.Step
	for _, r := range p.Rounds {
		steps = append(steps, r.Steps...)
		if slices.ContainsFunc(r.Steps, func(s reconciler.Step) bool { return s.Phase == reconciler.Verify }) {
			break
		}
	}
	ahead := map[string]bool{}
	for more := true; more; {
		more = false
		for _, s := range steps {
			_, swaps := s.Op.(reconciler.Swapper)
			never := s.Phase <= reconciler.Switch && s.Back.Why != ""
			if !never && (!swaps || !slices.ContainsFunc(s.Secrets, func(r secret.Ref) bool { return ahead[r.Name] })) {
				continue
			}
			for _, r := range s.Secrets {
				more = more || !ahead[r.Name]
				ahead[r.Name] = true
			}
		}
	}
	return ahead
}

func kills(t *testing.T, f Fixture) {
	for i, s := range outline(t, f) {
		for _, after := range []bool{false, true} {
			when := map[bool]string{false: "before", true: "after"}[after]
			f.universe(t, fmt.Sprintf("%s %02d %s", when, i, at(s)), func(t *testing.T, w *World) {
				killed(t, w, newLife(plot{end: moment{step: at(s), after: after}}))
			})
		}
	}
}

// killed lets a run die, and demands that the next one converges.
func killed(t *testing.T, w *World, l *life) {
	t.Helper()
	if l.end.point != "" {
		w.Arm(l.end.point, l.kill)
	}
	_, out := run(t.Context(), t, w, l)
	if !l.came && l.end.point == "" {
		t.Fatalf("the moment %+v did not come: %v", l.end, out)
	}
	converges(t, w, 2)
}

// killsAndRefuted lets a run die after a step, and the next one prove nothing. Whatever that one could put back, nobody may
// call the secret as declared before it was proven.
func killsAndRefuted(t *testing.T, f Fixture) {
	for i, s := range outline(t, f) {
		f.universe(t, fmt.Sprintf("%02d %s", i, at(s)), func(t *testing.T, w *World) {
			run(t.Context(), t, w, newLife(plot{end: moment{step: at(s), after: true}}))
			run(t.Context(), t, w, newLife(plot{refute: true}))
			_, out := run(t.Context(), t, w, nil)
			for _, c := range w.Rotations {
				entries, err := w.State.Ledger.Entries(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if v, ok := state.NewHistory(entries).Vouched(c.Ref().Name); !ok || v != c.Ref().Version {
					t.Errorf("%s was never proven: %v", c.Ref(), out)
				}
			}
			converges(t, w, 1)
		})
	}
}

// killsOfUndo kills the undo of a rotation that was refuted, after every one of its steps.
func killsOfUndo(t *testing.T, f Fixture) {
	whole := newLife(plot{refute: true})
	var one bool
	f.in(t, func(t *testing.T, w *World) {
		plan, _ := run(t.Context(), t, w, whole)
		one = len(oneWays(plan)) > 0
	})
	if len(whole.undone) == 0 && !one {
		t.Fatal("nothing was taken back")
	}
	for i, step := range whole.undone {
		f.universe(t, fmt.Sprintf("%02d %s", i, step), func(t *testing.T, w *World) {
			killed(t, w, newLife(plot{refute: true, end: moment{step: step, after: true}}))
		})
	}
}

// killsOfLedger kills before and after every append: the entry is there or not, and nothing follows.
func killsOfLedger(t *testing.T, f Fixture) {
	whole := newLife(plot{})
	f.in(t, func(t *testing.T, w *World) { run(t.Context(), t, w, whole) })
	for n := 1; n <= whole.appends; n++ {
		for _, after := range []bool{false, true} {
			f.universe(t, fmt.Sprintf("%02d %v", n, after), func(t *testing.T, w *World) {
				killed(t, w, newLife(plot{end: moment{append: n, after: after}}))
			})
		}
	}
}

// cancels interrupts a run at every step. Whatever it was at, it leaves the services running, and says ahead, not
// unknown, of what has no way back.
func cancels(t *testing.T, f Fixture) {
	for i, s := range outline(t, f) {
		f.universe(t, fmt.Sprintf("%02d %s", i, at(s)), func(t *testing.T, w *World) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			l := newLife(plot{end: moment{step: at(s)}, cancel: cancel})
			plan, out := run(ctx, t, w, l)
			if !l.came {
				t.Fatalf("the step was not reached: %v", out)
			}
			one := oneWays(plan)
			for _, e := range out.Secrets {
				if e.Ending == state.Unknown && one[e.Change.Secret.Name] {
					t.Errorf("only interrupted, with no way back, and nobody knows: %v", out)
				}
			}
			if err := eventually(w.Up); err != nil {
				t.Errorf("interrupted, and %v: %v", err, out)
			}
			converges(t, w, 1)
		})
	}
}

// faults lets everything go wrong once that can. The run itself goes on, or says what happened; the next ones converge.
func faults(t *testing.T, f Fixture) {
	var points []string
	f.in(t, func(t *testing.T, w *World) {
		if w.Points == nil {
			return
		}
		run(t.Context(), t, w, nil)
		points = w.Points()
	})
	if len(points) == 0 {
		t.Fatal("nothing can go wrong in this world")
	}
	for _, point := range points {
		f.universe(t, point, func(t *testing.T, w *World) { killed(t, w, newLife(plot{end: moment{point: point}})) })
	}
}
