package live_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/live"
	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// strange is a read, or an op, that nobody knows.
type strange struct{ at reconciler.Target }

func (s strange) Kind() string                               { return "strange" }
func (s strange) Target() reconciler.Target                  { return s.at }
func (s strange) Key() string                                { return "strange thing" }
func (s strange) Says() reconciler.Phrase                    { return reconciler.Phrase{} }
func (s strange) Merge(reconciler.Op) (reconciler.Op, error) { return s, nil }

// What nobody knows is an error, and never something that is done on a host.
func TestWhatNobodyKnows(t *testing.T) {
	for _, target := range []reconciler.Target{{Kind: "database", Name: "sql01"}, {Name: "nothing"}, {}, site.API, site.Values} {
		t.Run(target.String(), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				a := &admin{object: map[string]any{}}
				s := siteOf(t, live.Config{API: a.start(t)}, nil) // dialling fails the test
				if r := only(t, s, strange{target}); r.Outcome != state.Failed || r.Err == nil {
					t.Errorf("done: %+v", r)
				}
				seen := s.Look(t.Context(), []reconciler.Read{strange{target}}, func(reconciler.Event) {})
				if l := seen[target]; l.Reach != reconciler.Broken || l.Err == nil || len(l.Results) > 0 {
					t.Errorf("seen: %+v", l)
				}
				if a.asked.Load() > 0 {
					t.Errorf("Admin was asked %d times", a.asked.Load())
				}
			})
		})
	}
}

// A batch with something unknown in it is not begun.
func TestABatchWithAnUnknownOp(t *testing.T) {
	virtual(t, func(t *testing.T) {
		l := labOf(t, 1)
		host := l.Relays[0]
		s := siteOf(t, live.Config{}, l)
		pid := host.Machine.Service(lab.RelayService).PID
		stop := site.StopService{Host: host.Name, Service: lab.RelayService, Timeout: reconciler.Span(time.Minute)}
		r := do(t, s, stop, strange{site.Host(host.Name)})
		if len(r) != 1 || r[0].Outcome != state.Failed {
			t.Errorf("%+v", r)
		}
		if host.Machine.Service(lab.RelayService).PID != pid {
			t.Error("the service was stopped")
		}
		if seen := s.Look(t.Context(), []reconciler.Read{strange{site.Host(host.Name)}}, func(reconciler.Event) {}); seen[site.Host(host.Name)].Reach != reconciler.Broken {
			t.Errorf("seen: %+v", seen)
		}
	})
}

// Ops of one kind of target mean nothing on another.
func TestOpsOfAnotherTarget(t *testing.T) {
	virtual(t, func(t *testing.T) {
		l := labOf(t, 1)
		a := &admin{object: map[string]any{}}
		s := siteOf(t, live.Config{API: a.start(t)}, l)
		host := site.Host(l.Relays[0].Name)
		for _, c := range []struct {
			target reconciler.Target
			op     reconciler.Op
		}{
			{host, site.Mark{What: "a mark"}},
			{host, site.Keep{}},
			{site.API, site.StopService{Host: host.Name, Service: lab.RelayService}},
			{site.Values, site.Call{Path: "/api/it"}},
		} {
			r := s.Do(t.Context(), c.target, steps(c.op), func(reconciler.Event) {})
			if len(r) != 1 || r[0].Outcome != state.Failed {
				t.Errorf("%s on %s: %+v", c.op.Kind(), c.target, r)
			}
		}
		if a.asked.Load() > 0 {
			t.Errorf("Admin was asked %d times", a.asked.Load())
		}
	})
}

// Without an Admin API nothing can be asked of it.
func TestNoAdminAPI(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := siteOf(t, live.Config{}, nil)
		if r := only(t, s, site.AwaitReady{Timeout: reconciler.Span(time.Minute)}); r.Outcome != state.Failed {
			t.Errorf("%+v", r)
		}
		if seen := s.Look(t.Context(), []reconciler.Read{site.Relays{}}, func(reconciler.Event) {}); seen.Reach(site.API) != reconciler.Broken {
			t.Errorf("%+v", seen)
		}
	})
}

// broken is a store of kept values that cannot be read.
type broken struct{ state.Blobs }

func (broken) Read(context.Context, string) ([]byte, error) {
	return nil, errors.New("input/output error")
}

// The value that a proof is to find cannot be had: that is trouble of our own, and refutes nothing.
func TestAProofWithoutItsValue(t *testing.T) {
	virtual(t, func(t *testing.T) {
		l := labOf(t, 1)
		s := siteOf(t, live.Config{Values: values.Supply{Keep: values.NewKeep(broken{}, nil)}}, l)
		ref, relay := secret.Ref{Name: "relaykey", Version: "7"}, l.Relays[0].Name
		for _, op := range []reconciler.Op{
			site.ProveFile{Host: l.Admin.Name, Path: lab.LicenseFile, Secret: ref},
			site.ProveSetting{Host: relay, Path: lab.RelaySettings, Setting: "Relay:ApiKey", Secret: ref, Service: lab.RelayService},
		} {
			r := doSteps(t, s, reconciler.Step{Phase: reconciler.Verify, Op: op, Back: reconciler.Nothing()})
			if len(r) != 1 || r[0].Outcome != state.Unknown {
				t.Errorf("%s: %+v", op.Key(), r)
			}
		}
	})
}
