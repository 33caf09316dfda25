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
		{"license-tier", "a lower tier", with(func(l *licensefile.License) { l.Tier = "Standard" }), reconciler.Refused, "Standard"},
		{"license-tier", "a tier that nobody knows", with(func(l *licensefile.License) { l.Tier = "Platinum" }), reconciler.Refused, "Platinum"},
		{"license-tier", "lower than the document asks for", func(s *scene) { s.spec.Tier = "Enterprise" }, reconciler.Refused, "the document asks for"},
		{"license-invalid", "a truncated file, or a bad signature, or the wrong public key", func(s *scene) {
			s.value = &site.ValueSeen{Available: true, Unfit: "cut short"}
		}, reconciler.Refused, "cut short"},
		{"license-invalid", "a file that nobody could read", func(s *scene) { s.value = &site.ValueSeen{Available: true} }, reconciler.Refused, "could not be read"},
		{"value-unavailable", "no file", func(s *scene) { s.value = &site.ValueSeen{Problem: "no such file"} }, reconciler.Refused, "no such file"},
		{"value-unavailable", "no answer", func(s *scene) { s.value = nil }, reconciler.Refused, "not to be had"},
		{"license-earlier", "it expires before the live one", func(s *scene) {
			s.files[admin].Content, s.served = until(500), until(500)
		}, reconciler.Rotate, "before the live one"},
		{"license-expires", "60 days", with(func(l *licensefile.License) { l.Expires = now.AddDate(0, 0, 60) }), reconciler.Rotate, "in 60 days"},
		{"license-expires", "30 days", with(func(l *licensefile.License) { l.Expires = now.AddDate(0, 0, 30) }), reconciler.Rotate, "in 30 days: soon"},
		{"license-expires", "7 days", with(func(l *licensefile.License) { l.Expires = now.AddDate(0, 0, 7) }), reconciler.Rotate, "in 7 days: urgent"},
		{"license-expires", "also when it is live", func(s *scene) {
			*s = *done()
			s.served, s.value.Content = until(5), until(5)
			for _, f := range s.files {
				f.Content = until(5)
			}
		}, reconciler.AsDeclared, "in 5 days: urgent"},
		{"license-layout", "cut before its signature", func(s *scene) {
			s.files[admin].Content.(*licensefile.License).Layout, next(s).Layout = "dotted", "json"
		}, reconciler.Refused, "cut short"},
		{"license-layout", "another layout than the document says", func(s *scene) { s.spec.Layout, next(s).Layout = "xml", "json" }, reconciler.Refused, "the document says xml"},
		{"license-opaque", "what nobody here can read is placed, and not called proven", func(s *scene) {
			s.value.Content = &licensefile.License{Layout: licensefile.Unknown}
			s.files[admin].Content, s.files[engine].Content = s.value.Content, s.value.Content
		}, reconciler.Rotate, "not proven"},
		{"license-expiry", "it ends at another time than the document says", func(s *scene) { s.spec.Expires = "2030-01-01" }, reconciler.Refused, "2030-01-01"},
		{"license-expiry", "and it should never end", func(s *scene) { s.spec.Expires = "never" }, reconciler.Refused, "the document says never"},
		{"license-tier", "lower than what Admin serves, whatever the live file says", func(s *scene) {
			s.files[admin].Content = &licensefile.License{Layout: licensefile.Unknown}
			next(s).Tier = "Standard"
		}, reconciler.Refused, "Standard"},
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
	next(s).Tier = "Enterprise"
	if c := s.plan(t); c.Status != reconciler.Rotate {
		t.Errorf("a higher tier is %s: %+v", c.Status, c.Findings)
	}
	s = newScene()
	s.spec.Tier, next(s).Tier = "Standard", "Standard"
	if c := s.plan(t); c.Status != reconciler.Rotate {
		t.Errorf("a declared lower tier is %s: %+v", c.Status, c.Findings)
	}
}

// An answer that names less than the live file says would prove no other license: nothing is stopped for it.
func TestAnAnswerThatProvesNothing(t *testing.T) {
	for text, spoil := range map[string]func(*licensefile.License){
		"names no customer, no tier, no expiry": func(l *licensefile.License) { *l = licensefile.License{} },
		"names no expiry":                       func(l *licensefile.License) { l.Expires = time.Time{} },
		"a time without its zone":               func(l *licensefile.License) { l.Expires = l.Expires.Add(5 * time.Hour) },
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
	}
}
