package providers_test

import (
	"encoding/json"
	"testing"
	"time"

	"meshrotate/reconciler"
)

// A relay connects after the plan was saved: its way back proves one relay more, so it is another plan. That is said, with the relay.
func TestASavedPlanBeforeARelayConnected(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		time.Sleep(15 * time.Minute)
		w.do("cut", "relay-01")
		time.Sleep(time.Minute)
		s := w.process()
		b, err := json.Marshal(s.look().Plan)
		s.close()
		if err != nil {
			t.Fatal(err)
		}
		saved, err := reconciler.ReadSaved(b)
		if err != nil {
			t.Fatal(err)
		}
		w.do("uncut", "relay-01")
		time.Sleep(time.Minute)
		s = w.process()
		defer s.close()
		v := s.look()
		err = saved.Check(v.Plan, v.History)
		says(t, err, "a warning that is no longer true", "relay-01.lab.example", "relay-disconnected", "nothing was changed")
		hinted(t, err)
	})
}
