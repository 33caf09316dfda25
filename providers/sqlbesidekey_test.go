package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// Admin or Engine reads its string under another key than the one that is rotated, which holds one too. That it runs on with the login
// that was replaced is not proven, and taken back: both have one string again.
func TestAServiceReadsAnotherKey(t *testing.T) {
	vendor()
	for _, c := range []struct {
		host    string
		drivers bool // which tell another process
	}{{"im-admin", false}, {"im-admin", true}, {"im-engine", false}} {
		host := c.host
		t.Run(fmt.Sprint(host, " ", c.drivers), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: c.drivers, Login: "alternating"}, "sqllogin")
				settings := &w.loginSpec().Settings
				settings.Admin, settings.Engine = stringKey, stringKey
				w.do("connstr", host)
				w.await("both are signed in", func() bool { return w.signsIn(lab.OldLogin) == nil })
				p, o := w.run()
				if f, ok := finding(p, "string-beside"); !ok || !slices.Contains(f.Hosts, w.lab.Host(host).Name) || !strings.Contains(f.Text, "ConnectionStrings:IdentityMesh") {
					t.Errorf("%+v", p.Changes)
				}
				if len(o.With(state.Back)) != 1 || reconciler.HintOf(o.Err) == "" || host == "im-admin" && !strings.Contains(o.Err.Error(), "IdentityMeshAdmin on IM-ADMIN is signed in as "+lab.SQLLogin) {
					t.Errorf("%v, hint %q", o, reconciler.HintOf(o.Err))
				}
				w.await("both are signed in as before", func() bool { return w.signsIn(lab.OldLogin) == nil })
			})
		})
	}
}

// Where the password of the one login dies, nothing is begun before the other string is taken away, or named.
func TestAnotherKeyHasTheOneLogin(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: true, Login: "single"}, "sqllogin")
		w.do("connstr", "im-admin")
		w.await("both are signed in", func() bool { return w.signsIn(lab.OldLogin) == nil })
		time.Sleep(5 * time.Minute) // and the relays are there again
		w.refused("string-beside", "im-admin", "ConnectionStrings:IdentityMesh")
		w.loginSpec().Settings.Admin = "ConnectionStrings:IdentityMesh"
		if p := w.planned(); len(p.Blocked()) > 0 {
			t.Errorf("the document names the key: %+v", p.Blocked())
		}
		w.loggedIn(lab.NewLogin)
	})
}
