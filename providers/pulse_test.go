package providers_test

import (
	"fmt"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/relaykey"
	"meshrotate/state"
)

// A list that froze a moment ago is as it should be in the look. Before anything is stopped it must say something new of some relay.
func TestAListThatFrozeAMomentAgo(t *testing.T) {
	for _, kind := range []string{"relaykey", "codesigning"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, kind)
				w.do("relays-stuck", "im-admin")
				time.Sleep(20 * time.Second)
				seen := stopsAnywhere(w)
				p, o := w.run()
				if len(p.Blocked()) > 0 || o.Err == nil {
					t.Fatalf("%v %+v", o, p.Blocked())
				}
				says(t, o.Err, "has said the same of all of them", "3m0s", "frozen", "(lastHeartbeatUtc)")
				hinted(t, o.Err)
				if all := seen(); len(all) > 0 {
					t.Errorf("%d services were stopped or started: %q", len(all), all)
				}
				if len(o.Down) > 0 {
					t.Errorf("%+v", o.Down)
				}
				w.do("sound", "im-admin")
				w.settled()
			})
		})
	}
}

// A killed run has cut off all relays, and the list that says so is frozen. The next run gives them the key: that the list does not say
// that they are connected refutes nothing, and nobody is taken back to where all were cut off.
func TestAFrozenListOfRelaysThatWereCutOff(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		w.killed(w.lab.Admin, "service.start", machine.After)
		w.lab.Admin.Points(nil)
		time.Sleep(10 * time.Minute)
		w.doc.Secrets["relayKey"].(*relaykey.Spec).Version = "8"
		w.do("relays-stuck", "im-admin")
		_, o := w.run()
		if len(o.With(state.Back)) > 0 || o.Err == nil {
			t.Errorf("%v", o)
		}
		says(t, o.Err, "not known", "what it said before the restart")
		hinted(t, o.Err)
		if err := w.keyWorks(w.kept("relaykey", "8"), w.old); err != nil {
			t.Error(err)
		}
		w.do("sound", "im-admin")
		if _, o := w.run(); o.Err != nil {
			t.Errorf("%v", o)
		}
	})
}

// A list that has other names for all relays since Admin's restart, or none that anybody can read, refutes nothing; and the cause is what
// was seen last, not that the time is over.
func TestAListThatIsAnotherOneAfterTheRestart(t *testing.T) {
	for mishap, words := range map[string][]string{"relays-renamed": {"not known", "lists others as connected"}, "relays-404": {"not known", "HTTP 404"}} {
		t.Run(mishap, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey")
				when(w.relay(1), "service.start", machine.Before, func() { w.do(mishap, "im-admin") })
				_, o := w.run()
				if len(o.With(state.Back)) > 0 || o.Err == nil {
					t.Fatalf("%v", o)
				}
				says(t, o.Err, words...)
				hinted(t, o.Err)
				w.relay(1).Points(nil)
				w.do("sound", "im-admin")
				w.settled()
			})
		})
	}
}

// Heartbeats that come further apart than connectedTimeout are measured before anything is stopped, and waited for: whenever a run begins,
// and however long ago the look was, it ends proven or has stopped nothing.
func TestHeartbeatsThatComeSeldom(t *testing.T) {
	for _, kind := range []string{"relaykey", "codesigning"} {
		for _, later := range []time.Duration{0, 30 * time.Second, 70 * time.Second, 110 * time.Second, 130 * time.Second, 150 * time.Second, 190 * time.Second, 230 * time.Second} {
			for _, asked := range []time.Duration{0, 150 * time.Second, 9 * time.Minute} {
				t.Run(fmt.Sprintf("%s, %s later, applied after %s", kind, later, asked), func(t *testing.T) {
					t.Parallel()
					virtual(t, func(t *testing.T) {
						w := newWorldAt(t, lab.Config{Memory: true, Relays: 2, Relaying: "four-minutes", Signing: kind == "codesigning"}, kind)
						time.Sleep(15*time.Minute + later)
						seen := stopsAnywhere(w)
						s := w.process()
						defer s.close()
						p, o := s.apply(func() { time.Sleep(asked) })
						switch {
						case len(seen()) == 0 && (o.Err != nil || len(p.Blocked()) > 0):
						case o.Err != nil, len(o.With(state.Proven)) != 1, len(o.Left) > 0:
							t.Errorf("%v %+v", o, p.Blocked())
						}
					})
				})
			}
		}
	}
}
