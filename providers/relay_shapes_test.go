package providers_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// However Admin lists its relays, they are proven; or else the plan says why they could not be, and nothing is stopped for it.
func TestRelayListsOfEveryShape(t *testing.T) {
	vendor()
	type refusal struct {
		code string
		says []string // the field, and the value seen
	}
	codes := map[string]refusal{
		"page":           {"relay-list-cut", []string{"1 of 3 entries"}},
		"more":           {"relay-list-cut", []string{"there are more"}},
		"by-page":        {"relay-list-cut", []string{"there are more"}},
		"by-page-mute":   {"relay-list-cut", []string{"there are more"}},
		"by-offset":      {"relay-list-cut", []string{"1 of 3 entries"}},
		"by-token":       {"relay-list-cut", []string{"there are more"}},
		"default-page":   {"relay-unlisted", []string{"relay-03.lab.example is not"}},
		"frozen":         {"relay-list-time", []string{"the latest heartbeat in Admin's list", "1h0m", `lastHeartbeatUtc = "`}},
		"connected-at":   {"relay-list-time", []string{"the latest heartbeat in Admin's list", "lastSeen = "}},
		"local":          {"relay-list-time", []string{"5h30m", `lastHeartbeat = "`}},
		"odd-status":     {"relay-list-connected", []string{`status = "Degraded"`}},
		"null-connected": {"relay-list-connected", []string{"connected = null"}},
		"state-number":   {"relay-list-connected", []string{"status = 1"}},
		"odd-heartbeat":  {"relay-list-heartbeat", []string{`lastHeartbeatUtc = "just now"`}},
		"no-heartbeat":   {"relay-list-heartbeat", []string{"no field of its list does"}},
		"null-heartbeat": {"relay-list-heartbeat", []string{"lastHeartbeatUtc = null"}},
		"year-one":       {"relay-list-heartbeat", []string{`lastHeartbeatUtc = "0001-01-01T00:00:00"`}},
		"by-name":        {"admin-api", []string{"an object keyed by names"}},
		"unnamed":        {"relay-list-names", []string{"no entry with a name"}},
		"own-names":      {"relay-list-names", []string{"no entry with a name"}},
		"strangers":      {"relay-list-names", []string{"branch-1"}},
		"other-domain":   {"relay-list-names", []string{".dmz.example"}},
	}
	fields := map[string]specs.RelayFields{"local": {Zone: "Asia/Kolkata"}, "own-names": {Name: "node", Connected: "alive", Heartbeat: "ping"}}
	pagings := map[string]specs.API{"by-page": {Paging: specs.Paging{Page: "pageNumber"}}, "by-offset": {Paging: specs.Paging{Offset: "offset"}}, "by-token": {Paging: specs.Paging{Token: "pageToken"}},
		"by-page-mute": {Relays: "/api/relays?page=0", Paging: specs.Paging{Page: "page"}}}
	for _, shape := range lab.RelayShapes {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, Relays: 3, Relaying: shape}, "relaykey")
				time.Sleep(15 * time.Minute) // so that a relay that is not listed is no newcomer
				if shape == "page-size" || shape == "page-hidden" {
					p, o := w.run()
					if shape == "page-hidden" {
						says(t, o.Left[0].Why, "an old connection of")
					} else if f, ok := finding(p, "relay-list-cut"); !ok || f.Severity != reconciler.Warning || f.Hint == "" || !strings.Contains(f.Text, "room for 4") {
						t.Errorf("%+v", p.Changes)
					}
					if len(o.With(state.Proven)) != 1 || len(o.Left) != 2 { // one is on the page, and is proven
						t.Errorf("%+v", o)
					}
					for _, l := range o.Left {
						if shape == "page-size" {
							says(t, l.Why, "not known", "one page")
						}
						hinted(t, l.Why)
					}
					for _, d := range o.Down {
						if !d.CutOff || !d.Unsure {
							t.Errorf("nobody knows whether it is cut off: %+v", d)
						}
					}
					if c := w.planned().Changes[0]; shape == "page-hidden" && !strings.Contains(c.Reason, "2 relays were not seen connected") {
						t.Errorf("the next plan says: %s", c.Reason)
					}
					return
				}
				if r, refused := codes[shape]; refused {
					w.refused(r.code, r.says...)
					if f, _ := finding(w.planned(), r.code); shape == "connected-at" && !strings.Contains(f.Hint, "product.api.fields.heartbeat") {
						t.Errorf("the field may be another one: %+v", f)
					}
					if shape == "default-page" {
						w.refused("relay-list-cut", "10 entries", "on another page")
					}
					if f, ok := finding(w.planned(), "relay-list-cut"); ok && !strings.Contains(f.Hint, "product.api.paging: {page") {
						t.Errorf("%+v", f)
					}
					own, named := fields[shape]
					paging, turned := pagings[shape]
					if !named && !turned {
						return
					}
					w.doc.Product.API.Fields, w.doc.Product.API.Paging = own, paging.Paging
					w.doc.Product.API.Relays = cmp.Or(paging.Relays, w.doc.Product.API.Relays)
				}
				p, o := w.run()
				if o.Err != nil || len(o.With(state.Proven)) != 1 || len(o.Left) > 0 {
					t.Fatalf("%v %+v", o, p.Changes)
				}
				if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
					t.Error(err)
				}
				s := w.process()
				defer s.close()
				if again := s.look().Plan; !again.Empty() || len(again.Blocked()) > 0 {
					t.Errorf("and again: %+v", again.Changes)
				}
			})
		})
	}
}

// A certificate's relays are restarted only where Admin's list can show that they are connected again, or where the plan says that
// it does not.
func TestSigningOverListsOfEveryShape(t *testing.T) {
	vendor()
	for _, shape := range lab.RelayShapes {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, Relays: 2, Relaying: shape, Signing: true}, "codesigning")
				time.Sleep(15 * time.Minute)
				before := w.starts()
				p, o := w.run()
				stopped := !slices.Equal(before, w.starts())
				_, off := finding(p, "relay-disconnected")
				_, unasked := finding(p, "admin-api")
				switch evidence := strings.Join(evidenceOf(o), " "); {
				case len(p.Blocked()) > 0 && stopped:
					t.Errorf("refused, and a service was stopped: %+v", p.Changes)
				case shape == "page-size": // which the plan warns of
					if _, warned := finding(p, "relay-list-cut"); !warned || len(o.With(state.Proven)) != 1 {
						t.Errorf("%+v", o)
					}
				case shape == "page-hidden": // of which nobody can know
					if len(o.With(state.Proven)) != 1 || len(o.Left) != 1 || len(o.Down) != 1 || !o.Down[0].Unsure {
						t.Errorf("%+v", o)
					}
					if d := w.planned().Untouched(); len(d) != 1 || !d[0].Unsure {
						t.Errorf("nor does the next plan: %+v", d)
					}
				case len(p.Blocked()) == 0 && (len(o.With(state.Proven)) != 1 || o.Err != nil || len(o.Left) > 0):
					t.Errorf("%+v", o)
				case len(p.Blocked()) == 0 && !off && !unasked && !strings.Contains(evidence, "2 relays connected"):
					t.Errorf("nobody says that no connection is proven: %s", evidence)
				}
			})
		})
	}
}

// What Admin's list lacks cannot be known of an Admin that is down. It is looked at once Admin is up, before a relay is stopped. What it
// says of relays that are connected can be seen when one is.
func TestListsOfAnAdminThatWasDown(t *testing.T) {
	vendor()
	unread := []string{"page", "more", "by-page", "by-page-mute", "by-offset", "by-token", "odd-status", "null-connected", "state-number", "by-name", "unnamed", "own-names", "page-size"}
	unseen := []string{"frozen"}
	untold := []string{"strangers", "other-domain", "five-minutes", "odd-heartbeat", "no-heartbeat", "null-heartbeat", "year-one", "four-minutes"} // some are connected, and nobody says since when: nothing is taken back for that
	for _, shape := range lab.RelayShapes {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, Relays: 3, Relaying: shape}, "relaykey")
				w.do("stop", "im-admin")
				w.await("it is down", func() bool { return w.lab.Admin.Machine.Service(lab.AdminService).State == "stopped" })
				before := w.starts()
				_, o := w.run()
				ends, relays := state.Proven, true
				if slices.Contains(unread, shape) {
					ends, relays = state.Back, false
					says(t, o.Err, "no proof could read its list of relays")
				}
				if slices.Contains(unseen, shape) {
					ends = state.Back
				}
				if slices.Contains(untold, shape) {
					ends = state.Unknown
				}
				if shape == "default-page" { // what is not on it is left behind: whether it works is not known
					if len(o.With(ends)) != 1 || len(o.Left) != 1 {
						t.Errorf("%+v", o)
					}
					for _, l := range o.Left {
						says(t, l.Why, "not known", "one page")
						hinted(t, l.Why)
					}
					return
				}
				sure := slices.DeleteFunc(slices.Clone(o.Down), func(d reconciler.Down) bool { return d.Unsure })
				if len(o.With(ends)) != 1 || len(sure) > 0 || len(o.Left)+len(o.Down) > 0 && shape != "page-hidden" {
					t.Errorf("%+v", o)
				}
				if ends != state.Proven {
					hinted(t, o.Err)
				}
				// the hosts are Admin, Engine, and the relays
				if after := w.starts(); slices.Equal(before[2:], after[2:]) == relays {
					t.Errorf("relays began at %v, and then at %v", before[2:], after[2:])
				}
				if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); (err == nil) != (ends != state.Back) {
					t.Error(err)
				}
			})
		})
	}
}

// Where Admin's file was touched since it started nobody knows which key it has. That its list has no relay is said all the same.
func TestAnEmptyListOfAnAdminThatMayHaveAnotherKey(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		time.Sleep(15 * time.Minute)
		w.do("relays-empty", "im-admin")
		w.do("writable", "im-admin")
		f, ok := finding(w.planned(), "relay-list-names")
		if !ok || f.Severity != reconciler.Warning || f.Hint == "" || len(f.Hosts) != 2 || !strings.Contains(f.Text, "no relay is in Admin's list") {
			t.Errorf("%+v", f)
		}
	})
}

// A relay that Admin calls connected, and has not heard of for an hour, is said before it restarts, and not waited for.
func TestSigningOverARelayThatIsNotHeard(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Memory: true, Relays: 3, Signing: true}, "codesigning")
		time.Sleep(15 * time.Minute)
		w.do("unheard", "relay-02")
		p, o := w.run()
		f, ok := finding(p, "relay-disconnected")
		if !ok || !slices.Equal(f.Hosts, []string{w.relay(2).Name}) {
			t.Errorf("%+v", p.Changes)
		}
		if o.Err != nil || len(o.With(state.Proven)) != 1 || len(o.Left) > 0 || !strings.Contains(strings.Join(evidenceOf(o), " "), "2 relays connected") {
			t.Errorf("%+v", o)
		}
	})
}

func evidenceOf(o reconciler.Outcome) (all []string) {
	for _, s := range o.Secrets {
		all = append(all, s.Evidence...)
	}
	return all
}

// A relay that is cut off while it restarts is not proven by a heartbeat from before, whatever its clock makes of that; one that
// comes back is, in time.
func TestCutOffIsNotProven(t *testing.T) {
	vendor()
	for _, off := range []time.Duration{3 * time.Second, 9 * time.Second, 12 * time.Second, time.Minute, -time.Minute} {
		for _, cut := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, cut off %v", off, cut), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorldAt(t, lab.Config{Memory: true, Relays: 3, Relaying: "own-clock"}, "relaykey")
					time.Sleep(15 * time.Minute)
					w.relay(2).Skew(off)
					time.Sleep(37 * time.Second) // its heartbeats are told by that clock
					s := w.process()
					defer s.close()
					_, o := s.apply(func() {
						if cut {
							w.do("cut", "relay-02")
						}
					})
					if len(o.With(state.Proven)) != 1 || cut != (len(o.Left) == 1) {
						t.Errorf("%+v", o)
					}
				})
			})
		}
	}
}

// Before any relay has connected Admin's list shows little. What it shows counts; and where it shows nothing, that is said, and when
// more is known.
func TestRelayListsBeforeAnyRelayHasConnected(t *testing.T) {
	vendor()
	for shape, code := range map[string]string{"plain": "relay-list-early", "epoch": "relay-list-early", "epoch-text": "relay-list-early", "slash-date": "relay-list-early", "odd-heartbeat": "relay-list-heartbeat", "no-heartbeat": "relay-list-early"} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, Relays: 2, Relaying: shape}, "relaykey")
				for _, relay := range []string{"relay-01", "relay-02"} {
					w.do("cut", relay)
				}
				adminStarted(w, 30*time.Second)
				before := w.starts()
				p, _ := w.run()
				if f, ok := finding(p, code); !ok || len(p.Blocked()) == 0 || f.Hint == "" || len(f.Hosts) != 2 {
					t.Errorf("%+v", p.Changes)
				}
				if now := w.starts(); !slices.Equal(before, now) {
					t.Errorf("a service was stopped for it: %v, %v", before, now)
				}
				if shape != "plain" {
					return
				}
				for _, relay := range []string{"relay-01", "relay-02"} {
					w.do("uncut", relay)
				}
				w.await("they are back", func() bool { return w.lab.Connected() == 2 })
				w.settled()
			})
		})
	}
}

// A while after a start nobody can know whether relays that are not listed are late, or never will be: in a list of some, which may be
// one page that does not say so. Nothing stops for it. What another key cures is cured.
func TestRelaysThatAreNotListedYet(t *testing.T) {
	vendor()
	for name, c := range map[string]struct {
		unlisted []string
		also     string // a mishap of the last of them
		refused  bool
	}{
		"one":                   {[]string{"relay-03"}, "", true},
		"one that is not heard": {[]string{"relay-03"}, "unheard", true},
		"all but one":           {[]string{"relay-02", "relay-03"}, "", true},
		"one with another key":  {[]string{"relay-03"}, "key", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, Relays: 3}, "relaykey")
				adminStarted(w, 30*time.Second)
				for _, relay := range c.unlisted {
					if c.also == "" {
						w.do("unlisted", relay)
					} else {
						w.do(c.also, relay)
					}
				}
				before := w.starts()
				p := w.planned()
				f, early := finding(p, "relay-list-early")
				if early != c.refused || c.refused && (f.Severity != reconciler.Error || f.Hint == "" || len(f.Hosts) != len(c.unlisted)) {
					t.Fatalf("%+v", p.Changes)
				}
				_, o := w.run()
				if c.refused != slices.Equal(before, w.starts()) {
					t.Errorf("%v", o)
				}
				if !c.refused {
					return
				}
				w.do("sound", "relay-01")
				w.settled()
			})
		})
	}
}

// That no relay has connected yet is said where Admin says so, and not where nobody can read whether one has.
func TestAListThatCannotBeReadIsNotEarly(t *testing.T) {
	vendor()
	for shape, code := range map[string]string{"own-names": "relay-list-names", "null-connected": "relay-list-connected"} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, Relays: 2, Relaying: shape}, "relaykey")
				adminStarted(w, 30*time.Second)
				p := w.planned()
				if f, ok := finding(p, code); !ok || f.Severity != reconciler.Error {
					t.Errorf("%+v", p.Changes)
				}
				if f, ok := finding(p, "relay-list-early"); ok {
					t.Errorf("%+v", f)
				}
			})
		})
	}
}

// A clock that is off by what is allowed spoils no proof, whosever it is, and whosever clock heartbeats are told by.
func TestClocksThatAreOff(t *testing.T) {
	vendor()
	const off = 4 * time.Minute
	for _, c := range []struct {
		name, shape string
		set         func(w *world)
	}{
		{"a relay's, ahead", "plain", func(w *world) { w.relay(1).Skew(off) }},
		{"a relay's, behind", "plain", func(w *world) { w.relay(1).Skew(-off) }},
		{"a relay's, ahead, and its heartbeats are told by it", "own-clock", func(w *world) { w.relay(1).Skew(off) }},
		{"a relay's, behind, and its heartbeats are told by it", "own-clock", func(w *world) { w.relay(1).Skew(-off) }},
		{"all relays'", "own-clock", func(w *world) { w.relay(1).Skew(-off); w.relay(2).Skew(-off) }},
		{"a proxy's, ahead", "plain", func(w *world) { w.do("date-ahead", "im-admin") }},
		{"a proxy's, behind", "plain", func(w *world) { w.do("date-behind", "im-admin") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, Relays: 2, Relaying: c.shape}, "relaykey")
				time.Sleep(15 * time.Minute)
				c.set(w)
				w.settled()
				if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// starts is when each service started.
func (w *world) starts() (all []time.Time) {
	for _, h := range w.lab.Hosts() {
		for _, name := range []string{lab.AdminService, lab.EngineService, lab.RelayService} {
			if s := h.Machine.Service(name); s.Installed {
				all = append(all, s.StartedAt)
			}
		}
	}
	return all
}
