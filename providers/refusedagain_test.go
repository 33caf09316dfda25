package providers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
)

// Somebody has changed the account's password in the domain after it was proven. However often one applies, whatever the run is limited
// to: a start that was refused for the account is not tried again within half an hour, and nobody is locked out. Once the account is
// mended, the service is started by hand or by the first run after that.
func TestARefusedStartIsNotTriedAtEveryRun(t *testing.T) {
	vendor()
	for _, restart := range []string{"now", "later"} {
		for _, only := range []string{"", "license", "relaykey", "sqllogin"} {
			t.Run(fmt.Sprint(restart, " only ", only), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 1, "license", "relaykey", "sqllogin", "serviceaccount/"+restart)
					s := w.only(lab.AccountSecret)
					s.apply(nil)
					s.close()
					right := w.kept(lab.AccountSecret, lab.NewAccount)
					w.lab.Directory().Set(lab.Account, "Somebody-Elses-1")
					for range 6 {
						s := w.process()
						if only != "" {
							s.close()
							s = w.only(only)
						}
						s.apply(nil)
						s.close()
						time.Sleep(3 * time.Minute)
					}
					if _, wrong, locked, _ := w.lab.Directory().Look(lab.Account); locked || wrong > 2 {
						t.Errorf("%d wrong passwords, locked out: %v", wrong, locked)
					}
					if p := w.planned(); only == "" && len(p.Blocked()) > 0 && !strings.Contains(fmt.Sprint(p.Blocked()), "is not tried again before") {
						t.Errorf("%+v", p.Blocked())
					}
					w.lab.Directory().Set(lab.Account, right)
					time.Sleep(40 * time.Minute)
					w.run()
					w.run()
					if _, o := w.run(); o.Err != nil {
						t.Errorf("once the account is mended: %v", o)
					}
					w.await("every service runs", func() bool { return w.up() == nil })
				})
			})
		}
	}
}
