package providers_test

import (
	"encoding/json"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// saved is what is planned now, as a file has it.
func (w *world) saved() *reconciler.Saved {
	w.t.Helper()
	s := w.process()
	defer s.close()
	b, err := json.Marshal(s.look().Plan)
	if err != nil {
		w.t.Fatal(err)
	}
	saved, err := reconciler.ReadSaved(b)
	if err != nil {
		w.t.Fatal(err)
	}
	return saved
}

// A relay connects after the plan was saved, or is lost. Nothing else is done for that: the steps are the same, and it was known, or was
// warned of, that it may be left behind.
func TestASavedPlanBeforeARelayConnected(t *testing.T) {
	vendor()
	for _, c := range []struct {
		reason   string
		kind     string
		was, now string // "cut" or "uncut"
		stale    []string
	}{
		{"one connects", "relaykey", "cut", "uncut", nil},
		{"one connects, of a certificate's", "codesigning", "cut", "uncut", nil},
		{"one that was not warned of is lost", "relaykey", "uncut", "cut", []string{"relay-01.lab.example", "relay-disconnected"}},
		{"one that was not warned of is lost, of a certificate's", "codesigning", "uncut", "cut", []string{"relay-01.lab.example", "relay-disconnected"}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, Relays: 3, Signing: c.kind == "codesigning"}, c.kind)
				time.Sleep(15 * time.Minute)
				if c.was == "cut" {
					w.do("cut", "relay-01")
				}
				time.Sleep(time.Minute)
				saved := w.saved()
				w.do(c.now, "relay-01")
				time.Sleep(time.Minute)
				s := w.process()
				v := s.look()
				err := saved.Check(v.Plan, v.History)
				s.close()
				if c.stale != nil {
					says(t, err, append(c.stale, "nothing was changed")...)
					hinted(t, err)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if v.Plan.Digest != saved.Digest {
					t.Error("the ledger is to have what was agreed to")
				}
				_, o := w.run()
				if o.Err != nil || len(o.With(state.Proven)) != 1 || len(o.Left) > 0 {
					t.Errorf("%+v", o)
				}
			})
		})
	}
}
