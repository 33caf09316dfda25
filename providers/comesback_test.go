package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// comingBack is a world with one kind of secret, a while after its services have started.
func comingBack(t *testing.T, kind string) *world {
	kinds := []string{kind}
	w := newWorldAt(t, lab.Config{Memory: true, Relays: 2, Login: loginMode(kinds), Account: accountMode(kinds), Signing: signing(kinds)}, kinds...)
	time.Sleep(15 * time.Minute)
	return w
}

// works says what the product does not do as it did: a service that does not run, a relay that is not connected, a login that is gone.
func (w *world) works() string {
	if err := w.up(); err != nil {
		return err.Error()
	}
	if n := w.lab.Connected(); n != 2 {
		return fmt.Sprintf("%d relays are connected", n)
	}
	if in := w.lab.SQLInstance().Live(); len(in) < 2 {
		return fmt.Sprintf("only %d services have a database", len(in))
	}
	for host, key := range w.lab.Keys() {
		if key != w.lab.Keys()[w.lab.Admin.Name] {
			return host + " runs with another key than Admin"
		}
	}
	return ""
}

// Whatever was done to a service behind meshrotate's back, and whichever secret is rotated: it is refused before any stop, or it ends
// proven and the product works as before. Nobody is left down, and nobody comes back as another.
func TestWhatIsStoppedComesBackAsItWas(t *testing.T) {
	vendor()
	breaks := []string{"argument", "staging", "production", "unused", "root", "side", "own-env", "user-env", "prefix", "named", "named-env",
		"root-env", "web-root", "web-staging", "both-staging", "secrets", "sibling",
		"wrapped", "wrapped-in", "winsw", "winsw-in", "file", "keep", "edit", "logon", "program", "reprogram"}
	for _, kind := range []string{"license", "relaykey", "sqllogin", "serviceaccount", "codesigning"} {
		for _, what := range breaks {
			for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
				t.Run(kind+"/"+what+"/"+host, func(t *testing.T) {
					t.Parallel()
					virtual(t, func(t *testing.T) {
						w := comingBack(t, kind)
						if text := w.works(); text != "" {
							t.Fatal(text)
						}
						w.do(what, host)
						time.Sleep(30 * time.Second)
						before := w.starts()
						p, o := w.run()
						time.Sleep(time.Minute)
						refused := len(p.Blocked()) > 0
						if refused && !slices.Equal(before, w.starts()) {
							t.Error("a service was stopped though the plan is refused")
						}
						if !refused && (o.Err != nil || len(o.Left) > 0 || len(o.Down) > 0) {
							t.Errorf("%v", o)
						}
						if text := w.works(); text != "" {
							t.Errorf("refused %v: %s", refused, text)
						}
					})
				})
			}
		}
	}
}

// What a service needs to start is known before it is stopped.
func TestWhatAServiceNeedsToStart(t *testing.T) {
	vendor()
	for name, c := range map[string]struct {
		set   func(s *machine.Service)
		words string
	}{
		"a missing service":                {func(s *machine.Service) { s.DependsOn = []string{"Nowhere"} }, "1068): it depends on the service Nowhere, which is not there"},
		"a service that is disabled":       {func(s *machine.Service) { s.DependsOn = []string{"Helper"} }, "1068): it depends on the service Helper, which is disabled and stopped"},
		"a program that is not there":      {func(s *machine.Service) { s.ImagePath = `"D:\gone\X.exe"` }, `2): its program D:\gone\X.exe is not there`},
		"one that a wrapper does not find": {func(s *machine.Service) { s.Wrapped = &machine.Wrapped{Line: `"D:\gone\X.exe"`} }, `2): its program D:\gone\X.exe is not there`},
	} {
		for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
			t.Run(name+"/"+host, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 2, "relaykey", "license")
					h := w.lab.Host(host)
					h.Machine.Install(machine.Service{Name: "Helper", StartMode: "disabled"})
					if err := h.Machine.Change(serviceOf(h), c.set); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
					before := w.starts()
					p, _ := w.run()
					says := func(ch reconciler.Change) bool {
						return slices.ContainsFunc(ch.Findings, func(f reconciler.Finding) bool {
							return f.Severity == reconciler.Error && f.Code == "service-cannot-start" && strings.Contains(f.Text, c.words)
						})
					}
					if !slices.ContainsFunc(p.Changes, says) {
						t.Errorf("%+v", p.Changes)
					}
					if !slices.Equal(before, w.starts()) {
						t.Error("a service was stopped for it")
					}
				})
			})
		}
	}
}

// Whoever restarts a service by hand after a change has tried it: then nothing stands in the way any more.
func TestARestartByHandContentsTheGuard(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey", "license")
		time.Sleep(time.Minute)
		if err := w.lab.EngineHost.Machine.Change(lab.EngineService, func(s *machine.Service) { s.Environment = map[string]string{"Other": "x"} }); err != nil {
			t.Fatal(err)
		}
		p, _ := w.run()
		f, ok := finding(p, "service-changed")
		if !ok || f.Severity != reconciler.Error || !strings.Contains(f.Text, "its registration") || !strings.Contains(f.Text, "2000-01-01 00:01:") {
			t.Fatalf("%+v", f)
		}
		w.restarted(w.lab.EngineHost)
		w.converged()
	})
}

// An account by which one service could not log on is not trusted with another: that one runs.
func TestNothingStopsForAnAccountThatCouldNotLogOn(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey", "license")
		w.do("lock", "im-admin")
		w.do("stop", "im-admin")
		time.Sleep(time.Minute)
		if err := w.lab.Admin.Machine.Start(lab.AdminService); err == nil {
			t.Fatal("a locked account logged on")
		}
		before := w.starts()
		p, _ := w.run()
		f, ok := finding(p, "service-cannot-start")
		if !ok || !strings.Contains(f.Text, "1069") || !strings.Contains(f.Text, "im-admin") || !slices.Equal(before, w.starts()) {
			t.Errorf("%+v, %+v", f, p.Changes)
		}
		w.do("unlock", "im-admin")
		w.do("start", "im-admin")
		time.Sleep(time.Minute)
		w.converged()
	})
}

// What only writes a registration anew, as a policy does that is applied again, stands in nobody's way: it reads as it did.
func TestARegistrationThatIsWrittenAgain(t *testing.T) {
	vendor()
	for host, severity := range map[string]reconciler.Severity{"relay-01": reconciler.Note, "im-admin": reconciler.Warning} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey", "license")
				time.Sleep(time.Minute)
				h := w.lab.Host(host)
				service := serviceOf(h)
				if err := h.Machine.SetLogon(service, h.Machine.Service(service).Account, h.Machine.Password(service)); err != nil {
					t.Fatal(err)
				}
				s := w.process()
				p := s.look().Plan
				s.close()
				if f, ok := finding(p, "service-changed"); !ok || f.Severity != severity || !strings.Contains(f.Text, "as it did") || !slices.Equal(f.Hosts, []string{h.Name}) {
					t.Errorf("%+v", p.Changes)
				}
				w.converged()
			})
		})
	}
}

// A run that starts a service tells what it was started with: what comes after is compared with that.
func TestWhatAServiceWasStartedWith(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey", "license")
		time.Sleep(time.Minute)
		h := w.lab.EngineHost
		if err := h.Machine.Change(lab.EngineService, func(s *machine.Service) { s.Environment = map[string]string{"Other": "x"} }); err != nil {
			t.Fatal(err)
		}
		w.restarted(h)
		w.converged()
		entries, err := w.state.Ledger.Entries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if known := state.NewHistory(entries).LastFact(h.Name, "registration of "+lab.EngineService); known != h.Machine.Registration(lab.EngineService) {
			t.Errorf("the ledger has %q", known)
		}
	})
}
