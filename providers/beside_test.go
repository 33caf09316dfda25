package providers_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/state"
)

// secretOf is what the secret of a kind is called here.
func secretOf(kind string) string {
	if kind == "serviceaccount" {
		return lab.AccountSecret
	}
	return kind
}

// only is a process that is limited to one kind.
func (w *world) only(kind string) *process {
	s := w.process()
	if limit(s.Session, kind); len(s.Only) == 0 {
		w.t.Fatalf("no secret is of the kind %s", kind)
	}
	return s
}

// What another secret's record left down is said whatever a run is limited to, until it runs again; and a run that is limited
// does not say that nothing at all is left to do.
func TestDownBesideWhatWasChosen(t *testing.T) {
	vendor()
	for _, c := range []struct {
		name         string
		then         func(h *lab.Host)
		down, unsure bool
	}{
		{"its host answers", func(*lab.Host) {}, true, false},
		{"its host is away", func(h *lab.Host) { h.Unplug(true) }, true, true},
		{"somebody has started it", func(h *lab.Host) { _ = h.Machine.Start(lab.RelayService); time.Sleep(time.Minute) }, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, "relaykey", "license")
				h := w.relay(1)
				when(h, "service.start", machine.After, func() { h.Machine.Kill(lab.RelayService) })
				s := w.only("relaykey")
				_, o := s.apply(nil)
				s.close()
				if len(o.Down) != 1 || len(o.With(state.Proven)) != 1 {
					t.Fatalf("%v", o)
				}
				since := o.Down[0].Since
				h.Points(nil)
				time.Sleep(5 * time.Minute)
				c.then(h)
				for i := range 2 { // with the license to rotate, and with nothing to do
					s := w.only("license")
					p, o := s.apply(nil)
					s.close()
					r := render.OutcomeOf(p, "run", 0, o)
					named := slices.ContainsFunc(r.Down, func(d render.Down) bool {
						return d.Host == h.Name && d.Service == lab.RelayService && d.Since.Equal(since.UTC().Round(0)) && d.Unsure == c.unsure
					})
					if named != c.down || r.OK == c.down || len(r.Down) > 1 || len(o.Secrets) != 1-i {
						t.Errorf("%d: %+v of %+v", i, r, p.Fleet)
					}
					told := slices.ContainsFunc(p.Fleet, func(f reconciler.Finding) bool { return f.Code == "still-down" && slices.Contains(f.Hosts, h.Name) })
					if told != c.down || render.StatusOf(p, state.NewHistory(nil), 0, "").Drifted != (c.down || i == 0) {
						t.Errorf("%d: the plan: %+v", i, p.Fleet)
					}
					if r.OK && (!strings.Contains(r.Next, "looks at the other secrets") || strings.Contains(r.Verdict(), "everything")) {
						t.Errorf("%d: %s; %s", i, r.Verdict(), r.Next)
					}
				}
			})
		})
	}
}

// A service that somebody stopped, and that the chosen secret does not use, is said as well: also where a run before this one could do
// nothing about it, as it was refused.
func TestFoundStoppedBesideWhatWasChosen(t *testing.T) {
	vendor()
	for _, others := range [][]string{{"license"}, {"sqllogin/alternating"}, {"license", "sqllogin/alternating"}} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 2, append(slices.Clone(others), "relaykey")...)
			engine := w.lab.EngineHost
			engine.Machine.Kill(lab.EngineService)
			time.Sleep(time.Minute)
			w.do("argument", "relay-01")
			if p, o := w.run(); len(p.Blocked()) == 0 || !render.OutcomeOf(p, "", 0, o).Changed() {
				t.Fatalf("%v", o)
			}
			w.do("plain", "relay-01")
			time.Sleep(time.Minute)
			for i := range 2 { // with the key to rotate, and with nothing to do
				s := w.only("relaykey")
				p, o := s.apply(nil)
				s.close()
				r := render.OutcomeOf(p, "run", 0, o)
				if r.OK || len(r.Down) != 1 || r.Down[0].Host != engine.Name || !r.Changed() || len(o.Secrets) != 1-i || !strings.Contains(r.Down[0].Why, "found stopped") {
					t.Errorf("%q, %d: %s: %+v", others, i, r.Verdict(), r.Down)
				}
				told := slices.DeleteFunc(slices.Clone(p.Fleet), func(f reconciler.Finding) bool { return f.Code != "still-down" })
				if len(told) != 1 || !slices.Contains(told[0].Hosts, engine.Name) || told[0].Hint != "apply without --only starts it" || !strings.HasPrefix(told[0].Text, "Engine is down: it was found stopped") {
					t.Errorf("%q, %d: the plan: %+v", others, i, p.Fleet)
				}
			}
			w.quietly()
			s := w.only("relaykey")
			p, o := s.apply(nil)
			s.close()
			if r := render.OutcomeOf(p, "run", 0, o); !r.OK {
				t.Errorf("%q: it runs: %s", others, r.Verdict())
			}
		})
	}
}

// A fleet is not looked at for that: it may have thousands of hosts.
func TestAFleetBesideWhatWasChosenIsNotLookedAt(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey", "license")
		asked := map[string]bool{}
		var mu sync.Mutex
		for _, h := range []*lab.Host{w.lab.EngineHost, w.relay(1), w.relay(3)} {
			h.Points(func(machine.Point) (a machine.Action) {
				mu.Lock()
				defer mu.Unlock()
				asked[h.Name] = true
				return a
			})
		}
		for _, kind := range []string{"license", "relaykey"} {
			clear(asked)
			s := w.only(kind)
			s.look()
			s.close()
			if !asked[w.lab.EngineHost.Name] || asked[w.relay(1).Name] != (kind == "relaykey") {
				t.Errorf("%s: %v", kind, asked)
			}
		}
	})
}
