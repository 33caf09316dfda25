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
	"meshrotate/reconciler/session"
	"meshrotate/state"
)

// process is one run of the program, on the path that the command line takes.
type process struct {
	*session.Session
	t     *testing.T
	world *World
	life  *life
	end   func()

	mu   sync.Mutex
	said bytes.Buffer
}

// start opens the world as a process that lives through l; nil lives on.
func start(t *testing.T, w *World, l *life) *process {
	t.Helper()
	site, end, err := w.Open(t.Context())
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	p := &process{t: t, world: w, life: l, end: end}
	p.Session = &session.Session{Document: w.Deployment, Rotations: w.Rotations, Site: site, State: w.State, By: "rotationtest@here", Parallel: 100, Tell: p.tell}
	p.State.Lock = lifeLock{w.State.Lock, p}
	if l != nil {
		p.Site, p.State.Ledger = lifeSite{site, l}, lifeLedger{w.State.Ledger, l}
	}
	return p
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

func (p *process) look() *session.View {
	p.t.Helper()
	v, err := p.Look(p.t.Context())
	if err != nil {
		p.t.Fatalf("look: %v", err)
	}
	p.say("plan", v.Plan)
	return v
}

// apply runs what is planned. A lease that a dead run left behind is broken first, as `unlock` does.
func (p *process) apply(ctx context.Context) (*reconciler.Plan, reconciler.Outcome) {
	p.t.Helper()
	lock := p.world.State.Lock
	if h, held, err := lock.Current(p.t.Context()); err != nil {
		p.t.Fatal(err)
	} else if held {
		if err := lock.Break(p.t.Context(), h.Fence); err != nil {
			p.t.Fatal(err)
		}
	}
	done, err := p.Session.Apply(ctx, func(ctx context.Context, v *session.View, doing func(string)) error {
		p.say("plan", v.Plan)
		return session.Unblocked(ctx, v, doing)
	})
	if done == nil {
		done = &session.Applied{View: &session.View{Plan: &reconciler.Plan{}}}
	}
	out := done.Outcome
	p.say("outcome", out)
	if out.Err == nil {
		out.Err = err
	}
	if out.Err != nil {
		p.say("error", out.Err.Error())
	}
	return done.Plan, out
}

// run lets a process live through l, and watches the world meanwhile.
func run(ctx context.Context, t *testing.T, w *World, l *life) (plan *reconciler.Plan, out reconciler.Outcome) {
	t.Helper()
	guarded(t, w, func() {
		p := start(t, w, l)
		defer p.close()
		plan, out = p.apply(ctx)
		p.search()
	})
	if !l.over() && len(out.Left) == 0 {
		if err := w.Together(); err != nil && !out.Halted { // who halted says that nobody knows
			t.Errorf("at the end of a run: %v; %v", err, out)
		}
		if err := eventually(w.Up); (err != nil) != (len(out.Down) > 0) && !out.Halted {
			t.Errorf("at the end of a run: %v, and it names %v", err, out.Down)
		}
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
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	do()
	close(stop)
	if err := <-done; err != nil {
		t.Errorf("as it may never be: %v", err)
	}
}

// converges demands that further runs end where an unkilled one ends. within is how many runs it may take.
func converges(t *testing.T, w *World, within int) {
	t.Helper()
	var errs []error
	for range within {
		_, out := run(t.Context(), t, w, nil)
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
	p := start(t, w, nil)
	defer p.close()
	plan := p.look().Plan
	if !plan.Empty() {
		t.Errorf("a run after success plans %d steps, the first is %s; %v", len(plan.Steps()), plan.Steps()[0].ID, reasons(plan))
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
	for range 100 {
		if err = is(); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// ended are the secrets with an ending.
func ended(o reconciler.Outcome, ending state.Outcome) int { return len(o.With(ending)) }
