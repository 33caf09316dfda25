package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// A replica is down, and tolerated, while others know the login's password. The evidence does not say that the password was taken out
// there; the plan says that it is good there still; and once the replica is back it is taken out in the next run, without a soak.
func TestEmergencyWithAReplicaAway(t *testing.T) {
	vendor()
	for _, mode := range []string{"alternating", "single"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) { loginWorld(t, mode, 3).replicaAway(mode) })
		})
	}
}

func (w *world) replicaAway(mode string) {
	t := w.t
	old := w.lab.SQLPasswords()[lab.SQLLogin]
	good := func() (where []string) { // where the password that others know signs in
		for _, r := range w.lab.SQLReplicas() {
			if l, _, _ := r.Instance.LookLogin(lab.SQLLogin); !l.Disabled && l.Password == old {
				where = append(where, r.Name)
			}
		}
		return where
	}
	became := func() map[string]state.Outcome {
		all := map[string]state.Outcome{}
		for _, p := range w.evidence("sqllogin").Places {
			if _, on, is := strings.Cut(p.Place, "the login "+lab.SQLLogin+" on "); is {
				all[on] = p.Became
			}
		}
		return all
	}
	away := w.lab.SQLReplicas()[2]
	away.Instance.Down(true)
	w.loginSpec().Tolerate = []string{away.Name}
	if _, o := w.replace("sqllogin", "posted"); o.Err != nil || len(o.With(state.Proven)) != 1 {
		t.Fatalf("%v", o)
	}
	if now := good(); !slices.Equal(now, []string{away.Name}) {
		t.Fatalf("what others know is good on %v", now)
	}
	for name, is := range became() {
		if want := map[bool]state.Outcome{true: state.Started, false: state.Done}[name == away.Name]; is != want {
			t.Errorf("evidence of %s: %s, want %s", name, is, want)
		}
	}
	p := w.planned()
	f, said := finding(p, "secret-compromised")
	if !said || !f.Drift || !slices.Contains(f.Hosts, away.Name) || !strings.Contains(f.Text, "posted") {
		t.Errorf("the plan does not say that it is good there still: %+v", p.Changes[0].Findings)
	}
	away.Instance.Down(false)
	time.Sleep(time.Hour)
	w.loginSpec().Tolerate = nil
	if p, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 1 || p.Changes[0].Status != reconciler.Rotate {
		t.Fatalf("%v", o)
	}
	if now := good(); len(now) > 0 {
		t.Errorf("it is back, and what others know is good on %v", now)
	}
	if l, _, _ := away.Instance.LookLogin(lab.SQLLogin); mode == "alternating" && !l.Disabled {
		t.Error("the login that was replaced is enabled there")
	}
	for name, is := range became() {
		if is != state.Done && is != state.Gone {
			t.Errorf("evidence of %s at the end: %s", name, is)
		}
	}
	if p := w.planned(); !p.Empty() {
		t.Errorf("something is left: %+v", p.Changes)
	} else if _, said := finding(p, "secret-compromised"); said {
		t.Error("it is said still to be known")
	}
}
