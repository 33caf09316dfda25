package providers_test

import (
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/state"
)

// A stop that is refused just then has stopped nothing: the way back finds the service running, and needs no right to start it.
func TestAStopThatIsRefusedJustThen(t *testing.T) {
	vendor()
	for _, kind := range []string{"relaykey", "license", "sqllogin"} {
		for _, where := range []string{"im-admin", "im-engine"} {
			if kind == "relaykey" && where == "im-engine" {
				continue // it is not stopped for that
			}
			t.Run(kind+", "+where, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorldAt(t, lab.Config{Memory: true, Relays: 2, Login: map[bool]string{true: "single"}[kind == "sqllogin"]}, kind)
					host := w.lab.Admin
					if where == "im-engine" {
						host = w.lab.EngineHost
					}
					service := map[string]string{"im-admin": lab.AdminService, "im-engine": lab.EngineService}[where]
					began := host.Machine.Service(service).StartedAt
					before(host, "service.stop", func() { w.do("demote", where) })
					_, o := w.run()
					if kind == "license" && where == "im-admin" && o.Err == nil {
						return // it is not stopped for that
					}
					if len(o.Secrets) != 1 || o.Secrets[0].Ending != state.Back || len(o.Down) > 0 {
						t.Errorf("%v, down %v", o, o.Down)
					}
					if !host.Machine.Service(service).StartedAt.Equal(began) {
						t.Error("it was restarted")
					}
					w.do("promote", where)
					time.Sleep(time.Minute)
					if _, o := w.run(); len(o.Secrets) != 1 || o.Secrets[0].Ending != state.Proven {
						t.Errorf("and then: %v", o)
					}
				})
			})
		}
	}
}
