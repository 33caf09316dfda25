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
	"meshrotate/state"
)

// stopsAnywhere names the services that somebody stops or starts over WinRM from now on.
func stopsAnywhere(w *world) func() []string {
	var mu sync.Mutex
	var all []string
	for _, h := range w.lab.Hosts() {
		h.Points(func(p machine.Point) machine.Action {
			if strings.HasPrefix(p.Op, "service.st") && p.When == machine.Before {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, h.Name+": "+p.Op)
			}
			return machine.Action{}
		})
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// Whatever would fail after the first stop is found in the plan: all of it at once, by host, with what to do. Once it is mended
// the rotation goes through.
func TestPreflight(t *testing.T) {
	for _, c := range []struct {
		mishap, mend, host string
		words              []string // what a finding says, and its code
	}{
		{"readonly", "writable", "relay-01", []string{"file-read-only", `IdentityMeshRelayAgent\appsettings.json is read-only`}},
		{"readonly", "writable", "im-engine", []string{"file-read-only", `license.key is read-only`}},
		{"hold", "release", "relay-01", []string{"file-held", "another process holds the file open", "appsettings.json"}},
		{"hold", "release", "im-admin", []string{"file-held", "license.key"}},
		{"keep", "release", "relay-01", []string{"file-held", "another process holds the file open", "read"}},
		{"keep", "release", "im-engine", []string{"file-held", "license.key"}},
		{"remove", "install", "relay-01", []string{"service-missing", "there is no service IdentityMeshRelayAgent"}},
		{"remove", "install", "im-engine", []string{"service-missing", "IdentityMeshEngine"}},
		{"fill", "empty", "relay-01", []string{"disk-full", "no room"}},
		{"fill", "empty", "im-admin", []string{"disk-full", "no room"}},
		{"deny", "grant", "relay-01", []string{"file-denied", "may not replace"}},
		{"deny", "grant", "im-engine", []string{"folder-denied", "may not make files in"}},
		{"demote", "promote", "relay-01", []string{"service-denied", "may not stop and start IdentityMeshRelayAgent"}},
		{"demote", "promote", "im-engine", []string{"service-denied", "IdentityMeshEngine"}},
		{"bar", "unbar", "im-engine", []string{"service-cannot-start", "IdentityMeshEngine may not log on as a service"}},
		{"bar", "unbar", "im-admin", []string{"service-cannot-start", "may not log on as a service"}},
		{"lock", "unlock", "im-engine", []string{"service-cannot-start", "the account of service IdentityMeshEngine is locked out or disabled"}},
		{"lock", "unlock", "im-admin", []string{"service-cannot-start", "the account of service IdentityMeshAdmin is locked out or disabled"}},
		{"confine", "unconfine", "relay-01", []string{"host-failed", "Constrained Language Mode"}},
		{"confine", "unconfine", "im-engine", []string{"host-failed", "Constrained Language Mode"}},
		{"skew", "sync", "relay-01", []string{"clock-skew", "ahead of ours"}},
	} {
		t.Run(c.mishap+" "+c.host, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				kinds := []string{"relaykey", "license", "sqllogin", "serviceaccount"}
				if c.mishap == "remove" {
					kinds = kinds[:3] // one that is installed anew logs on with the password of before, which is refused then
				}
				w := newWorld(t, 3, kinds...)
				h := w.lab.Host(c.host)
				w.do(c.mishap, c.host)
				seen := stopsAnywhere(w)
				p, _ := w.run()
				if len(p.Blocked()) == 0 {
					t.Errorf("the plan refuses nothing: %+v", p.Changes)
				}
				var f reconciler.Finding
				for _, change := range p.Changes {
					for _, of := range change.Findings {
						if string(of.Code) == c.words[0] && of.Severity == reconciler.Error && strings.Contains(of.Text, h.Name) && !slices.ContainsFunc(c.words[1:], func(word string) bool { return !strings.Contains(of.Text, word) }) {
							f = of
						}
					}
				}
				if f.Hint == "" || c.mishap == "confine" && !strings.Contains(f.Hint, "AppLocker") {
					t.Errorf("no finding %q with a hint: %+v", c.words, p.Changes)
				}
				if all := seen(); len(all) > 0 {
					t.Errorf("%d services were stopped or started: %q", len(all), all)
				}
				w.do(c.mend, c.host)
				w.await("all is as before", func() bool { return w.up() == nil && w.lab.Connected() == 3 })
				w.converged()
			})
		})
	}
}

// All failures are told at once, those of several hosts in one row.
func TestPreflightTellsAllAtOnce(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 4, "relaykey")
		for host, mishap := range map[string]string{"relay-01": "readonly", "relay-02": "readonly", "relay-03": "demote", "relay-04": "remove", "im-admin": "hold"} {
			w.do(mishap, host)
		}
		p := w.planned()
		for _, code := range []string{"file-read-only", "service-denied", "service-missing", "file-held"} {
			if _, ok := finding(p, code); !ok {
				t.Errorf("no %s: %+v", code, p.Changes)
			}
		}
		s := w.process()
		defer s.close()
		s.look()
		text := strings.Join(s.said, "\n")
		if !strings.Contains(text, "relay-01.lab.example and relay-02.lab.example") {
			t.Errorf("two hosts with the same trouble are not one row:\n%s", text)
		}
	})
}

// A file that is held for a moment refuses nothing.
func TestHeldForAMoment(t *testing.T) {
	for moment, refused := range map[time.Duration]bool{50 * time.Millisecond: false, 1300 * time.Millisecond: false, 1400 * time.Millisecond: true} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 1, "relaykey", "license")
			disk := w.relay(1).Machine.FS.(*machine.Memory)
			when(w.relay(1), "file.read", machine.Before, func() {
				release, err := disk.Hold(lab.RelaySettings, machine.ShareNone)
				if err != nil {
					t.Error(err)
					return
				}
				time.AfterFunc(moment, release)
			})
			if !refused {
				w.converged()
			} else if f, held := finding(w.planned(), "file-held"); !held || f.Severity != reconciler.Error {
				t.Errorf("held for %s: %+v", moment, f)
			}
		})
	}
}

// A relay that does not work already is told before anything is done.
func TestRelayThatWasAwayBefore(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey", "license")
		w.do("cut", "relay-01")
		w.await("it is away", func() bool { return w.lab.Connected() == 1 })
		time.Sleep(time.Minute) // Admin has noticed
		f, ok := finding(w.planned(), "relay-disconnected")
		if !ok || f.Severity != reconciler.Warning || !slices.Contains(f.Hosts, w.relay(1).Name) || !strings.Contains(f.Text, "before the rotation") {
			t.Errorf("%+v", f)
		}
		w.do("uncut", "relay-01")
		w.converged()
	})
}

// When no relay works although each is known to have Admin's key, no key would be proven. Where they have others, the rotation is
// the cure, also when nobody knows these.
func TestNoRelayWorksBefore(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey", "license")
		for _, relay := range []string{"relay-01", "relay-02"} {
			w.do("cut", relay)
		}
		time.Sleep(10 * time.Minute)
		seen := stopsAnywhere(w)
		p, _ := w.run()
		if f, ok := finding(p, "no-relay-connected"); !ok || len(p.Blocked()) == 0 || !slices.Contains(f.Hosts, w.relay(1).Name) || !strings.Contains(f.Text, "the key is not the reason") {
			t.Errorf("%+v", p.Changes)
		}
		if all := seen(); len(all) > 0 {
			t.Errorf("%q", all)
		}
		for _, relay := range []string{"relay-01", "relay-02"} {
			w.do("uncut", relay)
			w.do("key", relay)
		}
		w.do("key", "im-admin")
		time.Sleep(10 * time.Minute)
		w.converged()
	})
}

// What Admin says of one relay keeps nobody from rotating the others, once the policy lets it be left behind; it is named before.
func TestOneRelayThatAdminDoesNotTellOf(t *testing.T) {
	vendor()
	for mishap, words := range map[string]string{"unlisted": "not in Admin's list", "unheard": "not heard of it for long"} {
		t.Run(mishap, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, "relaykey")
				time.Sleep(10 * time.Minute)
				w.do(mishap, "relay-02")
				before := w.starts()
				w.refused(map[string]string{"unlisted": "relay-unlisted", "unheard": "relay-list-time"}[mishap], w.relay(2).Name)
				if now := w.starts(); !slices.Equal(before, now) {
					t.Errorf("a service was stopped for it: %v, %v", before, now)
				}
				w.doc.Policy.Unreachable.Tolerate = []string{w.relay(2).Name}
				p, o := w.run()
				f, ok := finding(p, "relay-disconnected")
				if !ok || f.Severity != reconciler.Warning || !slices.Contains(f.Hosts, w.relay(2).Name) || !strings.Contains(f.Text, words) {
					t.Errorf("%+v", p.Changes)
				}
				if o.Err != nil || len(o.With(state.Proven)) != 1 || len(o.Left) != 1 {
					t.Errorf("%+v", o)
				}
				if mishap == "unlisted" { // it has the key: no restart shows more of it
					before := w.starts()
					if again, o := w.run(); o.Err != nil || len(o.Left) > 0 || !slices.Equal(before, w.starts()) {
						t.Errorf("and again: %+v %+v", o, again.Changes)
					}
					if third := w.planned(); !third.Empty() {
						t.Errorf("and again: %+v", third.Changes)
					}
				}
				w.do("sound", "im-admin")
				w.settled()
			})
		})
	}
}

// A domain that says nothing of the account lets nobody know before: the first service that is stopped does not come back, and none that
// runs is stopped after it.
func TestALockedAccountOfWhichTheDomainSaysNothing(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey", "license")
		w.lab.Directory().Silent = true
		w.lab.Directory().Lock(lab.Account, true)
		seen := stopsAnywhere(w)
		_, o := w.run()
		says(t, o.Err, "1069")
		if len(o.Down) != 1 {
			t.Errorf("%+v, %q", o.Down, seen())
		}
		w.lab.Directory().Lock(lab.Account, false)
		w.do("start", "im-admin")
		time.Sleep(time.Minute)
		w.converged()
	})
}
