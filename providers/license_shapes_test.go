package providers_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/licensefile"
	"meshrotate/providers/rotations/license"
	"meshrotate/specs"
	"meshrotate/state"
)

// issue puts a file of a shape beside the document, and asks for it.
func (w *world) issue(version, shape string, days int) *license.Spec {
	w.t.Helper()
	end := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, days)
	b, err := w.lab.LicenseAs(shape, licensefile.License{Customer: lab.Customer, Tier: lab.Tier, Expires: end})
	if err == nil {
		err = os.WriteFile(filepath.Join(w.dir, "licenses", version+".key"), b, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	read, err := licensefile.Parse(b)
	if err != nil {
		w.t.Fatal(err)
	}
	spec := w.doc.Secrets["license"].(*license.Spec)
	spec.Version, spec.Layout = specs.Version(version), ""
	spec.From.File = "licenses/" + version + ".key"
	if l := *read; l.Verify(&vendor().PublicKey, licensefile.Signature{}) != nil {
		spec.PublicKey = ""
	}
	if live, _, err := w.lab.Admin.Machine.FS.Read(lab.LicenseFile); err == nil {
		if now, err := licensefile.Parse(live); err == nil && !now.Opaque() && now.Layout != read.Layout {
			spec.Layout = read.Layout
		}
	}
	return spec
}

// Whatever the vendor writes, the file is placed, and proven by what Admin serves; and the night after nothing is to be done.
func TestLicensesOfEveryShape(t *testing.T) {
	vendor()
	for _, shape := range lab.LicenseShapes {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, License: shape}, "license")
				if p, o := w.run(); o.Err != nil || len(p.Blocked()) > 0 || len(o.With(state.Proven)) != 1 { // as the lab's document has it
					t.Fatalf("%v %+v", o, p.Changes)
				}
				for i, version := range []string{"2027-01", "2027-02"} {
					days := 500 + 300*i
					spec := w.issue(version, shape, days)
					if shape == "opaque" {
						spec.Customer, spec.Tier, spec.Expires = lab.Customer, lab.Tier, time.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly)
					}
					p, o := w.run()
					if o.Err != nil || len(o.With(state.Proven)) != 1 {
						t.Fatalf("%s: %v %+v", version, o, p.Changes)
					}
					if served := w.lab.Served(); served == nil || !served.Never && time.Until(served.Expires) < time.Duration(days-2)*24*time.Hour {
						t.Errorf("Admin serves %+v", served)
					}
					s := w.process()
					if again := s.look().Plan; !again.Empty() || len(again.Blocked()) > 0 {
						t.Errorf("%s: and again: %+v", version, again.Changes)
					}
					s.close()
				}
			})
		})
	}
}

// An Admin that was down has answered nothing yet. What it serves once it runs proves the file all the same.
func TestLicensesOfEveryShapeForAnAdminThatWasDown(t *testing.T) {
	vendor()
	for _, shape := range lab.LicenseShapes {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, License: shape}, "license")
				w.do("stop", "im-admin")
				w.await("it is down", func() bool { return w.lab.Admin.Machine.Service(lab.AdminService).State == "stopped" })
				if p, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 1 {
					t.Errorf("%v %+v", o, p.Changes)
				}
			})
		})
	}
}

// What is wrong is known before anything stops.
func TestLicensesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		make  func(t *testing.T, w *world)
		code  string
		words string
	}{
		"cut before its signature": {func(t *testing.T, w *world) {
			spec := w.issue("2027-01", "dotted", 500)
			path := filepath.Join(w.dir, spec.From.File)
			b, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, b[:slices.Index(b, '.')], 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "license-invalid", ""},
		"a token that says that it is not signed": {func(t *testing.T, w *world) {
			spec := w.issue("2027-01", "jwt", 500)
			path := filepath.Join(w.dir, spec.From.File)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(b), ".")
			w.write(spec, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))+"."+rest)
		}, "license-invalid", "says of itself that it is not signed"},
		"another layout, and nobody said so": {func(_ *testing.T, w *world) { w.issue("2027-01", "xml", 500).Layout = "" }, "license-layout", "layout xml"},
		"JSON that is whole, and not read": {func(_ *testing.T, w *world) {
			spec := w.issue("2027-01", "json", 500)
			spec.Layout = ""
			w.write(spec, `{"payload":"x","sig":"y"}`)
		}, "license-layout", "it is whole"},
		"a signature that cannot be checked": {func(_ *testing.T, w *world) {
			w.issue("2027-01", "opaque", 500).PublicKey = "keys/license-vendor.pem"
		}, "license-invalid", "leave secrets.license.publicKey out"},
		"an end that is not the declared one": {func(_ *testing.T, w *world) { w.issue("2027-01", "date", 500).Expires = "never" }, "license-expiry", "never"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "license")
				c.make(t, w)
				w.refused(c.code, c.words)
			})
		})
	}
}

// The declared file, copied to the host by hand, says the same as the one that Admin has read: Admin is asked to read it once, and no
// more. One that is written anew under the Admin that was proven with it is read already.
func TestALicenseThatNobodyRead(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "license")
		w.run()
		time.Sleep(time.Minute)
		if err := w.lab.Admin.Machine.FS.Touch(lab.LicenseFile, time.Now()); err != nil {
			t.Fatal(err)
		}
		before := w.lab.Reloads()
		if p, _ := w.run(); !p.Empty() || w.lab.Reloads() != before {
			t.Errorf("what Admin has read already is read again: %+v", p.Changes)
		}
		spec := w.issue("2027-01", "date", 372)
		b, err := os.ReadFile(filepath.Join(w.dir, spec.From.File))
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
			write(t, h, lab.LicenseFile, func([]byte) []byte { return b })
		}
		for range 3 {
			if _, o := w.run(); o.Err != nil {
				t.Error(o.Err)
			}
		}
		if n := w.lab.Reloads() - before; n != 1 {
			t.Errorf("%d reloads", n)
		}
	})
}

// Admin tells the end as a date, and the file has a time: the date is what both mean. Another date is another license.
func TestAnEndThatAdminTellsAsADate(t *testing.T) {
	for _, hours := range []int{0, 15} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 0, "license")
			w.do("license-date", "im-admin")
			w.settled()
			spec := w.issue("2027-01", "json", 500)
			b, err := w.lab.LicenseAs("json", licensefile.License{Customer: lab.Customer, Tier: lab.Tier,
				Expires: time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 500).Add(time.Duration(hours) * time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			w.write(spec, string(b))
			if p, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 1 {
				t.Errorf("%v %+v", o, p.Changes)
			}
			w.settled()
		})
	}
}

// What nobody here can read is proven by what changes in Admin's answer, and by nothing else.
func TestLicensesThatOnlyTheProductReads(t *testing.T) {
	vendor()
	for name, c := range map[string]struct {
		change   func(w *world, spec *license.Spec)
		outcome  state.Outcome
		evidence string
	}{
		"nothing is declared": {func(_ *world, spec *license.Spec) { spec.Customer, spec.Tier, spec.Expires = "", "", "" }, state.Proven, "Admin serves Contoso Ltd"},
		"nothing is declared, and the product cannot read it": {func(w *world, spec *license.Spec) {
			spec.Customer, spec.Tier, spec.Expires = "", "", ""
			w.spoil(spec)
		}, state.Back, ""},
		"it looks like something else, and the document says that it is not": {func(w *world, spec *license.Spec) {
			spec.Customer, spec.Tier, spec.Expires, spec.Layout = "", "", "", "opaque"
			w.write(spec, `{"cut":`)
		}, state.Back, ""},
		"all is declared as Admin serves it": {func(w *world, spec *license.Spec) {
			spec.Expires = w.lab.Served().Expires.UTC().Format(time.RFC3339)
			w.same(spec)
		}, state.Proven, "Admin runs since"},
		"all is declared as Admin serves it, and the product cannot read it, which only its start tells": {func(w *world, spec *license.Spec) { w.spoil(spec) }, state.Back, "Engine runs since"},
		"Admin finds it bad": {func(w *world, spec *license.Spec) {
			spec.Customer, spec.Tier, spec.Expires = "", "", ""
			if _, err := w.lab.Break("license-revoked", w.lab.Admin.Name); err != nil {
				w.t.Fatal(err)
			}
		}, state.Back, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, License: "opaque"}, "license")
				w.run()
				c.change(w, w.issue("2027-01", "opaque", 500))
				before := w.starts()
				p, o := w.run()
				if len(o.Secrets) != 1 || o.Secrets[0].Ending != c.outcome {
					t.Fatalf("%v %+v", o, p.Changes)
				}
				if said := strings.Join(o.Secrets[0].Evidence, "; "); !strings.Contains(said, c.evidence) {
					t.Errorf("seen: %s", said)
				}
				if c.evidence != "" {
					return
				}
				if c.outcome == state.Back && strings.Contains(strings.Join(o.Secrets[0].Evidence, "; "), "after the change") {
					t.Errorf("nothing was changed, and it says: %s", o.Secrets[0].Evidence)
				}
				if c.outcome == state.Back && !slices.EqualFunc(before, w.starts(), time.Time.Equal) {
					t.Error("a service was restarted")
				}
			})
		})
	}
}

// What Admin answered before proves nothing: of a file that says the same, or not when it ends, something else has to show that Admin
// has read it.
func TestALicenseThatAdminsAnswerDoesNotTell(t *testing.T) {
	vendor()
	said := func(end string) string {
		return fmt.Sprintf(`{"customerName":%q,"tier":%q,%s"signature":"BBBB"}`, lab.Customer, lab.Tier, end)
	}
	for name, c := range map[string]struct {
		text    func(w *world) string
		code    string
		outcome state.Outcome // of an Admin that reads it at its next start only
	}{
		"an end in two numbers that may be the month":  {func(*world) string { return said(`"expiresUtc":"11/10/2030",`) }, "license-end", state.Back},
		"an end that has passed, as the product finds": {func(*world) string { return said(`"expiresUtc":"11/10/1998",`) }, "license-end", state.Back},
		"no end": {func(*world) string { return said(`"issued":"1998-01-01","validDays":365,`) }, "license-end", state.Back},
		"the same as before": {func(w *world) string {
			return said(fmt.Sprintf(`"expiresUtc":%q,"seats":99,`, w.lab.Served().Expires.UTC().Format(time.RFC3339)))
		}, "license-alike", state.Proven},
	} {
		for mishap, late := range map[string]bool{"reload-late": true, "reload-never": false} {
			t.Run(name+", "+mishap, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorldAt(t, lab.Config{Memory: true, License: "json"}, "license")
					w.run()
					spec := w.issue("2027-01", "json", 500)
					w.write(spec, c.text(w))
					old, before := w.lab.Served(), w.starts()
					w.do(mishap, "im-admin")
					p, o := w.run()
					if _, warned := finding(p, c.code); !warned {
						t.Errorf("nothing is said of it: %+v", p.Changes)
					}
					want := c.outcome
					if late && strings.Contains(name, "in two numbers") { // of no end the lab's product makes the same for ever
						want = state.Proven
					}
					if len(o.Secrets) != 1 || o.Secrets[0].Ending != want {
						t.Fatalf("%v %+v", o, p.Changes)
					}
					if want == state.Proven && w.lab.Served() == old {
						t.Errorf("proven by what Admin served before: %s", o.Secrets[0].Evidence)
					}
					if want == state.Back && !slices.EqualFunc(before, w.starts(), time.Time.Equal) {
						t.Error("a service was restarted in vain")
					}
					if again := w.planned(); want == state.Proven && !again.Empty() {
						t.Errorf("and again: %+v", again.Changes)
					}
				})
			})
		}
	}
}

// A reissue that says its end in the same words, which nobody here can read, changes nothing in Admin's answer: Admin starts anew.
func TestAReissueWhoseEndNobodyReads(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Memory: true, License: "us-date"}, "license")
		w.run()
		spec := w.doc.Secrets["license"].(*license.Spec)
		text, _, err := w.lab.Admin.Machine.FS.Read(lab.LicenseFile)
		if err != nil {
			t.Fatal(err)
		}
		again := *spec
		again.Version = "2027-01"
		w.doc.Secrets["license"] = &again
		w.write(&again, string(text)+"\n")
		p, o := w.run()
		if _, warned := finding(p, "license-end"); !warned || len(o.Secrets) != 1 || o.Secrets[0].Ending != state.Proven {
			t.Fatalf("%v %+v", o, p.Changes)
		}
		if p := w.planned(); !p.Empty() {
			t.Errorf("and again: %+v", p.Changes)
		}
	})
}

// A lower tier that only the product can read is put back, and not said to be what was served before.
func TestALowerTierThatOnlyTheProductReads(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Memory: true, License: "opaque"}, "license")
		w.run()
		spec := w.undeclared()
		lower, err := w.lab.LicenseAs("opaque", licensefile.License{Customer: lab.Customer, Tier: "Standard", Expires: time.Now().AddDate(2, 0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		w.write(spec, string(lower))
		p, o := w.run()
		if f, ok := finding(p, "license-opaque"); !ok || !strings.Contains(f.Text, "names no tier below "+lab.Tier) {
			t.Errorf("the plan does not say it: %+v", p.Changes)
		}
		says(t, o.Err, `the tier "Standard" is one that no proof takes after "`+lab.Tier+`"`)
		if len(o.With(state.Back)) != 1 || strings.Contains(o.Err.Error(), "still") {
			t.Errorf("%v", o)
		}
		hinted(t, o.Err)
	})
}

// same makes it an opaque file that says the same as the live one, by other bytes.
func (w *world) same(spec *license.Spec) {
	w.t.Helper()
	b, err := w.lab.LicenseAs("opaque", *w.lab.Served())
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(spec, strings.ToUpper(string(b)))
}

// spoil makes a file of what no product reads.
func (w *world) spoil(spec *license.Spec) {
	w.t.Helper()
	w.write(spec, "x")
}

func (w *world) write(spec *license.Spec, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, spec.From.File), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}
