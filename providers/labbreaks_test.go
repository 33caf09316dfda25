package providers_test

import (
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/winhost"
)

// A break that restarts a service whose account has another password by now says so, and leaves it running; and what was let once is
// let again.
func TestALabBreakThatLetsAServiceReadAnotherString(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: true, Login: "alternating"}, "sqllogin/alternating")
		w.do("password", "im-engine")
		_, err := w.lab.Break("connstr", "im-engine")
		if err == nil || !strings.Contains(err.Error(), "another password") || w.lab.EngineHost.Machine.Service(lab.EngineService).State != winhost.Running {
			t.Fatalf("%v", err)
		}
		w.await("it runs", func() bool { return w.lab.EngineHost.Machine.Service(lab.EngineService).State == winhost.Running })
		w.do("store", "im-engine")
		for range 2 {
			w.do("connstr", "im-engine")
			w.await("both are signed in", func() bool { return w.signsIn(lab.OldLogin) == nil })
			w.await("it runs", func() bool { return w.lab.EngineHost.Machine.Service(lab.EngineService).State == winhost.Running })
			w.do("plain", "im-engine")
		}
	})
}
