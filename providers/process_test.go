package providers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/session"
)

// process is one run of the program against a world.
type process struct {
	*session.Session
	w   *world
	end func()

	mu   sync.Mutex
	said []string
}

func (w *world) process() *process {
	w.t.Helper()
	site, end, err := w.open(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	p := &process{w: w, end: end}
	p.Session = &session.Session{Document: w.doc, Rotations: w.rotations(), Site: site, State: w.state, By: "test@here", Confirmed: w.confirmed,
		Tell: func(e reconciler.Event) { p.say(e) }}
	return p
}

func (s *process) say(v ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, fmt.Sprintf("%+v", v))
}

func (s *process) look() *session.View {
	s.w.t.Helper()
	v, err := s.Look(s.w.t.Context())
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.show(v.Plan)
	return v
}

func (s *process) show(p *reconciler.Plan) {
	b, err := json.Marshal(p)
	if err != nil {
		s.w.t.Error(err)
	}
	s.say(string(b))
	s.printPlan(p)
}

// refusals are the plans of all tests that something stood in the way of.
var refusals atomic.Int64

// apply runs what is planned, after between was called with the plan. Of whatever is refused, no service is stopped or started.
func (s *process) apply(between func()) (*reconciler.Plan, reconciler.Outcome) {
	s.w.t.Helper()
	var refused []string
	done, err := s.Apply(s.w.t.Context(), func(ctx context.Context, v *session.View, doing func(string)) error {
		s.show(v.Plan)
		if between != nil {
			between()
		}
		err := session.Unblocked(ctx, v, doing)
		if err != nil {
			refusals.Add(1)
			refused = s.w.processes()
		}
		return err
	})
	if done == nil {
		s.w.t.Fatal(err)
	}
	if now := s.w.processes(); refused != nil && !slices.Equal(refused, now) {
		s.w.t.Errorf("refused, and a service was stopped or started: %q, now %q", refused, now)
	}
	if done.Run != "" {
		s.say(done.Outcome, done.Outcome.Err)
		s.printOutcome(done)
	}
	return done.Plan, done.Outcome
}

// close searches what was said, too.
func (s *process) close() {
	s.end()
	rotationtest.Search(s.w.t, s.w.secrets(), map[string][]byte{"what the run said": []byte(strings.Join(s.said, "\n"))})
}

// run plans and applies.
func (w *world) run() (*reconciler.Plan, reconciler.Outcome) {
	w.t.Helper()
	s := w.process()
	defer s.close()
	return s.apply(nil)
}

// converged demands that the next run ends well, and the one after it has nothing to do.
func (w *world) converged() {
	w.t.Helper()
	p, o := w.run()
	if o.Err != nil || len(o.Left) > 0 || len(p.Blocked()) > 0 {
		w.t.Errorf("the next run did not converge: %v, left %v, blocked %+v", o.Err, o.Left, p.Blocked())
	}
	s := w.process()
	defer s.close()
	if again := s.look().Plan; !again.Empty() || len(again.Blocked()) > 0 {
		w.t.Errorf("a further run plans %d steps: %+v", len(again.Steps()), again.Changes)
	}
	w.await("every service runs", func() bool { return w.up() == nil })
	w.await("the new key works, the old does not", func() bool { return w.keyWorks(w.kept("relaykey", lab.NewKey), w.old) == nil })
	w.await("the license is served", func() bool { return w.licensed(lab.NewLicense) == nil })
	rotationtest.Search(w.t, w.secrets(), w.said())
}

func (w *world) do(what, host string) {
	w.t.Helper()
	if _, err := w.lab.Break(what, host); err != nil {
		w.t.Fatal(err)
	}
}

// says demands that an error names these, and has a hint.
func says(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Error("there is no error")
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not name %q: %v", word, err)
		}
	}
}

func hinted(t testing.TB, err error) {
	t.Helper()
	if reconciler.HintOf(err) == "" {
		t.Errorf("no hint: %v", err)
	}
}

// finding is the first of a code.
func finding(p *reconciler.Plan, code string) (reconciler.Finding, bool) {
	for _, c := range p.Changes {
		for _, f := range c.Findings {
			if string(f.Code) == code {
				return f, true
			}
		}
	}
	return reconciler.Finding{}, false
}

// refused demands a plan that is blocked by this finding, and that nothing was done.
func (w *world) refused(code string, words ...string) {
	w.t.Helper()
	before := w.processes()
	p, _ := w.run()
	if now := w.processes(); !slices.Equal(before, now) {
		w.t.Errorf("%s: a service was stopped or started for it: %v, %v", code, before, now)
	}
	f, ok := finding(p, code)
	if !ok || len(p.Blocked()) == 0 {
		w.t.Errorf("not refused with %s: %+v", code, p.Changes)
		return
	}
	for _, word := range words {
		if !strings.Contains(f.Text+strings.Join(f.Hosts, " "), word) {
			w.t.Errorf("the finding does not name %q: %+v", word, f)
		}
	}
	if f.Hint == "" {
		w.t.Errorf("no hint: %+v", f)
	}
	if err := w.keyWorks(w.old, ""); err != nil {
		w.t.Errorf("refused, and yet: %v", err)
	}
}

func (w *world) relay(n int) *lab.Host { return w.lab.Relays[n-1] }

// when acts once, at a point of a host.
func when(h *lab.Host, op string, moment machine.When, act func()) {
	var once sync.Once
	h.Points(func(p machine.Point) machine.Action {
		if p.Op == op && p.When == moment {
			once.Do(act)
		}
		return machine.Action{}
	})
}

func write(t *testing.T, h *lab.Host, path string, change func([]byte) []byte) {
	t.Helper()
	b, _, err := h.Machine.FS.Read(path)
	if err != nil {
		t.Error(err)
		return
	}
	h.Machine.FS.(*machine.Memory).Write(path, change(slices.Clone(b)))
}
