package providers_test

import (
	"slices"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
)

// The state is another one than that of the run which changed the password and was cut off. A run for another secret that would start what
// it finds stopped says that nobody has tried the string; where a run that is known has proven it, nothing is said.
func TestAStringThatNobodyTried(t *testing.T) {
	vendor()
	for _, lost := range []bool{true, false} {
		virtual(t, func(t *testing.T) {
			w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: true, Login: "single"}, "sqllogin", "license")
			if lost {
				w.killed(w.lab.EngineHost, "file.swap", machine.Before)
				w.lab.EngineHost.Points(nil)
				w.moved(t)
			} else {
				license := w.doc.Secrets["license"]
				delete(w.doc.Secrets, "license")
				w.loggedIn(lab.NewLogin)
				w.doc.Secrets["license"] = license
				w.do("stop", "im-engine")
			}
			time.Sleep(10 * time.Minute)
			s := w.only("license")
			before := w.starts()
			p, _ := s.apply(nil)
			s.close()
			f, ok := finding(p, "start-untried")
			if ok != lost || ok && (f.Severity != reconciler.Error || f.Hint == "") {
				t.Errorf("lost %v: %+v", lost, p.Changes)
			}
			if lost && !slices.Equal(before, w.starts()) {
				t.Error("a service was started on it")
			}
		})
	}
}
