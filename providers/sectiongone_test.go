package providers_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
)

// A rotation is cut off, and the next commit names its secret no more: no run for the others starts or stops what it has left, be it on a
// dead string or with an account's password that is dead. Naming the secret again finishes it.
func TestASecretThatWasCutOffIsNamedNoMore(t *testing.T) {
	vendor()
	for _, c := range []struct{ kind, section, host, at string }{
		{"sqllogin", "sqlLogin", "im-engine", "file.swap"},
		{"sqllogin", "sqlLogin", "im-admin", "service.start"},
		{"serviceaccount", "serviceAccounts", "im-engine", "service.stop"},
		{"relaykey", "relayKey", "im-admin", "file.swap"},
	} {
		t.Run(fmt.Sprint(c.kind, " ", c.host, " ", c.at), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				kinds := slices.DeleteFunc([]string{"sqllogin", "relaykey", "license"}, func(k string) bool { return k == "sqllogin" && c.kind != k })
				if !slices.Contains(kinds, c.kind) {
					kinds = append(kinds, c.kind)
				}
				w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: true, Login: "single", Account: accountMode(kinds)}, kinds...)
				secrets := maps.Clone(w.doc.Secrets)
				for section := range secrets {
					if section != c.section {
						delete(w.doc.Secrets, section)
					}
				}
				h := w.lab.Host(c.host)
				w.killed(h, c.at, machine.Before)
				h.Points(nil)
				time.Sleep(10 * time.Minute)
				w.doc.Secrets = maps.Clone(secrets)
				delete(w.doc.Secrets, c.section)
				before := w.lab.Strings()
				p, o := w.run()
				if f, ok := finding(p, "cut-off-elsewhere"); !ok || !strings.Contains(f.Hint, "name the secret again, with version ") || f.Severity != reconciler.Error {
					t.Errorf("%+v", p.Changes)
				}
				if found := p.FoundStopped(); len(found) > 0 {
					t.Errorf("what a run has stopped is said to be stopped by none: %+v", found)
				}
				if now := w.lab.Strings(); !maps.Equal(before, now) {
					t.Errorf("somebody was started: %v", o)
				}
				time.Sleep(10 * time.Minute)
				w.doc.Secrets = secrets
				if _, o := w.run(); o.Err != nil {
					t.Errorf("%v", o)
				}
				if _, o := w.run(); o.Err != nil {
					t.Errorf("%v", o)
				}
				w.await("every service runs", func() bool { return w.up() == nil })
			})
		})
	}
}

// Relays that a rotation has cut off stay cut off when the document names its secret no more: whoever looks or applies is told, with
// how to end it. Those that work are not named.
func TestRelaysThatWereCutOffAreNamedNoMore(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.killed(w.lab.Admin, "service.start", machine.After)
		w.lab.Admin.Points(nil)
		time.Sleep(10 * time.Minute)
		secrets := w.doc.Secrets
		w.doc.Secrets = maps.Clone(secrets)
		delete(w.doc.Secrets, "relayKey")
		told := func(want int) {
			t.Helper()
			s := w.process()
			defer s.close()
			p := s.look().Plan
			all := slices.DeleteFunc(p.Untouched(), func(d reconciler.Down) bool { return !d.CutOff })
			if len(all) != want {
				t.Errorf("%d are told to be cut off, not %d: %+v", len(all), want, p.Untouched())
			}
			i := slices.IndexFunc(p.Fleet, func(f reconciler.Finding) bool {
				return f.Code == "down-elsewhere" && strings.HasPrefix(f.Text, "cut off since ")
			})
			if want > 0 && (i < 0 || len(p.Fleet[i].Hosts) != want || !strings.Contains(p.Fleet[i].Hint, "name the secret again, with version 7, and apply")) {
				t.Errorf("%+v", p.Fleet)
			}
			if want == 0 && i >= 0 {
				t.Errorf("%+v", p.Fleet[i])
			}
		}
		told(3)
		if _, o := w.run(); o.Err != nil { // the license, which is another matter
			t.Error(o.Err)
		}
		told(3)
		key := w.kept("relaykey", lab.NewKey)
		write(t, w.relay(1), lab.RelaySettings, func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), w.old, key)) })
		w.relay(1).Machine.Kill(lab.RelayService)
		if err := w.relay(1).Machine.Start(lab.RelayService); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		told(2)
		w.doc.Secrets = secrets
		w.converged()
		told(0)
	})
}
