package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/state"
)

// A run that restarted the relays for their list of certificates, and was killed before its proof, is finished by the next one. That one
// proves that they are connected again, or says that nobody has seen it.
func TestSigningThatIsFinishedLater(t *testing.T) {
	vendor()
	for _, c := range []struct {
		name string
		op   string
		when machine.When
		do   func(*world)
		ends func(t *testing.T, left int, unproven, evidence string)
		says bool // until they are seen connected
	}{
		{"all are connected", "service.start", machine.After, func(*world) {}, connectedAgain, false},
		{"one was left stopped", "service.stop", machine.After, func(*world) {}, connectedAgain, false},
		{"one is cut off", "service.start", machine.After, func(w *world) { w.do("cut", "relay-01") }, func(t *testing.T, left int, _, evidence string) {
			if left != 1 || !strings.Contains(evidence, "1 of 2 relays connected") {
				t.Errorf("%d left behind: %s", left, evidence)
			}
		}, true},
		{"the list is not given", "service.start", machine.After, func(w *world) { w.do("relays-403", "im-admin") }, notShown, true},
		{"the list says nothing", "service.start", machine.After, func(w *world) { w.do("relays-null", "im-admin") }, notShown, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, Relays: 2, Signing: true}, "codesigning")
				time.Sleep(15 * time.Minute)
				w.killed(w.relay(2), c.op, c.when)
				w.relay(2).Points(nil)
				c.do(w)
				time.Sleep(10 * time.Minute)
				p, o := w.run()
				if len(o.With(state.Proven)) != 1 {
					t.Fatalf("%v: %+v", o, p.Changes)
				}
				c.ends(t, len(o.Left), p.Changes[0].Unproven, strings.Join(evidenceOf(o), "; "))
				if f, is := finding(w.planned(), "relay-disconnected"); is != c.says {
					t.Errorf("%+v", f)
				}
				w.do("sound", "im-admin")
				w.do("uncut", "relay-01")
				time.Sleep(time.Minute)
				if f, is := finding(w.planned(), "relay-disconnected"); is {
					t.Errorf("%+v", f)
				}
			})
		})
	}
}

func connectedAgain(t *testing.T, left int, unproven, evidence string) {
	if left != 0 || unproven != "" || !strings.Contains(evidence, "2 relays connected") {
		t.Errorf("%d left behind, unproven %q: %s", left, unproven, evidence)
	}
}

func notShown(t *testing.T, left int, unproven, _ string) {
	if left != 0 || !strings.Contains(unproven, "2 relays are connected again") {
		t.Errorf("%d left behind, unproven %q", left, unproven)
	}
}

// None of them is connected, and nobody knows whether that was so before: no run calls that proven, and the one that sees them does.
func TestSigningThatIsFinishedWhileAllAreCutOff(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Memory: true, Relays: 2, Signing: true}, "codesigning")
		time.Sleep(15 * time.Minute)
		w.killed(w.relay(2), "service.start", machine.After)
		w.relay(2).Points(nil)
		w.do("cut", "relay-01")
		w.do("cut", "relay-02")
		for range 2 {
			time.Sleep(10 * time.Minute)
			p, o := w.run()
			if f, ok := finding(p, "relay-disconnected"); !ok || len(f.Hosts) != 2 || !strings.Contains(f.Text, "an earlier run restarted") {
				t.Errorf("%+v", p.Changes)
			}
			if o.Err == nil || len(o.With(state.Proven)) > 0 {
				t.Errorf("%v: %+v", o, p.Changes)
			}
			hinted(t, o.Err)
		}
		w.do("uncut", "relay-01")
		w.do("uncut", "relay-02")
		time.Sleep(10 * time.Minute)
		if _, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 1 || len(o.Left) > 0 {
			t.Errorf("%v", o)
		}
	})
}
