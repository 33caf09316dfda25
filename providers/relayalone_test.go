package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/state"
)

// A relay that a run stopped and started while it let Admin be, or found stopped, and that is not seen to work at its end, is in what is
// down, in every format. The next plan says since when, and so does a run that tries in vain again.
func TestARelayThatIsRestartedAloneAndDoesNotComeBackIsInWhatIsDown(t *testing.T) {
	vendor()
	for _, before := range []string{"key", "stop"} {
		t.Run(before, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, "relaykey")
				w.run()
				w.do(before, "relay-01")
				time.Sleep(time.Minute)
				s, began := w.process(), time.Now()
				p, o := s.apply(func() { w.do("cut", "relay-01") })
				s.close()
				saysCutOff(t, o.Down, w.relay(1).Name)
				if len(o.With(state.Proven)) != 1 || o.Down[0].Since.Before(began) {
					t.Fatalf("%v: %+v", o, o.Down)
				}
				for format, text := range pages(t, render.OutcomeOf(p, "r", time.Minute, o)) {
					if !strings.Contains(strings.ToUpper(text), "CUT OFF") && !strings.Contains(text, `"cutOff": true`) {
						t.Errorf("%v: %s", format, text)
					}
				}
				if s := render.OutcomeOf(p, "r", time.Minute, o).Secrets[0]; !strings.Contains(s.Proof, "2 of 3 relays connected") || !strings.HasPrefix(s.Proof, s.Evidence[0]) {
					t.Errorf("the proof is %q, and the evidence %q", s.Proof, s.Evidence)
				}
				since := o.Down[0].Since
				for range 2 { // with the look of a plan, and of a run that does it again
					time.Sleep(time.Hour)
					p, o = w.run()
					left := p.Untouched()
					saysCutOff(t, left, w.relay(1).Name)
					f, _ := finding(p, "still-down") // where runs have tried it twice
					if said := p.Changes[0].Reason + f.Text; !left[0].Since.Equal(since) || !strings.Contains(said, "cut off since "+moment(since)) {
						t.Errorf("since %s, and the next plan: %+v, %s", since, left, said)
					}
					r := render.OutcomeOf(p, "r", time.Minute, o)
					if len(r.Down) != 1 || r.Down[0].What != w.relay(1).Name || !r.Down[0].CutOff || !r.Down[0].Since.Equal(since) {
						t.Errorf("since %s, and then %+v", since, r.Down)
					}
				}
				w.do("uncut", "relay-01")
				time.Sleep(time.Minute)
				w.quietly()
				if p := w.planned(); len(p.Untouched()) > 0 {
					t.Errorf("%+v", p.Untouched())
				}
			})
		})
	}
}

// A relay whose service is not there does not run: it is in what is down, though no run has stopped it.
func TestAServiceThatIsGoneIsInWhatIsDown(t *testing.T) {
	vendor()
	for _, host := range []string{"relay-01", "im-engine", "im-admin"} {
		t.Run(host, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "license", "relaykey", "sqllogin/alternating")
				w.do("remove", host)
				time.Sleep(time.Minute)
				p, o := w.run()
				r := render.OutcomeOf(p, "", 0, o)
				if len(p.Blocked()) == 0 || len(r.Down) != 1 || r.Down[0].Host != w.lab.Host(host).Name || !r.Changed() || r.Down[0].Unsure {
					t.Fatalf("%s: %+v", r.Verdict(), r.Down)
				}
				if d := r.Down[0]; !strings.Contains(d.Why, "there is no such service on its host") || !strings.Contains(d.Hint, "install it again") {
					t.Errorf("%+v", d)
				}
			})
		})
	}
}

// Somebody changes a relay's key while a run prepares: the run goes back, and the relay is cut off by that. It is in what is down.
func TestARelayThatSomebodyCutsOffInPrepareIsInWhatIsDown(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		s := w.process()
		_, o := s.apply(func() {
			w.do("key", "relay-01")
			time.Sleep(time.Minute)
		})
		s.close()
		if len(o.With(state.Back)) != 1 || len(o.Down) != 1 || o.Down[0].What != w.relay(1).Name || !o.Down[0].CutOff || o.Down[0].Unsure {
			t.Fatalf("%v: %+v", o, o.Down)
		}
		says(t, o.Down[0].Why, "the file is not as expected")
		hinted(t, o.Down[0].Why)
		time.Sleep(time.Minute)
		if p := w.planned(); len(p.Untouched()) != 1 || !p.Untouched()[0].CutOff {
			t.Errorf("%+v", p.Untouched())
		}
		w.quietly()
	})
}

// What stands in the way on a relay that works says nothing of others, and nothing of it.
func TestARelayThatStandsInTheWayAndWorksIsNotInWhatIsDown(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		s := w.process()
		_, o := s.apply(func() {
			disk := w.relay(1).Machine.FS.(*machine.Memory)
			content, _, err := disk.Read(lab.RelaySettings)
			if err != nil {
				t.Error(err)
			}
			disk.Write(lab.RelaySettings, append(content, '\n'))
		})
		s.close()
		if len(o.With(state.Back)) != 1 || len(o.Down) > 0 {
			t.Fatalf("%v: %+v", o, o.Down)
		}
	})
}

// A relay has another key than Admin, whoever did that, and the rotation that would have cured it goes back: it is in what is down.
func TestWhoHadAnotherKeyIsNamedWhereTheCureGoesBack(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		w.do("key", "relay-01")
		time.Sleep(time.Minute)
		starts := 0
		w.lab.Admin.Points(func(p machine.Point) (a machine.Action) {
			if p.Op == "service.start" && p.When == machine.Before {
				w.do([]string{"ready-503", "sound"}[min(starts, 1)], "im-admin")
				starts++
			}
			return a
		})
		_, o := w.run()
		if len(o.With(state.Back)) != 1 {
			t.Fatalf("%v", o)
		}
		i := slices.IndexFunc(o.Down, func(d reconciler.Down) bool { return d.What == w.relay(1).Name })
		if len(o.Down) != 1 || i < 0 || !o.Down[i].CutOff || !strings.Contains(o.Down[i].Why.Error(), "it has another key than Admin") {
			t.Errorf("%+v", o.Down)
		}
	})
}

// The same of a list of signers, which Admin has no part in: the plan, each run after it, and one that has nothing to do, tell of a relay that
// did not come back, and since when.
func TestARelayThatDidNotComeBackWithItsListIsInWhatIsDown(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "codesigning")
		s := w.process()
		_, o := s.apply(func() { w.do("cut", "relay-01") })
		s.close()
		saysCutOff(t, o.Down, w.relay(1).Name)
		since := o.Down[0].Since
		for range 3 {
			time.Sleep(time.Hour)
			p, o := w.run()
			saysCutOff(t, p.Untouched(), w.relay(1).Name)
			r := render.OutcomeOf(p, "run", 0, o)
			if len(r.Down) != 1 || !r.Down[0].CutOff || !r.Down[0].Since.Equal(since) || r.OK {
				t.Errorf("since %s, and then %s: %+v", since, r.Verdict(), r.Down)
			}
			if f := p.Changes[0].Findings; !slices.ContainsFunc(f, func(f reconciler.Finding) bool {
				return f.Code == "still-down" && strings.Contains(f.Text, moment(since))
			}) {
				t.Errorf("%+v", f)
			}
		}
		w.do("uncut", "relay-01")
		time.Sleep(time.Minute)
		w.quietly()
		if p := w.planned(); len(p.Untouched()) > 0 {
			t.Errorf("%+v", p.Untouched())
		}
	})
}
