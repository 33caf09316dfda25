package providers_test

import (
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// The password of the live login was changed beside us, and Admin is not ready for that. What needs a ready Admin waits for what may
// be the cure, instead of keeping it back: two runs, and all is as declared.
func TestWhatNeedsAdminWaitsForTheCure(t *testing.T) {
	vendor()
	for _, mishap := range []string{"", "relays-503"} { // such an Admin may not list its relays either
		t.Run(mishap, func(t *testing.T) {
			virtual(t, func(t *testing.T) { waitsForTheCure(t, mishap) })
		})
	}
}

func waitsForTheCure(t *testing.T, mishap string) {
	w := newWorld(t, 2, "relaykey", "sqllogin/alternating")
	if mishap != "" {
		w.do(mishap, "im-admin")
	}
	w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = "Changed-by-hand-1" })
	w.restarted(w.lab.Admin)
	time.Sleep(10 * time.Minute)
	p := w.planned()
	if key, login := p.Changes[0], p.Changes[1]; key.Status != reconciler.Refused || key.Waits != login.Title || login.Status != reconciler.Rotate || len(p.Blocked()) > 0 {
		t.Fatalf("%+v", p.Changes)
	}
	_, o := w.run()
	if len(o.Secrets) != 1 || o.Secrets[0].Ending != state.Proven || len(o.Down) > 0 {
		t.Errorf("%v", o)
	}
	says(t, o.Err, "relay key: not begun")
	hinted(t, o.Err)
	if mishap != "" {
		w.do("sound", "im-admin")
	}
	if _, o = w.run(); o.Err != nil {
		t.Error(o.Err)
	}
	if p = w.planned(); !p.Empty() || len(p.Blocked()) > 0 {
		t.Errorf("%+v", p.Changes)
	}
	if err := w.signsIn(lab.NewLogin); err != nil {
		t.Error(err)
	}
	if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
		t.Error(err)
	}
}

// Where there is no cure, nothing waits for one.
func TestNothingWaitsWhereThereIsNoCure(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "relaykey", "sqllogin/alternating")
		w.do("ready-503", "im-admin")
		time.Sleep(10 * time.Minute)
		if p := w.planned(); len(p.Blocked()) != 2 || len(p.Deferred()) > 0 {
			t.Errorf("%+v", p.Changes)
		}
	})
}
