package providers_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
)

// Admin's old file cannot be put back, so Admin stays down, as nobody else has the new key. When its host restarts it comes up with
// that one: the run says so at its end, and so does the next plan.
func TestAFileThatCouldNotBeTakenBackIsWarnedOf(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		when(w.lab.Admin, "service.start", machine.After, func() { w.do("deny", "im-admin"); w.do("ready-503", "im-admin") })
		_, o := w.run()
		if len(o.Down) != 1 || o.Down[0].What != "Admin" {
			t.Fatalf("%v", o)
		}
		if !slices.ContainsFunc(o.Remarks, func(r reconciler.Remark) bool {
			return r.Target.Name == w.lab.Admin.Name && strings.Contains(r.Text, "if the host restarts")
		}) {
			t.Errorf("%+v", o.Remarks)
		}
		if f, said := finding(w.planned(), "still-down"); !said || !strings.Contains(f.Text, "if its host restarts") {
			t.Errorf("%+v", f)
		}
		w.do("sound", "im-admin")
		w.do("grant", "im-admin")
		if _, o := w.run(); o.Err != nil {
			t.Error(o.Err)
		}
		if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
			t.Error(err)
		}
	})
}
