package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// A relay that was not connected at the look, and that this run stopped and started, or left with the old key, is in what is down at
// its end; and the next plan says so, and since when.
func TestARelayThatWasNotConnectedAtTheLookIsInWhatIsDown(t *testing.T) {
	vendor()
	for name, c := range map[string]struct{ before, during []string }{
		"it reads another key":          {[]string{"cut"}, []string{"argument"}},
		"it cannot reach Admin":         {[]string{"cut"}, nil},
		"its host goes away after that": {[]string{"cut"}, []string{"unplug"}},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, "relaykey")
				w.doc.Policy.Unreachable.Count = 1
				for _, what := range c.before {
					w.do(what, "relay-01")
				}
				time.Sleep(time.Minute)
				began := time.Now()
				s := w.process()
				_, o := s.apply(func() {
					for _, what := range c.during {
						w.do(what, "relay-01")
					}
				})
				s.close()
				i := slices.IndexFunc(o.Down, func(d reconciler.Down) bool { return d.Target.Name == w.relay(1).Name })
				if i < 0 || o.Down[i].Since.Before(began) || len(o.With(state.Proven)) != 1 {
					t.Fatalf("down %+v, left %v: %v", o.Down, o.Left, o)
				}
				if text := o.Down[i].Why.Error(); !strings.Contains(text, "nor was it seen to work when this run looked") || !o.Down[i].Sooner {
					t.Errorf("%+v: %s", o.Down[i], text)
				}
				time.Sleep(time.Minute)
				next := w.planned()
				j := slices.IndexFunc(next.Untouched(), func(d reconciler.Down) bool { return d.Target.Name == w.relay(1).Name })
				if j < 0 || !next.Untouched()[j].Since.Equal(o.Down[i].Since) || !next.Untouched()[j].Sooner {
					t.Errorf("%v: the next plan has %+v", o.Down[i], next.Untouched())
				}
				told := moment(o.Down[i].Since) + " at the latest"
				if !strings.Contains(fmt.Sprint(next.Changes[0].Reason, next.Changes[0].Findings), told) {
					t.Errorf("the next plan does not say %s: %s, %+v", told, next.Changes[0].Reason, next.Changes[0].Findings)
				}
			})
		})
	}
}

func moment(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }

// The lock is taken away once Admin has the new key: the run ends before the relays' turn. One that came back after the look is cut off as
// the others are.
func TestARelayThatCameBackAfterTheLookIsCutOffAsWell(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		w.do("cut", "relay-01")
		time.Sleep(time.Minute)
		d := w.suspended(t, func(e reconciler.Event) bool {
			if e.Kind == reconciler.PhaseBegan && e.Phase == "prepare" {
				w.do("uncut", "relay-01")
				time.Sleep(10 * time.Second)
			}
			return e.Kind == reconciler.TargetDone && e.Phase == "switch" && strings.HasPrefix(e.Target, "im-admin")
		}, func() {})
		cut := slices.DeleteFunc(slices.Clone(d.Outcome.Down), func(d reconciler.Down) bool { return !d.CutOff })
		if len(cut) != 3 {
			t.Errorf("%v: down %+v, left %v", d.Outcome, d.Outcome.Down, d.Outcome.Left)
		}
		time.Sleep(time.Minute)
		p := w.planned()
		if all := p.Untouched(); len(all) != 3 || !strings.Contains(p.Changes[0].Reason, "cut off since") {
			t.Errorf("the next plan has %+v: %s", all, p.Changes[0].Reason)
		}
		w.quietly()
	})
}

// Nobody knows since when a relay does not work that Admin has never listed as connected: it is declared, and its host was never there.
func TestARelayThatWasNeverThereIsCutOffSinceNobodyKnowsWhen(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		w.doc.Policy.Unreachable.Count = 1
		w.do("cut", "relay-01")
		w.do("unplug", "relay-01")
		time.Sleep(time.Minute)
		p, o := w.run()
		i := slices.IndexFunc(p.Changes[0].Outages, func(o state.Outage) bool { return o.With != "" })
		if i < 0 || len(p.Changes[0].Outages[i].Members) != 2 || len(o.Down) != 1 || !o.Down[0].CutOff || !o.Down[0].Sooner {
			t.Errorf("%+v: down %+v", p.Changes[0].Outages, o.Down)
		}
	})
}
