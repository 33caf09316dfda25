package license_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

func TestGuards(t *testing.T) {
	with := func(change func(l *licensefile.License)) func(*scene) {
		return func(s *scene) { change(next(s)) }
	}
	live := func(days int) func(*scene) {
		return func(s *scene) { s.served, s.files[admin].Content = until(days), until(days) }
	}
	for _, c := range []struct {
		code, reason string
		change       func(s *scene)
		status       reconciler.Status
		text         string
	}{
		{"license-customer", "another customer's file", with(func(l *licensefile.License) { l.Customer = "Fabrikam" }), reconciler.Refused, "Fabrikam"},
		{"license-customer", "a rename that is declared, and a file that still has the old name", func(s *scene) { s.spec.Customer = "Contoso AG" }, reconciler.Refused, "the document names"},
		{"license-expired", "an expired file", with(func(l *licensefile.License) { l.Expires = now.Add(-time.Hour) }), reconciler.Refused, "expired"},
		{"license-expired", "it expires this very moment", with(func(l *licensefile.License) { l.Expires = now }), reconciler.Refused, "expired"},
		{"license-early", "a file that is not valid yet", with(func(l *licensefile.License) { l.Begins = now.Add(time.Hour) }), reconciler.Refused, "not valid before 2026-11-02 01:00 UTC"},
		{"license-early", "a day that has begun nowhere", with(func(l *licensefile.License) {
			l.Begins, l.BeginsWithin = now.AddDate(0, 0, 1), 14*time.Hour
		}), reconciler.Refused, "not valid before 2026-11-03"},
		{"license-early", "whether it ends is not known", with(func(l *licensefile.License) { l.Begins, l.Expires = now.AddDate(0, 7, 0), time.Time{} }), reconciler.Refused, "not valid before 2027-06-02"},
		{"license-withdrawn", "it calls itself revoked", with(func(l *licensefile.License) { l.Withdrawn = `status = "revoked"` }), reconciler.Refused, `status = "revoked"`},
		{"license-tier", "a lower tier", with(func(l *licensefile.License) { l.Tier = "Standard" }), reconciler.Refused, "Standard"},
		{"license-tier", "a tier that nobody knows", with(func(l *licensefile.License) { l.Tier = "Platinum" }), reconciler.Refused, "Platinum"},
		{"license-tier", "lower than the document asks for", func(s *scene) { s.spec.Tier = "Enterprise" }, reconciler.Refused, "the document asks for"},
		{"license-invalid", "a truncated file, or a bad signature, or the wrong public key", func(s *scene) {
			s.value = &site.ValueSeen{Available: true, Unfit: "cut short"}
		}, reconciler.Refused, "cut short"},
		{"license-layout", "that nobody here can read, and is whole", func(s *scene) {
			s.files[admin].Content.(*licensefile.License).Layout = "dotted"
			*next(s) = licensefile.License{Layout: licensefile.Unknown, Whole: true}
		}, reconciler.Refused, "it is whole, so that the vendor"},
		{"license-invalid", "a file that nobody could read", func(s *scene) { s.value = &site.ValueSeen{Available: true} }, reconciler.Refused, "could not be read"},
		{"value-unavailable", "no file", func(s *scene) { s.value = &site.ValueSeen{Problem: "no such file"} }, reconciler.Refused, "no such file"},
		{"value-unavailable", "no answer", func(s *scene) { s.value = nil }, reconciler.Refused, "not to be had"},
		{"license-earlier", "it expires before the live one", func(s *scene) {
			s.files[admin].Content, s.served = until(500), until(500)
		}, reconciler.Rotate, "before the live one"},
		{"license-earlier", "the live one never expires", func(s *scene) {
			never := &licensefile.License{Customer: "Contoso Ltd", Tier: "Professional", Never: true}
			s.served, s.files[admin].Content = never, never
		}, reconciler.Rotate, "the live one never does"},
		{"license-expires", "60 days", with(func(l *licensefile.License) { l.Expires = now.AddDate(0, 0, 60) }), reconciler.Rotate, "in 60 days"},
		{"license-expires", "30 days", with(func(l *licensefile.License) { l.Expires = now.AddDate(0, 0, 30) }), reconciler.Rotate, "in 30 days: soon"},
		{"license-expires", "7 days", with(func(l *licensefile.License) { l.Expires = now.AddDate(0, 0, 7) }), reconciler.Rotate, "in 7 days: urgent"},
		{"license-expires", "before tomorrow", with(func(l *licensefile.License) { l.Expires = now.Add(time.Second) }), reconciler.Rotate, ", today: urgent"},
		{"license-expires", "also when it is live", func(s *scene) {
			*s = *done()
			s.served, s.value.Content = until(5), until(5)
			for _, f := range s.files {
				f.Content = until(5)
			}
		}, reconciler.AsDeclared, "in 5 days: urgent"},
		{"license-ends", "60 days, of the live one", live(60), reconciler.Rotate, "in 60 days"},
		{"license-ends", "3 days ago", live(-3), reconciler.Rotate, "the live license expired on "},
		{"license-ends", "30 days, and the declared one is opaque", func(s *scene) { live(30)(s); opaque(s) }, reconciler.Rotate, "in 30 days: soon"},
		{"license-ends", "7 days, and the declared one has an end that nobody can read", func(s *scene) {
			live(7)(s)
			next(s).Expires, next(s).UnreadEnd = time.Time{}, `expires = "11/30/2028"`
		}, reconciler.Rotate, "in 7 days: urgent"},
		{"license-ends", "and the declared one says of no end", func(s *scene) { next(s).Expires = time.Time{} }, reconciler.Rotate, "in 20 days: soon"},
		{"license-ends", "the live one is opaque, and Admin says when it ends", func(s *scene) {
			*s = *done()
			opaque(s)
			s.served = until(5)
		}, reconciler.AsDeclared, "in 5 days: urgent"},
		{"license-layout", "cut before its signature", func(s *scene) {
			s.files[admin].Content.(*licensefile.License).Layout, next(s).Layout = "dotted", "json"
		}, reconciler.Refused, "a part such as the signature is missing"},
		{"license-layout", "that nobody here can read", func(s *scene) {
			s.files[admin].Content.(*licensefile.License).Layout = "dotted"
			*next(s) = licensefile.License{Layout: licensefile.Unknown}
		}, reconciler.Refused, "cut short"},
		{"license-layout", "that nobody here can read, and is whole", func(s *scene) {
			s.files[admin].Content.(*licensefile.License).Layout = "dotted"
			*next(s) = licensefile.License{Layout: licensefile.Unknown, Whole: true}
		}, reconciler.Refused, "it is whole, so that the vendor"},
		{"license-layout", "another layout than the document says", func(s *scene) { s.spec.Layout, next(s).Layout = "xml", "json" }, reconciler.Refused, "the document says xml"},
		{"license-opaque", "what nobody here can read is proven by a change alone", func(s *scene) { opaque(s) }, reconciler.Rotate, "once Admin's answer to GET /api/license changes"},
		{"license-opaque", "what is declared of it is what Admin serves already", func(s *scene) {
			opaque(s)
			s.spec.Customer, s.spec.Tier, s.spec.Expires = "Contoso Ltd", "Professional", until(20).Expires.Format(time.RFC3339)
		}, reconciler.Rotate, "and then starts anew"},
		{"license-reload-untried", "nobody can know before the file is there", func(s *scene) { s.files[admin].Changed, s.reload = now, &site.TrialSeen{Untried: true} }, reconciler.Rotate, "POST /api/license/reload"},
		{"license-alike", "a reissue of the live one", func(s *scene) { *next(s) = *until(20) }, reconciler.Rotate, "says what Admin serves already"},
		{"license-end", "an end that nobody can read", func(s *scene) { next(s).Expires, next(s).UnreadEnd = time.Time{}, `expires = "11/30/2028"` }, reconciler.Rotate, `expires = "11/30/2028"`},
		{"license-end", "no end at all", func(s *scene) { next(s).Expires, next(s).Tier = time.Time{}, "" }, reconciler.Rotate, "once Admin's answer to GET /api/license changes and names no tier below Professional"},
		{"license-answer", "nothing in the answer could change", func(s *scene) { opaque(s); s.served = &licensefile.License{} }, reconciler.Refused, "names nothing of a license"},
		{"license-state", "Admin finds the live one bad", func(s *scene) { s.also = map[string]string{"status": "Suspended"} }, reconciler.Rotate, `status = "Suspended"`},
		{"license-state", "Admin says that the live one has ended, and it has", func(s *scene) { live(-3)(s); s.also = map[string]string{"status": "Expired"} }, reconciler.Rotate, `status = "Expired"`},
		{"license-state", "Admin says that something has ended, and the license has not", func(s *scene) { s.also = map[string]string{"status": "Expired"} }, reconciler.Refused, "which expires 2026-11-22: that is said of something else"},
		{"license-state", "the same by a name of its own", func(s *scene) { s.also = map[string]string{"isExpired": "true"} }, reconciler.Refused, "said of something else"},
		{"license-state", "so it may say by a name of its own", func(s *scene) { s.also = map[string]string{"isRevoked": "true"} }, reconciler.Rotate, `isRevoked = "true"`},
		{"license-state", "so it may say without a word", func(s *scene) { s.also = map[string]string{"valid": "false"} }, reconciler.Rotate, `valid = "false"`},
		{"license-expiry", "it ends at another time than the document says", func(s *scene) { s.spec.Expires = "2030-01-01" }, reconciler.Refused, "2030-01-01"},
		{"license-expiry", "and it should never end", func(s *scene) { s.spec.Expires = "never" }, reconciler.Refused, "the document says never"},
		{"license-tier", "lower than what Admin serves, whatever the live file says", func(s *scene) {
			s.files[admin].Content = &licensefile.License{Layout: licensefile.Unknown}
			next(s).Tier = "Standard"
		}, reconciler.Refused, "Standard"},
		{"license-tier", "a number that Admin calls a lower tier than the document asks for", func(s *scene) {
			*s = *done()
			s.spec.Tier, s.served.Tier = "Enterprise", "Standard"
			number(s, "1", "1")
		}, reconciler.Refused, "that Admin calls Standard; the document asks for Enterprise"},
		{"license-tier", "no tier, and Admin calls it a lower one", func(s *scene) {
			*s = *done()
			s.spec.Tier, s.served.Tier = "Enterprise", "Standard"
			number(s, "", "")
		}, reconciler.Refused, "that Admin calls Standard"},
		{"license-tier", "the number of the live one, and that is a lower tier", func(s *scene) {
			s.spec.Tier = "Enterprise"
			number(s, "2", "2")
		}, reconciler.Refused, "that Admin calls Professional"},
		{"license-tier-number", "another number than the live one", func(s *scene) { number(s, "3", "1") }, reconciler.Rotate, "has the tier 1; Admin serves Professional: whether that is lower is not known, and it is put back where"},
		{"license-tier-number", "another number than Admin says", func(s *scene) {
			s.served.Tier = "3"
			number(s, "3", "1")
		}, reconciler.Rotate, "has the tier 1; the live file has 3"},
		{"license-tier-number", "a number, and the document asks for a name", func(s *scene) {
			s.spec.Tier, s.served.Tier = "Enterprise", "3"
			number(s, "3", "3")
		}, reconciler.Rotate, "has the tier 3; the document asks for Enterprise"},
		{"license-tier-number", "a name, and the live one is a number", func(s *scene) {
			s.served.Tier = "3"
			number(s, "3", "Standard")
		}, reconciler.Rotate, "has the tier Standard; the live file has 3"},
		{"admin-api", "Admin cannot say what it serves", func(s *scene) { s.api = reconciler.Look{Reach: reconciler.Unreachable, Err: errors.New("refused")} }, reconciler.Refused, "refused"},
		{"admin-stopped", "Admin is stopped: it is started", func(s *scene) {
			s.api, s.service["IdentityMeshAdmin"].State = reconciler.Look{Reach: reconciler.Unreachable}, "stopped"
		}, reconciler.Rotate, "stopped"},
		{"host-failed", "a host that is away", func(s *scene) { s.reach[engine] = reconciler.Unreachable }, reconciler.Refused, engine},
		{"service-missing", "no such service", func(s *scene) { s.service["IdentityMeshEngine"] = &site.ServiceSeen{} }, reconciler.Refused, engine},
	} {
		t.Run(c.code+" "+c.reason, func(t *testing.T) {
			s := newScene()
			c.change(s)
			got := s.plan(t)
			if got.Status != c.status {
				t.Errorf("it is %s: %+v", got.Status, got.Findings)
			}
			i := slices.IndexFunc(got.Findings, func(f reconciler.Finding) bool { return string(f.Code) == c.code })
			if i < 0 {
				t.Fatalf("no finding %s: %+v", c.code, got.Findings)
			}
			f := got.Findings[i]
			if !strings.Contains(f.Text, c.text) {
				t.Errorf("the finding does not say %q: %+v", c.text, f)
			}
			if f.Severity == reconciler.Error && f.Hint == "" {
				t.Errorf("no hint: %+v", f)
			}
			if c.status != reconciler.Rotate && len(got.Rounds) > 0 {
				t.Errorf("%d rounds, and it is %s", len(got.Rounds), got.Status)
			}
		})
	}
}

func TestNoWarningInGoodTime(t *testing.T) {
	soon := func(f reconciler.Finding) bool { return f.Code == "license-ends" } // the live one does
	if c := newScene().plan(t); c.Status != reconciler.Rotate || len(slices.DeleteFunc(c.Findings, soon)) > 0 {
		t.Errorf("%s %+v", c.Status, c.Findings)
	}
	s := newScene()
	s.value.Content = until(61)
	if c := s.plan(t); len(slices.DeleteFunc(c.Findings, soon)) > 0 {
		t.Errorf("61 days: %+v", c.Findings)
	}
	s = newScene()
	s.spec.Customer, next(s).Customer = "Contoso AG", "Contoso AG"
	if c := s.plan(t); c.Status != reconciler.Rotate {
		t.Errorf("a declared rename is %s: %+v", c.Status, c.Findings)
	}
	s = newScene()
	next(s).Begins, next(s).BeginsWithin = now.Add(13*time.Hour), 14*time.Hour
	if c := s.plan(t); c.Status != reconciler.Rotate {
		t.Errorf("one that is valid somewhere already is %s: %+v", c.Status, c.Findings)
	}
	s = newScene()
	next(s).Tier = "Enterprise"
	if c := s.plan(t); c.Status != reconciler.Rotate {
		t.Errorf("a higher tier is %s: %+v", c.Status, c.Findings)
	}
	s = newScene()
	number(s, "2", "2")
	if c := s.plan(t); c.Status != reconciler.Rotate || len(slices.DeleteFunc(c.Findings, soon)) > 0 {
		t.Errorf("the number of the live tier is %s: %+v", c.Status, c.Findings)
	}
	s = newScene()
	s.spec.Tier, next(s).Tier = "Standard", "Standard"
	if c := s.plan(t); c.Status != reconciler.Rotate {
		t.Errorf("a declared lower tier is %s: %+v", c.Status, c.Findings)
	}
}

// number lets the live license and the next have these tiers.
func number(s *scene, live, declared string) {
	for _, f := range s.files {
		l := *f.Content.(*licensefile.License)
		l.Tier, f.Content = live, &l
	}
	next(s).Tier = declared
}

// An answer that names less than the live file says, or something else, would prove no other license: nothing is stopped for it.
func TestAnAnswerThatProvesNothing(t *testing.T) {
	for text, spoil := range map[string]func(*licensefile.License){
		`has the customer "C***** Ltd", and the file that Admin has read "Contoso Ltd"`:         func(l *licensefile.License) { l.Customer = "C***** Ltd" },
		`has the customer "Contoso Ltd (prod)", and the file that Admin has read "Contoso Ltd"`: func(l *licensefile.License) { l.Customer = "Contoso Ltd (prod)" },
		`has the tier "Professional Edition", and the file that Admin has read "Professional"`:  func(l *licensefile.License) { l.Tier = "Professional Edition" },
		`has the tier "Standard", and the file that Admin has read "Professional"`:              func(l *licensefile.License) { l.Tier = "Standard" },
		`has the expiry "2026-11-23T00:00:00Z", and the file that Admin has read "2026-11-22T00:00:00Z"`: func(l *licensefile.License) {
			l.Expires = l.Expires.AddDate(0, 0, 1)
		},
		`has the expiry "2026-11-21T23:59:59Z", and the file that Admin has read "2026-11-22T00:00:00Z"`: func(l *licensefile.License) {
			l.Expires = l.Expires.Add(-time.Second)
		},
		`has the expiry "never", and the file that Admin has read "2026-11-22T00:00:00Z"`: func(l *licensefile.License) { l.Never, l.Expires = true, time.Time{} },
		"names no customer, no tier, no expiry":                                           func(l *licensefile.License) { *l = licensefile.License{} },
		"names no expiry":                                                                 func(l *licensefile.License) { l.Expires = time.Time{} },
		"a time without its zone":                                                         func(l *licensefile.License) { l.Expires = l.Expires.Add(5 * time.Hour) },
	} {
		s := newScene()
		served := *s.served
		s.served = &served
		spoil(s.served)
		got := s.plan(t)
		if got.Status != reconciler.Refused || !slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool {
			return f.Code == "license-answer" && f.Severity == reconciler.Error && strings.Contains(f.Text, text)
		}) {
			t.Errorf("%s: %s %s %+v", text, got.Status, got.Reason, got.Findings)
		}
		for _, f := range got.Findings { // the file is what it should be, and to declare something would change nothing
			if f.Severity == reconciler.Error && f.Code != "license-answer" || strings.Contains(f.Text, "live file is for") {
				t.Errorf("%s: and %+v", text, f)
			}
		}
		s.spec.Customer, s.spec.Tier = "Contoso Ltd", "Professional"
		if got := s.plan(t); got.Status != reconciler.Refused {
			t.Errorf("%s: declared, it is %s", text, got.Status)
		}
	}
}

// What the proof takes for the same is no reason to refuse.
func TestAnAnswerInOtherWords(t *testing.T) {
	for reason, change := range map[string]func(*licensefile.License){
		"another case, blanks at the end": func(l *licensefile.License) { l.Customer, l.Tier = "CONTOSO LTD ", "professional " },
		"the end of that day":             func(l *licensefile.License) { l.Expires = l.Expires.AddDate(0, 0, 1).Add(-time.Second) },
		"the day's last moment of .NET":   func(l *licensefile.License) { l.Expires = l.Expires.AddDate(0, 0, 1).Add(-100) },
	} {
		s := newScene()
		change(s.served)
		c := s.plan(t)
		if c.Status != reconciler.Rotate || find(c, "call", "") == nil {
			t.Errorf("%s: %s %s %+v", reason, c.Status, c.Reason, c.Findings)
			continue
		}
		next(s).Customer = "Contoso Ltd"
		change(next(s)) // as Admin would write the next
		told := map[string]string{"customer": next(s).Customer, "tier": next(s).Tier, "expiry": next(s).Expires.Format(time.RFC3339Nano)}
		for _, f := range find(c, "prove /api/license", "").Op.(site.ProveAnswer).Want {
			if !f.Met(told[f.Name]) {
				t.Errorf("%s: the proof does not take %q for %q", reason, told[f.Name], f.Want)
			}
		}
	}
}

// An answer is never called the file: where the file says nothing, Admin is said to serve it.
func TestWhoNamesAnotherCustomer(t *testing.T) {
	for want, change := range map[string]func(*scene){
		`the live file is for "Fabrikam"`: func(s *scene) {
			s.files[admin].Content.(*licensefile.License).Customer, s.served.Customer = "Fabrikam", "Fabrikam"
		},
		`Admin serves one for "Fabrikam"`: func(s *scene) {
			s.files[admin].Content, s.served.Customer = &licensefile.License{Layout: licensefile.Unknown}, "Fabrikam"
		},
		`Admin serves one for "Fabrikam AG"`: func(s *scene) { // Admin has not read the file
			s.service["IdentityMeshAdmin"].StartedAt, s.served.Customer = written.Add(-time.Hour), "Fabrikam AG"
		},
	} {
		s := newScene()
		change(s)
		if got := s.plan(t); got.Status != reconciler.Refused || !slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool {
			return f.Code == "license-customer" && strings.Contains(f.Text, want)
		}) {
			t.Errorf("%s: %s %+v", want, got.Status, got.Findings)
		}
	}
}
