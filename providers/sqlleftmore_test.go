package providers_test

import (
	"slices"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
)

// A replica that was away when the login there, which a run had disabled, was given the next version: it is enabled there, once it is back.
func TestReplicaLeftWithADisabledLogin(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := loginWorld(t, "alternating", 3)
		away := w.lab.SQLReplicas()[2]
		if _, o := w.run(); o.Err != nil {
			t.Fatal(o)
		}
		time.Sleep(8 * 24 * time.Hour)
		w.run()
		away.Instance.Down(true)
		w.declare("alternating", "13", lab.SQLLogin, lab.SQLSpare)
		w.loginSpec().Tolerate = []string{away.Name}
		if _, o := w.run(); o.Err != nil {
			t.Fatal(o)
		}
		away.Instance.Down(false)
		time.Sleep(time.Hour)
		if p, o := w.run(); o.Err != nil || p.Changes[0].Status != reconciler.Rotate {
			t.Errorf("%v, %+v", o, p.Changes[0].Findings)
		}
		if l, _, _ := away.Instance.LookLogin(lab.SQLLogin); l.Disabled {
			t.Error("it is disabled there")
		}
		if p := w.planned(); !p.Empty() || len(p.Blocked()) > 0 {
			t.Errorf("%s, %+v", p.Changes[0].Reason, p.Changes[0].Findings)
		}
	})
}

// A replica that goes away before the last round of an emergency, or that the document does not name any more, is not forgotten.
func TestReplicaLostInAnEmergency(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := loginWorld(t, "alternating", 3)
		w.addLogin(third)
		old, away := w.lab.SQLPasswords()[lab.SQLLogin], w.lab.SQLReplicas()[2]
		away.Instance.Down(true)
		w.loginSpec().Tolerate = []string{away.Name}
		if _, o := w.replace("sqllogin", "posted"); o.Err != nil {
			t.Fatal(o)
		}
		replicas := w.doc.Connect.SQL.Replicas
		w.declare("alternating", "13", lab.SQLSpare, third)
		w.doc.Connect.SQL.Replicas = slices.DeleteFunc(slices.Clone(replicas), func(s string) bool { return s == away.Name })
		for range 2 {
			if _, o := w.run(); o.Err != nil && len(w.planned().Blocked()) == 0 {
				t.Fatal(o)
			}
			if f, said := finding(w.planned(), "secret-compromised"); !said || !slices.Contains(f.Hosts, away.Name) {
				t.Errorf("nobody says that it is accepted there: %+v", f)
			}
			if slices.Contains(w.gone(lab.SQLLogin), away.Name) {
				t.Error("the evidence says that it is gone there")
			}
			time.Sleep(time.Hour)
		}
		w.doc.Connect.SQL.Replicas = replicas
		away.Instance.Down(false)
		w.loginSpec().Tolerate = nil
		if _, o := w.run(); o.Err != nil || len(w.good(lab.SQLLogin, old)) > 0 {
			t.Errorf("%v, good on %v", o, w.good(lab.SQLLogin, old))
		}
		if !slices.Contains(w.gone(lab.SQLLogin), away.Name) {
			t.Errorf("%+v", w.evidence("sqllogin").Places)
		}
		if f, said := finding(w.planned(), "secret-compromised"); said {
			t.Errorf("%+v", f)
		}
	})
}
