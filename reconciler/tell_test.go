package reconciler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// listen gathers what a run tells, as "kind phase target total more: error".
func (b *bench) listen() func() []string {
	var mu sync.Mutex
	var all []string
	b.tell = func(e reconciler.Event) {
		mu.Lock()
		defer mu.Unlock()
		s := fmt.Sprint(e.Kind, " ", e.Phase)
		if e.Target != "" {
			s += " " + e.Target
		}
		if e.Total > 0 {
			s += fmt.Sprint(" ", e.Total)
		}
		if e.More {
			s += " more"
		}
		if e.Err != nil && e.Err.Error() == e.Error {
			s += ": " + e.Error
		}
		if e.Text != "" {
			s += " " + e.Text
		}
		if e.Time.IsZero() {
			s += " at no time"
		}
		all = append(all, s)
	}
	return func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(all) }
}

// Who watches sees each phase with work begin and end, and each target of it once for each of its batches.
func TestWhatARunTells(t *testing.T) {
	b := newBench(t, usual("a"))
	told := b.listen()
	b.run(t.Context())
	want := []string{
		"phase-began prepare 1", "target-done prepare admin", "phase-ended prepare",
		"phase-began switch 2", "target-done switch relay more", "target-done switch admin", "target-done switch relay", "phase-ended switch",
		"phase-began verify 2", "target-done verify Admin API", "target-done verify relay", "phase-ended verify",
		"phase-began retire 1", "target-done retire admin", "phase-ended retire",
	}
	if got := told(); !slices.Equal(got, want) {
		t.Errorf("told\n%q\nwant\n%q", got, want)
	}
	if want := []string{"prepare, 1 to do", "switch, 5 to do", "verify, 2 to do", "retire, 1 to do"}; !slices.Equal(b.doing, want) {
		t.Errorf("whoever finds the lease reads %q", b.doing)
	}
}

// A failure is told with its target; then, why and how much is taken back. What has no way back is not counted.
func TestAFailureIsTold(t *testing.T) {
	b := newBench(t, usual("a"), usual("c"))
	told := b.listen()
	b.answer["prove c"] = failure("refused")
	b.run(t.Context())
	all := strings.Join(told(), "\n")
	for _, line := range []string{"target-done verify Admin API: refused\n", "undoing  6 refused\n"} {
		if !strings.Contains(all+"\n", line) {
			t.Errorf("no %q in\n%s", line, all)
		}
	}
	b = newBench(t, login("sql"))
	told = b.listen()
	b.answer["prove sql"] = failure("refused")
	b.run(t.Context())
	if all := strings.Join(told(), "\n"); strings.Contains(all, "undoing") {
		t.Errorf("nothing is taken back, and it is told:\n%s", all)
	}
}

// Outside the switch an interrupt is heard at once: nothing more is begun, and who was cut off is no failure of anybody.
func TestAnInterruptOutsideTheSwitch(t *testing.T) {
	r := rotation{name: "a", steps: []reconciler.Step{step(reconciler.Prepare, "r1", "stage r1"), step(reconciler.Prepare, "r2", "stage r2"), step(reconciler.Switch, "r1", "stop r1")}}
	for i := range r.steps {
		r.steps[i].Alone = true
	}
	ctx, cancel := context.WithCancel(t.Context())
	b := newBench(t, r)
	told := b.listen()
	b.before["stage r1"] = cancel
	o := b.run(ctx)
	if b.has("stage r2") || len(o.Left) > 0 || !slices.Equal(ended(o), []string{"a back"}) || !errors.Is(o.Err, context.Canceled) || !strings.Contains(o.Err.Error(), "interrupted during prepare") {
		t.Errorf("%v; %q", o, b.did)
	}
	b.order("stage r1", "back discard r1")
	if all := strings.Join(told(), "\n"); strings.Contains(all, "target-done prepare r1: ") || !strings.Contains(all, "undoing  1 interrupted") {
		t.Errorf("told\n%s", all)
	}

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	b = newBench(t, r)
	if o = b.run(ctx); len(b.did) > 0 || !strings.Contains(o.Err.Error(), "interrupted before prepare") || slices.ContainsFunc(b.entries, func(e state.Entry) bool { return e.Step != "" }) {
		t.Errorf("interrupted before anything: %v; %q %+v", o, b.did, b.entries)
	}
}

// An interrupt between two proofs: the one that was given is not all of them.
func TestAnInterruptBetweenProofs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := newBench(t, rotation{name: "a", steps: []reconciler.Step{step(reconciler.Verify, "", "prove a"), step(reconciler.Verify, "relay", "check a", ": prove a")}})
	b.before["check a"] = cancel
	b.steps(func(s *reconciler.Step) { s.Alone = true }) // who was cut off is not left behind
	if o := b.run(ctx); len(o.Left) > 0 || o.Secrets[0].Why != o.Err || !slices.Equal(ended(o), []string{"a unknown"}) || !strings.Contains(o.Err.Error(), "interrupted during verify") {
		t.Errorf("%v; %q", o, b.did)
	}
}

// What is proven is tidied up, and what is taken back is taken back to its end, whoever interrupts.
func TestAnInterruptAtTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := newBench(t, usual("a"))
	b.onAppend = func() {
		if slices.Contains(b.words(), "proven a") {
			cancel()
		}
	}
	if o := b.run(ctx); o.Err != nil || !b.has("tidy a") || !slices.Equal(ended(o), []string{"a proven"}) {
		t.Errorf("while tidying up: %v; %q", o, b.did)
	}
	ctx, cancel = context.WithCancel(t.Context())
	b = newBench(t, usual("a"))
	b.answer["prove a"] = failure("refused")
	b.before["back stop relay"] = cancel
	if o := b.run(ctx); o.Halted || !slices.Equal(ended(o), []string{"a back"}) || o.Err.Error() != "refused" {
		t.Errorf("on the way back: %v; %q", o, b.did)
	}
	b.order("back stop relay", "back restore a", "back start relay", "back discard a")
}

// Outside the switch as many targets are worked on as the policy says; within it all that can be, for they are down.
func TestHowManyAtOnce(t *testing.T) {
	for _, c := range []struct {
		phase    reconciler.Phase
		parallel int
		want     int
	}{{reconciler.Prepare, 1, 1}, {reconciler.Prepare, 2, 2}, {reconciler.Verify, 1, 1}, {reconciler.Switch, 1, 4}, {reconciler.Prepare, 9, 4}} {
		var mu sync.Mutex
		now, most := 0, 0
		full := make(chan struct{})
		r := rotation{name: "a"}
		enter := func() {
			mu.Lock()
			if now++; now > most {
				most = now
			}
			if now == c.want {
				select {
				case <-full:
				default:
					close(full)
				}
			}
			mu.Unlock()
			select { // all that may be at work are, or nobody else comes
			case <-full:
			case <-time.After(time.Second):
			}
			time.Sleep(2 * time.Millisecond)
			mu.Lock()
			now--
			mu.Unlock()
		}
		for i := range 4 {
			r.steps = append(r.steps, step(c.phase, fmt.Sprint("r", i), fmt.Sprint("note r", i)))
		}
		b := newBench(t, r)
		b.parallel = c.parallel
		for i := range 4 {
			b.before[fmt.Sprint("note r", i)] = enter
		}
		if o := b.run(t.Context()); o.Err != nil || most != c.want {
			t.Errorf("%s, %d allowed: %d at once, want %d; %v", c.phase, c.parallel, most, c.want, o.Err)
		}
	}
}
