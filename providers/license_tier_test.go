package providers_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// A tier that is a number is what Admin calls it. A lower one is put back before anything stops, and where the document asks for the
// higher one nothing is "as declared" either.
func TestALowerTierThatIsANumber(t *testing.T) {
	for _, declared := range []string{"", "Enterprise"} {
		t.Run("declared "+declared, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, License: "number"}, "license")
				w.settled()
				spec := w.issue("2027-01", "number", 500)
				spec.Tier = declared
				b, err := w.lab.LicenseAs("number", licensefile.License{Customer: lab.Customer, Tier: "Standard", Expires: time.Now().AddDate(2, 0, 0)})
				if err == nil {
					err = os.WriteFile(filepath.Join(w.dir, spec.From.File), b, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				seen := stopsAnywhere(w)
				p, o := w.run()
				if f, found := finding(p, "license-tier-number"); !found || f.Severity != reconciler.Warning {
					t.Errorf("the plan does not say it: %+v", p.Changes)
				}
				if len(o.With(state.Back)) != 1 || len(seen()) > 0 || w.lab.Served().Tier != "3" {
					t.Errorf("%+v, with %q, and Admin serves %+v", o, seen(), w.lab.Served())
				}
				for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} { // somebody places it by hand
					write(t, h, lab.LicenseFile, func([]byte) []byte { return b })
				}
				for _, at := range []string{"im-engine", "im-admin"} {
					w.do("stop", at)
					time.Sleep(time.Minute)
					w.do("start", at)
				}
				time.Sleep(time.Minute)
				s := w.process()
				defer s.close()
				if f, found := finding(s.look().Plan, "license-tier"); found != (declared != "") {
					t.Errorf("by hand: %+v", f)
				}
			})
		})
	}
}

// A license of which Admin says that it has ended is not taken, whatever doubt its date left.
func TestALicenseThatEndedYesterday(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "license")
		w.settled()
		w.issue("2027-01", "date", -1)
		time.Sleep(time.Until(time.Now().Truncate(24 * time.Hour).Add(24*time.Hour + time.Hour)))
		w.issue("2027-01", "date", -1)
		seen := stopsAnywhere(w)
		if p, o := w.run(); len(o.With(state.Back)) != 1 || len(seen()) > 0 {
			t.Errorf("%+v %+v", o, p.Changes)
		}
	})
}

// TestTheSecondLicenseIsRehearsedToo: Admin was proven with the file that it has, though it runs since before that was written.
func TestTheSecondLicenseIsRehearsedToo(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Memory: true}, "license")
		rehearsed := func(p *reconciler.Plan) bool {
			return slices.ContainsFunc(p.Steps(), func(s reconciler.Step) bool {
				_, call := s.Op.(site.Call)
				return call && s.Phase == reconciler.Prepare
			})
		}
		if p, o := w.run(); !rehearsed(p) || o.Err != nil {
			t.Fatalf("the first: %v", o)
		}
		w.issue("2027-01", "json", 500)
		if p := w.planned(); !rehearsed(p) {
			t.Errorf("the second: %+v", p.Changes)
		}
	})
}
