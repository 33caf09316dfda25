package license_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
)

// demanded is what the proof demands of Admin.
func demanded(t *testing.T, c reconciler.Change) map[string]string {
	t.Helper()
	all := rotationtest.Steps(c)
	i := slices.IndexFunc(all, func(s reconciler.Step) bool { _, ok := s.Op.(site.ProveAnswer); return ok })
	if i < 0 {
		t.Fatalf("Admin is not asked: %s %s %+v", c.Status, c.Reason, c.Findings)
	}
	want := map[string]string{}
	for _, f := range all[i].Op.(site.ProveAnswer).Want {
		want[f.Name] = f.Want
	}
	return want
}

// What cannot be read in the file may be declared, and what neither says is not demanded.
func TestWhatIsDemandedOfAdmin(t *testing.T) {
	const end = "2027-11-30T00:00:00Z"
	opaque := func(s *scene) {
		s.value.Content = &licensefile.License{Layout: licensefile.Unknown}
		s.files[admin].Content, s.files[engine].Content = s.value.Content, s.value.Content
	}
	for _, c := range []struct {
		reason string
		change func(s *scene)
		want   map[string]string
	}{
		{"an opaque file of which nothing is declared", opaque, map[string]string{}},
		{"an opaque file of which all is declared", func(s *scene) {
			opaque(s)
			s.spec.Customer, s.spec.Tier, s.spec.Expires = "Contoso Ltd", "Enterprise", "2027-11-30"
		}, map[string]string{"customer": "Contoso Ltd", "tier": "Enterprise", "expiry": end}},
		{"one that never ends", func(s *scene) { opaque(s); s.spec.Expires = "never" }, map[string]string{"expiry": site.Never}},
		{"a file that never ends", func(s *scene) { next(s).Never, next(s).Expires = true, time.Time{} }, map[string]string{"customer": "Contoso Ltd", "tier": "Professional", "expiry": site.Never}},
		{"a tier as a number, which Admin names", func(s *scene) { next(s).Tier = "3" }, map[string]string{"customer": "Contoso Ltd", "expiry": now.AddDate(0, 0, 372).Format(time.RFC3339)}},
	} {
		s := newScene()
		c.change(s)
		got := demanded(t, s.plan(t))
		if len(got) != len(c.want) {
			t.Errorf("%s: %v", c.reason, got)
		}
		for name, want := range c.want {
			if got[name] != want {
				t.Errorf("%s: %v", c.reason, got)
			}
		}
	}
}

// Differences that mean nothing are no drift, and nothing to repeat every night.
func TestWhatIsTheSameLicense(t *testing.T) {
	day := func(l *licensefile.License) *licensefile.License { l.Precision = 38 * time.Hour; return l }
	for _, c := range []struct {
		reason string
		change func(s *scene)
		status reconciler.Status
	}{
		{"a blank at the end, another case", func(s *scene) { s.served.Customer, s.served.Tier = "Contoso Ltd ", "PROFESSIONAL" }, reconciler.AsDeclared},
		{"a date, of which Admin makes midnight somewhere else", func(s *scene) {
			s.value.Content, s.served.Expires = day(until(372)), until(372).Expires.Add(-time.Hour)
		}, reconciler.AsDeclared},
		{"a date, of which Admin makes the end of the day", func(s *scene) {
			s.value.Content, s.served.Expires = day(until(372)), until(372).Expires.Add(24*time.Hour-time.Second)
		}, reconciler.AsDeclared},
		{"another date", func(s *scene) {
			s.value.Content, s.served.Expires = day(until(372)), until(375).Expires
		}, reconciler.Rotate},
		{"never, served as the end of the calendar", func(s *scene) {
			for _, l := range []*licensefile.License{next(s), s.served} {
				l.Never, l.Expires = true, time.Time{}
			}
		}, reconciler.AsDeclared},
		{"never, and Admin serves an end", func(s *scene) { next(s).Never, next(s).Expires = true, time.Time{} }, reconciler.Rotate},
		{"a tier as a number", func(s *scene) { next(s).Tier = "3" }, reconciler.AsDeclared},
		{"a tier as another number", func(s *scene) { next(s).Tier, s.served.Tier = "3", "2" }, reconciler.Rotate},
	} {
		s := done()
		c.change(s)
		if got := s.plan(t); got.Status != c.status {
			t.Errorf("%s: it is %s: %s %+v", c.reason, got.Status, got.Reason, got.Findings)
		}
	}
}

// A file that says the same as the one before is read only when somebody asks Admin to.
func TestAReissuedFile(t *testing.T) {
	reissued := func() *scene {
		s := done()
		s.files[admin].Modified = started.Add(10 * time.Hour) // copied there by hand
		return s
	}
	for _, c := range []struct {
		reason string
		change func(s *scene)
		reload bool
	}{
		{"nobody asked Admin to read it", func(*scene) {}, true},
		{"Admin started after", func(s *scene) { s.service["IdentityMeshAdmin"].StartedAt = started.Add(11 * time.Hour) }, false},
		{"a run of ours proved it after", func(s *scene) { s.history[1].Time = started.Add(11 * time.Hour) }, false},
		{"a run of ours proved another version after", func(s *scene) {
			s.history[0].Version, s.history[1].Version, s.history[1].Time = "2025-11", "2025-11", started.Add(11*time.Hour)
		}, true},
		{"without an API Admin must start again", func(s *scene) { s.doc.Connect.AdminAPI.URL = "" }, false},
	} {
		s := reissued()
		c.change(s)
		got := s.plan(t)
		reloads := slices.ContainsFunc(rotationtest.Steps(got), func(st reconciler.Step) bool { return strings.HasPrefix(st.Op.Key(), "call ") })
		if reloads != c.reload {
			t.Errorf("%s: it is %s: %s", c.reason, got.Status, got.Reason)
		}
		if s.doc.Connect.AdminAPI.URL == "" && got.Status != reconciler.Rotate {
			t.Errorf("%s: it is %s", c.reason, got.Status)
		}
	}
}

// What status and the nightly job warn of is the license in use.
func TestExpiryIsThatOfTheLiveLicense(t *testing.T) {
	if c := newScene().plan(t); !c.Expires.Equal(until(20).Expires) {
		t.Errorf("%s", c.Expires)
	}
	s := newScene()
	s.served = nil
	if c := s.plan(t); !c.Expires.Equal(until(20).Expires) {
		t.Errorf("%s", c.Expires)
	}
}
