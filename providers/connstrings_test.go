package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
)

// .NET takes variables behind eleven prefixes for connection strings: each is refused by its name before anything is stopped. A service
// that is restarted has that string, and when the variable is gone the one in the file is rotated.
func TestTheVariablesOfConnectionStrings(t *testing.T) {
	vendor()
	prefixes := appsettings.ConnectionStringPrefixes()
	if len(prefixes) != 11 {
		t.Errorf("%q", prefixes)
	}
	for i, prefix := range prefixes {
		host := []string{"im-admin", "im-engine"}[i%2]
		t.Run(prefix+" "+host, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				const key = "ConnectionStrings:IdentityMesh"
				w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: true, Login: "alternating"}, "sqllogin/alternating")
				h, settings := w.lab.Host(host), &w.loginSpec().Settings
				settings.Admin, settings.Engine = stringKey, stringKey
				if *map[string]*string{"im-admin": &settings.Admin, "im-engine": &settings.Engine}[host] = key; i > 1 {
					w.do("connstr", host)
				} else { // both do
					settings.Admin, settings.Engine = key, key
					w.do("connstr", "im-admin")
					w.do("connstr", "im-engine")
				}
				w.await("both are signed in", func() bool { return w.signsIn(lab.OldLogin) == nil })
				time.Sleep(5 * time.Minute) // and the relays are there again
				w.do("connstr-"+strings.ToLower(strings.TrimSuffix(prefix, "CONNSTR_")), host)
				w.refused("setting-overridden", host, "the service's environment variable "+prefix+"IdentityMesh", key)
				w.restarted(h)
				if err := w.signsIn(lab.OldLogin); err == nil {
					t.Error("it has the string of the file")
				}
				w.do("plain", host)
				w.restarted(h)
				w.await("both are signed in", func() bool { return w.signsIn(lab.OldLogin) == nil })
				w.loggedIn(lab.NewLogin)
			})
		})
	}
}
