package providers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// session is one run of the program against a world.
type session struct {
	w    *world
	site reconciler.Site
	end  func()

	mu   sync.Mutex
	said []string
}

func (w *world) session() *session {
	w.t.Helper()
	site, end, err := w.open(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return &session{w: w, site: site, end: end}
}

func (s *session) say(v ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, fmt.Sprintf("%+v", v))
}

func (s *session) history() state.History {
	s.w.t.Helper()
	entries, err := s.w.store.Entries(s.w.t.Context())
	if err != nil {
		s.w.t.Fatal(err)
	}
	return state.NewHistory(entries)
}

func (s *session) plan() *reconciler.Plan {
	s.w.t.Helper()
	seen := reconciler.Observe(s.w.t.Context(), s.site, s.w.rotations(), func(e reconciler.Event) { s.say(e) })
	p, err := reconciler.MakePlan(s.w.doc, s.w.rotations(), reconciler.Input{Seen: seen, History: s.history(), Now: time.Now()})
	if err != nil {
		s.w.t.Fatal(err)
	}
	b, err := json.Marshal(p)
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.say(string(b))
	s.print(render.Plan{Plan: p})
	return p
}

// print says a report in every format.
func (s *session) print(r render.Report) {
	s.w.t.Helper()
	for _, f := range render.Formats() {
		var b bytes.Buffer
		if err := render.Write(&b, render.Style{Format: f}, r); err != nil {
			s.w.t.Errorf("%s: %v", f, err)
		}
		s.say(b.String())
	}
}

func (s *session) apply(p *reconciler.Plan) reconciler.Outcome {
	s.w.t.Helper()
	lease, err := s.w.store.Acquire(s.w.t.Context(), state.Holder{Run: "r"})
	if err != nil {
		s.w.t.Fatal(err)
	}
	defer func() { _ = lease.Release(context.Background()) }()
	o := reconciler.Run{ID: fmt.Sprint(time.Now().UnixNano()), Site: s.site, Ledger: s.w.store, Lease: lease, Plan: p,
		Parallel: 50, Now: time.Now, Tell: func(e reconciler.Event) { s.say(e) }}.Apply(s.w.t.Context())
	s.say(o, o.Err)
	s.print(render.OutcomeOf(p, "r", time.Second, o))
	return o
}

// close searches what was said, too.
func (s *session) close() {
	s.end()
	rotationtest.Search(s.w.t, s.w.secrets(), map[string][]byte{"what the run said": []byte(strings.Join(s.said, "\n"))})
}

// run plans and applies.
func (w *world) run() (*reconciler.Plan, reconciler.Outcome) {
	w.t.Helper()
	s := w.session()
	defer s.close()
	p := s.plan()
	if p.Empty() || len(p.Blocked()) > 0 {
		return p, reconciler.Outcome{}
	}
	return p, s.apply(p)
}

// converged demands that the next run ends well, and the one after it has nothing to do.
func (w *world) converged() {
	w.t.Helper()
	p, o := w.run()
	if o.Err != nil || len(o.Left) > 0 || len(p.Blocked()) > 0 {
		w.t.Errorf("the next run did not converge: %v, left %v, blocked %+v", o.Err, o.Left, p.Blocked())
	}
	s := w.session()
	defer s.close()
	if again := s.plan(); !again.Empty() || len(again.Blocked()) > 0 {
		w.t.Errorf("a further run plans %d steps: %+v", len(again.Steps), again.Changes)
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
func says(t *testing.T, err error, words ...string) {
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

func hinted(t *testing.T, err error) {
	t.Helper()
	if reconciler.HintOf(err) == "" {
		t.Errorf("no hint: %v", err)
	}
}

// finding is the first of a code.
func finding(p *reconciler.Plan, code string) (reconciler.Finding, bool) {
	for _, c := range p.Changes {
		for _, f := range c.Findings {
			if f.Code == code {
				return f, true
			}
		}
	}
	return reconciler.Finding{}, false
}

// refused demands a plan that is blocked by this finding, and that nothing was done.
func (w *world) refused(code string, words ...string) {
	w.t.Helper()
	p, _ := w.run()
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
