package providers_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/serviceaccount"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// An emergency of each kind that no other test has, from its beginning to the evidence: it ends in one run; or the run is killed, and an
// ordinary one ends it in the same way. Each place that held the old value is named, with what became of it.
func TestEmergenciesEndToEnd(t *testing.T) {
	for _, c := range []struct {
		kind   string
		op     string // at which it is killed
		places []string
		works  func(w *world) error
	}{
		{"license", "file.swap", []string{`license.key on im-admin`, `license.key on im-engine`, `the backup of IdentityMesh\license.key on im-admin`, `the backup of IdentityMesh\license.key on im-engine`},
			func(w *world) error { return w.licensed(lab.NewLicense) }},
		{"serviceaccount", "service.logon", []string{"the service manager's logon of " + lab.AdminService + " on im-admin", "the service manager's logon of " + lab.EngineService + " on im-engine"},
			func(w *world) error {
				for _, account := range *w.doc.Secrets["serviceAccounts"].(*serviceaccount.Spec) {
					if account.Restart != "later" {
						return errors.New("the document does not leave the restart to others")
					}
				}
				for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
					if _, running, _ := h.Machine.LoggedOn(serviceOf(h)); running != h.Machine.Password(serviceOf(h)) {
						return errors.New(h.Name + " runs since before its password")
					}
				}
				return w.logsOn(true)
			}},
	} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprint(c.kind, ", killed: ", killed), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 1, c.kind)
					if spec, is := w.doc.Secrets["serviceAccounts"].(*serviceaccount.Spec); is {
						for i := range *spec {
							(*spec)[i].Restart = "later" // which an emergency does not wait for
						}
					}
					ref := w.rotations()[0].Ref()
					if killed {
						s := w.process()
						s.Replace(reconciler.Emergency{Secret: ref.Name, Why: "seen in a dump"})
						w.killedIn(s, w.lab.EngineHost, c.op, machine.After)
						w.lab.EngineHost.Points(nil)
						time.Sleep(10 * time.Minute)
						if f, ok := finding(w.planned(), "secret-compromised"); !ok || !strings.Contains(f.Text, "seen in a dump") {
							t.Error("the plan after it does not say that others have the old value")
						}
						if _, o := w.run(); o.Err != nil {
							t.Fatal(o.Err)
						}
					} else if _, o := w.replace(ref.Name, "seen in a dump"); o.Err != nil || len(o.With(state.Proven)) != 1 {
						t.Fatalf("%v", o)
					}
					if err := c.works(w); err != nil {
						t.Error(err)
					}
					v := w.evidence(ref.Name)
					var named []string
					for _, p := range v.Places {
						for _, h := range p.Hosts {
							host, _, _ := strings.Cut(h, ".")
							named = append(named, p.Place+" on "+host)
						}
						if p.Became != state.Done && p.Became != state.Gone {
							t.Errorf("%+v", p)
						}
					}
					for _, place := range c.places {
						if !slices.ContainsFunc(named, func(n string) bool { return strings.HasSuffix(n, place) }) {
							t.Errorf("%s is not named among %q", place, named)
						}
					}
					if v.Why != "seen in a dump" || v.Version != ref.Version || v.Rotations[len(v.Rotations)-1].Outcome != state.Proven {
						t.Errorf("%+v", v)
					}
					if p := w.planned(); !p.Empty() || len(p.Blocked()) > 0 {
						t.Errorf("there is something left: %+v", p.Changes)
					}
					rotationtest.Search(t, w.secrets(), w.said())
				})
			})
		}
	}
}
