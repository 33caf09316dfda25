package rotationtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// process is one run of the program: look, plan, apply.
type process struct {
	t     *testing.T
	world *World
	site  reconciler.Site
	end   func()

	mu   sync.Mutex
	said bytes.Buffer
}

func start(t *testing.T, w *World) *process {
	t.Helper()
	site, end, err := w.Open(t.Context())
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return &process{t: t, world: w, site: site, end: end}
}

func (p *process) close() { p.end() }

// say keeps what a person or a log would see.
func (p *process) say(what string, v any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(&p.said, "%s: %+v\n", what, v)
	if b, err := json.Marshal(v); err == nil {
		p.said.Write(append(b, '\n'))
	}
}

func (p *process) tell(e reconciler.Event) { p.say("event", e) }

func (p *process) input() reconciler.Input {
	p.t.Helper()
	entries, err := p.world.Ledger.Entries(p.t.Context())
	if err != nil {
		p.t.Fatalf("ledger: %v", err)
	}
	seen := reconciler.Observe(p.t.Context(), p.site, p.world.Rotations, p.tell)
	return reconciler.Input{Seen: seen, History: state.NewHistory(entries), Now: time.Now()}
}

func (p *process) plan() *reconciler.Plan {
	p.t.Helper()
	plan, err := reconciler.MakePlan(p.world.Deployment, p.world.Rotations, p.input())
	if err != nil {
		p.t.Fatalf("plan: %v", err)
	}
	p.say("plan", plan)
	return plan
}

// apply plans and runs, through life when it is not nil. A lease that a dead run left behind is broken first, as
// `unlock` does. What is blocked is not applied, as on the command line.
func (p *process) apply(ctx context.Context, l *life) (*reconciler.Plan, reconciler.Outcome) {
	p.t.Helper()
	plan := p.plan()
	for _, c := range plan.Blocked() {
		return plan, reconciler.Outcome{Err: fmt.Errorf("%s is %s: %+v", c.Secret, c.Status, c.Findings)}
	}
	if plan.Empty() {
		return plan, reconciler.Outcome{}
	}
	if h, held, err := p.world.Lock.Current(p.t.Context()); err != nil {
		p.t.Fatal(err)
	} else if held {
		if err := p.world.Lock.Break(p.t.Context(), h.Fence); err != nil {
			p.t.Fatal(err)
		}
	}
	id := fmt.Sprintf("run-%d", time.Now().UnixNano())
	lease, err := p.world.Lock.Acquire(p.t.Context(), state.Holder{Run: id})
	if err != nil {
		p.t.Fatal(err)
	}
	run := reconciler.Run{ID: id, By: "rotationtest", Site: p.site, Ledger: p.world.Ledger, Lease: lease, Plan: plan, Parallel: 100, Now: time.Now, Tell: p.tell}
	if l != nil {
		run.Site, run.Ledger, run.Lease = lifeSite{p.site, l}, lifeLedger{p.world.Ledger, l}, lifeLease{lease, l}
	}
	out := run.Apply(ctx)
	p.say("outcome", out)
	if out.Err != nil {
		p.say("error", out.Err.Error())
	}
	if l == nil || !l.over() {
		if err := lease.Release(context.WithoutCancel(ctx)); err != nil {
			p.t.Errorf("release: %v", err)
		}
	} else {
		// The dead hold their lease until it is broken. Its heartbeat must end with the test, before its folder goes.
		p.t.Cleanup(func() { _ = lease.Release(context.Background()) })
	}
	return plan, out
}

// guarded runs do while the world is watched.
func guarded(t *testing.T, w *World, do func()) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			if err := w.Sound(); err != nil {
				done <- err
				return
			}
			select {
			case <-stop:
				done <- nil
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	do()
	close(stop)
	if err := <-done; err != nil {
		t.Errorf("half rotated: %v", err)
	}
}

// converges demands that further runs end where an unkilled one ends. within is how many runs it may take.
func converges(t *testing.T, w *World, within int) {
	t.Helper()
	var errs []error
	for range within {
		var out reconciler.Outcome
		guarded(t, w, func() {
			p := start(t, w)
			defer p.close()
			_, out = p.apply(t.Context(), nil)
			p.search()
		})
		if out.Err == nil && len(out.Left) == 0 {
			settled(t, w)
			return
		}
		errs = append(errs, out.Err)
	}
	t.Errorf("%d further runs did not converge: %v", within, errors.Join(errs...))
}

// settled demands that nothing is left to do.
func settled(t *testing.T, w *World) {
	t.Helper()
	p := start(t, w)
	defer p.close()
	plan := p.plan()
	if !plan.Empty() {
		t.Errorf("a run after success plans %d steps, the first is %s; %v", len(plan.Steps), plan.Steps[0].Name, reasons(plan))
	}
	for _, c := range plan.Changes {
		if c.Status != reconciler.AsDeclared {
			t.Errorf("%s is %s: %s %+v", c.Secret, c.Status, c.Reason, c.Findings)
		}
	}
	if err := eventually(w.New); err != nil {
		t.Errorf("after success: %v", err)
	}
	if err := w.Up(); err != nil {
		t.Errorf("after success: %v", err)
	}
	p.search()
	Search(t, w.Secrets(), w.Said())
}

func reasons(plan *reconciler.Plan) []string {
	var all []string
	for _, c := range plan.Changes {
		all = append(all, c.Secret.Name+": "+c.Reason)
	}
	return all
}

// eventually gives the world a moment: reconnecting takes time.
func eventually(is func() error) error {
	var err error
	for range 60 {
		if err = is(); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}
