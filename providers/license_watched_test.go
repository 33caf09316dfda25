package providers_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/rotations/license"
	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// undeclared issues an opaque license of which the document says nothing: what Admin answers of it must change.
func (w *world) undeclared() *license.Spec {
	w.t.Helper()
	spec := w.issue("2027-01", "opaque", 500)
	spec.Customer, spec.Tier, spec.Expires = "", "", ""
	return spec
}

// ends runs the program, which must bring the license to this ending.
func (w *world) ends(ending state.Outcome) reconciler.Outcome {
	w.t.Helper()
	_, o := w.run()
	if len(o.Secrets) != 1 || o.Secrets[0].Ending != ending {
		w.t.Errorf("not %s: %v", ending, o)
	}
	return o
}

// However short Admin is waited for, what changes has the time to show that it stays.
func TestAnOpaqueLicenseInAShortTime(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Memory: true, License: "opaque"}, "license")
		w.run()
		w.doc.Product.API.ReadyTimeout = specs.MustDuration("10s")
		w.undeclared()
		w.ends(state.Proven)
	})
}

// An answer that is lost while a change is watched is none: the license stays, whatever Admin is waited for.
func TestAnOpaqueLicenseAndALostAnswer(t *testing.T) {
	vendor()
	for _, lost := range []int{1, 2, 4} {
		t.Run(fmt.Sprintf("%d lost", lost), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, License: "opaque"}, "license")
				w.run()
				w.doc.Product.API.ReadyTimeout = specs.MustDuration("10s")
				w.undeclared()
				var asked time.Time
				struck := 0
				w.lab.WireAPI(func(e wsman.Event) (f wsman.Fault) {
					if e.Action == "POST /api/license/reload" {
						asked = time.Now()
					}
					if e.Action == "GET /api/license" && !asked.IsZero() && time.Since(asked) > 20*time.Second && e.N%2 == 0 && struck < lost {
						struck++
						return wsman.Fault{Kind: wsman.Status, Status: http.StatusInternalServerError}
					}
					return f
				})
				if w.ends(state.Proven); struck < lost {
					t.Errorf("%d lost", struck)
				}
			})
		})
	}
}

// One answer of before, from a cache or from somebody who has not read the file yet, refutes nothing.
func TestAnOpaqueLicenseAndAnOldAnswer(t *testing.T) {
	vendor()
	for _, patience := range []string{"10s", "60s", "2m"} {
		t.Run(patience, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, License: "opaque"}, "license")
				w.run()
				w.do("license-lags", "im-admin")
				w.doc.Product.API.ReadyTimeout = specs.MustDuration(patience)
				w.undeclared()
				w.ends(state.Proven)
			})
		})
	}
}

// A change that nobody could watch for long enough is not refuted: nobody knows.
func TestAnOpaqueLicenseThatNobodyCouldWatch(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Memory: true, License: "opaque"}, "license")
		w.run()
		w.undeclared()
		seen := 0
		w.lab.WireAPI(func(e wsman.Event) (f wsman.Fault) {
			if e.Action == "POST /api/license/reload" {
				seen = 1
			}
			if e.Action == "GET /api/license" && seen > 0 {
				if seen++; seen > 6 {
					return wsman.Fault{Kind: wsman.Status, Status: http.StatusInternalServerError}
				}
			}
			return f
		})
		o := w.ends(state.Unknown)
		says(t, o.Err, "has changed, to Contoso Ltd", "whether it stays is not known")
		hinted(t, o.Err)
		w.lab.WireAPI(nil)
		w.ends(state.Proven)
	})
}

// What moves by itself in Admin's answer, and proves nothing, makes no saved plan stale.
func TestASavedPlanBesideAnAnswerThatMoves(t *testing.T) {
	vendor()
	for _, moves := range []string{"license-restless", "license-rolling"} {
		for _, declared := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, %v", moves, declared), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorldAt(t, lab.Config{Memory: true, License: "opaque"}, "license")
					w.run()
					w.do(moves, "im-admin")
					spec := w.issue("2027-01", "opaque", 500)
					spec.Expires = time.Now().AddDate(0, 0, 500).Format(time.DateOnly)
					if !declared {
						spec.Customer, spec.Tier, spec.Expires = "", "", ""
					}
					saved := w.saved()
					time.Sleep(10 * time.Minute)
					p := w.process()
					v := p.look()
					if err := saved.Check(v.Plan, v.History); err != nil {
						t.Error(err)
					}
					p.close()
					w.ends(state.Proven)
				})
			})
		}
	}
}

// What is another in each answer says nothing of a license: Admin never reads this one, and goes on serving the one before.
func TestAnAnswerThatIsAnotherEachTime(t *testing.T) {
	vendor()
	for _, c := range [][2]string{{"opaque", "license-restless"}, {"json", "license-restless"}, {"opaque", "license-rolling"}, {"json", "license-rolling"}, {"opaque", "license-loads"}, {"json", "license-loads"}} {
		shape := c[0]
		t.Run(shape+", "+c[1], func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, License: shape}, "license")
				w.run()
				w.do(c[1], "im-admin")
				if c[1] != "license-loads" {
					w.do("reload-never", "im-admin")
				}
				spec := w.issue("2027-01", shape, 500)
				if shape == "json" {
					w.write(spec, fmt.Sprintf(`{"customerName":%q,"tier":%q,"signature":"BBBB"}`, lab.Customer, lab.Tier))
				}
				w.ends(state.Back)
			})
		})
	}
}
