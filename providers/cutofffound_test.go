package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
)

// What a look sees it says, without any record: files that differ, and relays that are cut off by it.
func TestCutOffWithoutARecord(t *testing.T) {
	vendor()
	for _, at := range []string{"service.start", "file.swap"} { // Admin runs with the new key; or it is stopped, and has it
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 3, "relaykey")
			w.killed(w.lab.Admin, at, machine.After)
			time.Sleep(time.Minute)
			w.moved(t)
			s := w.process()
			v := s.look()
			s.close()
			for _, text := range pages(t, render.StatusOf(v.Plan, v.History, 0, "")) {
				if !strings.Contains(text, "3 relays are cut off: Admin has another key") || strings.Contains(text, "Admin and 3 relays hold") {
					t.Errorf("%s: %s", at, text)
				}
			}
			if c := v.Plan.Changes[0]; c.Status != reconciler.Rotate {
				t.Errorf("%+v", c)
			}
		})
	}
}

// The same where nothing is done about it, as the rest is refused: then it is in what is down, whoever gave it that key.
func TestWhoHasAnotherKeyIsNamedWhereTheRestIsRefused(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		w.run()
		w.do("key", "relay-01")
		time.Sleep(time.Minute)
		w.do("argument", "relay-03")
		p, o := w.run()
		r := render.OutcomeOf(p, "", 0, o)
		if len(p.Blocked()) == 0 || len(r.Down) != 1 || r.Down[0].Host != w.relay(1).Name || !r.Down[0].CutOff || !r.Changed() || !strings.Contains(r.Verdict(), "found CUT OFF: relay-01") {
			t.Errorf("%s: %+v", r.Verdict(), r)
		}
		w.do("plain", "relay-03")
		time.Sleep(time.Minute)
		if c := w.planned().Changes[0]; !strings.Contains(c.Reason, "relay-01.lab.example is cut off: Admin has another key") {
			t.Errorf("%s", c.Reason)
		}
		w.quietly()
	})
}
