package providers_test

import (
	"slices"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
)

// The one login has another password in SQL Server than in the files of the services, which have signed in before that: as the document
// declares it, or behind everybody's back. What is limited to another secret, and stops Admin, stops nobody.
func TestOnlyStopsNoAdminWhoseStringIsDead(t *testing.T) {
	vendor()
	for _, mode := range []string{"external", "single"} {
		for _, kind := range []string{"relaykey", "serviceaccount"} {
			if kind == "serviceaccount" && mode == "single" {
				continue // it goes on with an Admin that is not well, as it may be the cure
			}
			for _, since := range []time.Duration{time.Second, 2 * time.Minute} {
				t.Run(mode+" only "+kind+" after "+since.String(), func(t *testing.T) {
					t.Parallel()
					virtual(t, func(t *testing.T) {
						w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: true, Login: mode, Account: accountMode([]string{kind})}, "sqllogin", kind)
						w.loginSpec().Login = lab.SQLLogin
						l, _, _ := w.lab.SQLInstance().LookLogin(lab.SQLSpare)
						w.login(lab.SQLLogin, func(o *sqlserver.Login) { o.Password = l.Password })
						time.Sleep(since)
						before := w.starts()
						s := w.only(secretOf(kind))
						p, o := s.apply(nil)
						s.close()
						if !slices.Equal(before, w.starts()) {
							t.Errorf("%v: %+v", o, p.Changes)
						}
					})
				})
			}
		}
	}
}
