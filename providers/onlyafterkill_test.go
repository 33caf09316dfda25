package providers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/mssql/connstring"
	"meshrotate/reconciler/secret"
)

// A run that is limited to another secret starts no service on a string that a killed rotation of the login left behind: not on another
// one than the other service has, and not on one whose password is dead. The next whole run brings everything up.
func TestOnlyStartsNobodyOnAnOldString(t *testing.T) {
	vendor()
	for _, mode := range []string{"alternating", "single", "external"} {
		for _, kind := range []string{"license", "relaykey", "serviceaccount"} {
			for _, at := range []string{"im-engine file.swap before", "im-engine file.swap", "im-admin file.swap before", "im-admin file.swap", "im-engine service.stop", "im-admin service.start before", "im-admin service.start"} {
				t.Run(fmt.Sprint(mode, " killed at ", at, " only ", kind), func(t *testing.T) {
					t.Parallel()
					virtual(t, func(t *testing.T) {
						w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: true, Login: mode, Account: accountMode([]string{kind})}, "sqllogin", kind)
						at, host, moment := strings.Fields(at), w.lab.Admin, machine.After
						if at[0] == "im-engine" {
							host = w.lab.EngineHost
						}
						if len(at) > 2 {
							moment = machine.Before
						}
						w.killed(host, at[1], moment)
						host.Points(nil)
						time.Sleep(10 * time.Minute)
						s := w.only(secretOf(kind))
						_, o := s.apply(nil)
						s.close()
						started := ""
						for host, text := range w.lab.Strings() {
							if started != "" && text != started {
								t.Errorf("the services run on two strings: %v", o)
							}
							if started = text; w.signsInOnce(text) != nil {
								t.Errorf("%s runs on a string that is dead: %v", host, o)
							}
						}
						time.Sleep(10 * time.Minute)
						if _, locked, _ := w.lab.SQLInstance().LookLogin(lab.SQLLogin); locked {
							t.Error("the login is locked out")
						}
						if _, o := w.run(); o.Err != nil {
							t.Errorf("the next whole run: %v", o)
						}
						time.Sleep(2 * time.Minute)
						w.loggedIn(lab.NewLogin)
					})
				})
			}
		}
	}
}

// signsInOnce says whether SQL Server takes a string.
func (w *world) signsInOnce(text string) error {
	s, err := connstring.Parse(secret.NewString(text))
	if err != nil {
		return err
	}
	_, err = w.lab.SQLInstance().Login(sqlserver.Client{User: s.Shown(connstring.UserID), Password: string(s.Get(connstring.Password).Expose()), Host: "TEST", Database: lab.Database})
	return err
}
