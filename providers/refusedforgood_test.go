package providers_test

import (
	"fmt"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
)

// A password that was refused for an account is not tried again while the account has the same one in the domain, however long that takes;
// one that was refused soon after a change there is tried once more, as a controller may not have had it.
func TestARefusedPasswordIsNotTriedForEver(t *testing.T) {
	vendor()
	for _, restart := range []string{"now", "later"} {
		for _, soon := range []bool{false, true} {
			t.Run(fmt.Sprint(restart, " soon ", soon), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 0, "sqllogin/alternating", "serviceaccount/"+restart)
					if _, o := w.run(); o.Err != nil {
						t.Fatal(o)
					}
					right := w.kept(lab.AccountSecret, lab.NewAccount)
					time.Sleep(48 * time.Hour)
					w.lab.Directory().Set(lab.Account, "Someone-Else-Set-This-1")
					most := 2
					if time.Sleep(10 * time.Minute); !soon {
						time.Sleep(time.Hour)
						most = 1
					}
					w.declare("alternating", "13", lab.SQLLogin, lab.SQLSpare)
					for range 5 {
						w.run()
						time.Sleep(24 * time.Hour)
					}
					if _, wrong, locked, _ := w.lab.Directory().Look(lab.Account); wrong != most || locked || w.up() != nil {
						t.Errorf("%d wrong passwords, locked out: %v; %v", wrong, locked, w.up())
					}
					if f, said := finding(w.planned(), "logon-refused"); !said || f.Severity != reconciler.Error || f.Hint == "" {
						t.Errorf("%+v", f)
					}
					w.lab.Directory().Set(lab.Account, right)
					time.Sleep(time.Hour)
					w.loggedIn("13")
				})
			})
		}
	}
}
