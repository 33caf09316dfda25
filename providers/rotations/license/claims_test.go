package license_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// proof is what is demanded of Admin, nil when it is not asked.
func proof(c reconciler.Change) *site.ProveAnswer {
	for _, s := range rotationtest.Steps(c) {
		if op, ok := s.Op.(site.ProveAnswer); ok {
			return &op
		}
	}
	return nil
}

// What cannot be read in the file may be declared. Of what neither says something must change, where something could.
func TestWhatIsDemandedOfAdmin(t *testing.T) {
	const end = "2027-11-30T00:00:00Z"
	live := func(s *scene) {
		opaque(s)
		s.spec.Customer, s.spec.Tier, s.spec.Expires = "Contoso Ltd", "Professional", until(20).Expires.Format(time.RFC3339)
	}
	for _, c := range []struct {
		reason          string
		change          func(s *scene)
		want            map[string]string
		changed, untold bool
	}{
		{"an opaque file of which nothing is declared", opaque, map[string]string{"customer": "Contoso Ltd"}, true, false},
		{"an opaque file of which all is declared", func(s *scene) {
			opaque(s)
			s.spec.Customer, s.spec.Tier, s.spec.Expires = "Contoso Ltd", "Enterprise", "2027-11-30"
		}, map[string]string{"customer": "Contoso Ltd", "tier": "Enterprise", "expiry": end}, false, false},
		{"one that never ends", func(s *scene) { opaque(s); s.spec.Expires = "never" }, map[string]string{"expiry": site.Never}, false, false},
		{"only what is as before is declared", func(s *scene) { opaque(s); s.spec.Tier = "Professional" }, map[string]string{"customer": "Contoso Ltd", "tier": "Professional"}, true, false},
		{"all that is declared is as before", live, map[string]string{"customer": "Contoso Ltd", "tier": "Professional", "expiry": until(20).Expires.Format(time.RFC3339)}, false, true},
		{"and the answer has a number, too", func(s *scene) { live(s); s.also = map[string]string{"number": "7"} },
			map[string]string{"customer": "Contoso Ltd", "tier": "Professional", "expiry": until(20).Expires.Format(time.RFC3339)}, true, false},
		{"nobody knows what was before", func(s *scene) {
			opaque(s)
			s.api, s.service["IdentityMeshAdmin"].State = reconciler.Look{Reach: reconciler.Unreachable}, "stopped"
		}, map[string]string{}, false, true},
		{"a file that never ends", func(s *scene) { next(s).Never, next(s).Expires = true, time.Time{} }, map[string]string{"customer": "Contoso Ltd", "tier": "Professional", "expiry": site.Never}, false, false},
		{"a tier as a number, which Admin names", func(s *scene) { next(s).Tier = "3" }, map[string]string{"customer": "Contoso Ltd", "expiry": now.AddDate(0, 0, 372).Format(time.RFC3339)}, false, false},
	} {
		s := newScene()
		c.change(s)
		change := s.plan(t)
		for _, step := range rotationtest.Steps(change) {
			if stage, ok := step.Op.(site.StageFile); ok && strings.Contains(stage.Says().Do, "of of") {
				t.Errorf("%s: %s", c.reason, stage.Says().Do)
			}
		}
		op := proof(change)
		if op == nil {
			t.Fatalf("%s: Admin is not asked: %s %s %+v", c.reason, change.Status, change.Reason, change.Findings)
		}
		got := map[string]string{}
		for _, f := range op.Want {
			if f.Want != "" {
				got[f.Name] = f.Want
			}
			if f.Name == "tier" && c.changed && (!f.Refused("Standard") || !f.Refused("Unlicensed") || f.Refused("Enterprise")) {
				t.Errorf("%s: tiers that are not taken: %q", c.reason, f.Not)
			}
		}
		if !maps.Equal(got, c.want) || op.Changed != c.changed || op.Untold != c.untold {
			t.Errorf("%s: %v, changed %v, untold %v", c.reason, got, op.Changed, op.Untold)
		}
		if !slices.ContainsFunc(op.Want, func(f site.Field) bool { return f.Refused("Revoked") }) {
			t.Errorf("%s: a revoked license is taken", c.reason)
		}
	}
}

// What the file does not say of its tier by name, Admin does: a lower one than was live, or is declared, is not taken. Nor is one that
// has ended.
func TestWhatAdminMustNotSay(t *testing.T) {
	for _, tier := range []string{"", "3"} {
		for declared, takes := range map[string]bool{"": false, "Standard": true, "Enterprise": false} {
			s := newScene()
			s.spec.Tier = declared
			number(s, "2", tier)
			told := map[string]string{"customer": "Contoso Ltd", "tier": "Standard", "expiry": until(372).Expires.Format(time.RFC3339)}
			op := proof(s.plan(t))
			if op == nil {
				t.Fatalf("%q, %q: %+v", tier, declared, s.plan(t).Findings)
			}
			taken := !slices.ContainsFunc(op.Want, func(f site.Field) bool { return !f.Met(told[f.Name]) || f.Passed(told[f.Name], now) })
			if taken != takes {
				t.Errorf("tier %q, declared %q: Standard is taken: %v", tier, declared, taken)
			}
			if !slices.ContainsFunc(op.Want, func(f site.Field) bool { return f.Name == "expiry" && f.Passed(told[f.Name], now.AddDate(2, 0, 0)) }) {
				t.Error("one that has ended is taken")
			}
		}
	}
}

// A run that died after Admin had read the file: what it answered before is in the ledger, and what it answers now is no measure.
func TestAnOpaqueLicenseAfterACrash(t *testing.T) {
	s := newScene()
	opaque(s)
	begun := proof(s.plan(t))
	s.history = []state.Entry{{Secret: "license", Version: "2026-11", Outcome: state.Started, Before: "2025-11", Facts: begun.Foresees()}}
	s.served = until(372)
	for _, f := range s.files {
		f.Version, f.Changed = "2026-11", started.Add(time.Hour)
	}
	op := proof(s.plan(t))
	if op == nil || !op.Changed {
		t.Fatalf("%+v", op)
	}
	for _, f := range op.Want {
		if f.Name == "expiry" && f.Was != until(20).Expires.Format(time.RFC3339Nano) {
			t.Errorf("before it was %q", f.Was)
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
		{"a date, of which Admin makes the day before", func(s *scene) {
			s.value.Content, s.served.Expires = day(until(372)), until(371).Expires
		}, reconciler.Rotate},
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
