package providers_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/rotations/sqllogin"
)

// A run dies when the login that was replaced is disabled, on one replica or on the other. That was meshrotate, whoever asks later:
// the next run finishes it, and a further version enables it again.
func TestARetirementThatIsCutOff(t *testing.T) {
	vendor()
	for _, c := range []struct {
		name      string
		nth       int32
		contained bool
		next      bool // the further version comes at once
	}{
		{"on the first, finished", 1, false, false}, {"on the second, finished", 2, false, false},
		{"on the first, a further version", 1, false, true}, {"on the second, a further version", 2, false, true},
		{"a contained user, finished", 1, true, false}, {"a contained user, a further version", 1, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: "alternating", Replicas: 2, Contained: c.contained}, "sqllogin")
				w.loggedIn(lab.NewLogin)
				time.Sleep(8 * 24 * time.Hour)
				var n atomic.Int32
				var once sync.Once
				w.lab.Statements(func(s sqlserver.Statement) {
					if (strings.Contains(s.Text, "DISABLE") || c.contained && alters(wsman.Event{CommandLine: s.Text})) && n.Add(1) == c.nth {
						once.Do(w.kill)
					}
				})
				s := w.process()
				s.apply(nil)
				s.close()
				w.lab.Statements(nil)
				time.Sleep(2 * time.Minute)
				if !c.next {
					w.settled()
					for _, r := range w.lab.SQLReplicas() {
						if l, _, _ := r.Instance.LookLogin(lab.SQLLogin); !l.Disabled && !c.contained {
							t.Errorf("%s: the login that was replaced is enabled", r.Name)
						}
					}
				}
				w.doc.Secrets["sqlLogin"].(*sqllogin.Spec).Version = "13"
				w.settled()
				w.await("the further version works", func() bool { return w.signsIn("13") == nil })
			})
		})
	}
}
