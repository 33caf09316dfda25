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
