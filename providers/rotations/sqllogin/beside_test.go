package sqllogin_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// A string with a declared login under another key is not rotated: whoever reads it is left behind. Where that is an outage for certain,
// nothing is begun.
func TestAStringBeside(t *testing.T) {
	beside := func(user string, alike bool) func(*scene) {
		return func(s *scene) {
			s.hosts[admin].setting.Beside = []site.BesideSeen{{Key: "ConnectionStrings:Mesh", Path: `C:\admin.json`, Alike: alike, Version: "11", Connection: site.Connection{Server: "tcp:" + sql1 + ",1433", User: user}}}
		}
	}
	begun := func(s *scene) { s.pending(a) }
	elsewhere := func(s *scene) { s.hosts[admin].setting.Beside[0].Server = "reports.example" }
	shared := func(s *scene) { // Engine's key, in the file that both have
		s.doc.Hosts.Engine, s.doc.Product.Engine.Settings, s.spec.Settings.Engine = admin, `C:\admin.json`, "ConnectionStrings:Mesh"
	}
	for _, c := range []struct {
		name, mode string
		seen       []func(*scene)
		severity   reconciler.Severity // "" for no finding
	}{
		{"with the pair", "alternating", []func(*scene){beside(a, true)}, reconciler.Warning},
		{"with the pair's idle one", "alternating", []func(*scene){beside(b, false)}, reconciler.Error},
		{"with the pair's idle one, on another server", "alternating", []func(*scene){beside(b, false), elsewhere}, reconciler.Warning},
		{"with the pair's idle one, and the document names the key", "alternating", []func(*scene){beside(b, false), func(s *scene) { s.spec.Settings.Admin = "Data:Sql" }}, reconciler.Warning},
		{"with the pair's idle one, and a run was cut off", "alternating", []func(*scene){beside(b, false), func(s *scene) { s.pending(b) }}, reconciler.Warning},
		{"with the pair's idle one, and a password that is dead already", "alternating", []func(*scene){beside(b, false), func(s *scene) {
			s.history = append(s.history, state.Entry{Secret: "sqllogin", Version: "10", Step: "prove", Outcome: state.Done, Facts: []state.Fact{site.VersionOn(sql1, b, "10")}})
		}}, reconciler.Warning},
		{"with the pair's idle one, which a run has disabled", "alternating", []func(*scene){beside(b, false), func(s *scene) {
			s.servers[sql1].logins[b].Disabled = true
			s.history = append(s.history, state.Entry{Secret: "sqllogin", Version: "10", Step: "retire", Outcome: state.Done, Facts: []state.Fact{site.RetiredOn(sql1, b, true)}})
		}}, reconciler.Warning},
		{"with another one alone than the one in force", "single", []func(*scene){beside(b, false), func(s *scene) { s.spec.Login = b }}, reconciler.Error},
		{"with one", "single", []func(*scene){beside("IM_APP_A", true)}, reconciler.Error},
		{"with one that is changed elsewhere", "external", []func(*scene){beside(a, true)}, reconciler.Error},
		{"with one, on another server", "single", []func(*scene){beside(a, true), elsewhere}, reconciler.Warning},
		{"with one, after one on another server", "single", []func(*scene){beside(a, true), func(s *scene) {
			first := s.hosts[admin].setting.Beside[0]
			first.Key, first.Server = "ConnectionStrings:Reports", "reports.example"
			s.hosts[admin].setting.Beside = append([]site.BesideSeen{first}, s.hosts[admin].setting.Beside...)
		}}, reconciler.Error},
		{"with one, and the document names the key", "single", []func(*scene){beside(a, true), func(s *scene) { s.spec.Settings.Admin = "Data:Sql" }}, reconciler.Warning},
		{"with one that is dead already", "external", []func(*scene){beside(a, true), func(s *scene) {
			s.both(func(h *hostSeen) { h.signIn.Verdict, h.signIn.Declared = site.Rejected, site.Accepted })
		}}, reconciler.Warning},
		{"with one, and a run was cut off", "single", []func(*scene){beside(a, true), begun}, reconciler.Warning},
		{"with a password that is dead already", "single", []func(*scene){beside(a, false)}, ""},
		{"with another one that is in force", "external", []func(*scene){func(s *scene) { s.spec.Login = b }, beside(a, true)}, reconciler.Warning},
		{"of somebody else", "single", []func(*scene){beside("im_reports", true)}, ""},
		{"that is rotated, too", "single", []func(*scene){beside(a, true), shared}, ""},
	} {
		s := newScene(c.mode)
		for _, see := range c.seen {
			see(s)
		}
		got := s.plan(t)
		i := slices.IndexFunc(got.Findings, func(f reconciler.Finding) bool { return f.Code == "string-beside" })
		switch {
		case i < 0 && c.severity != "", i >= 0 && (got.Findings[i].Severity != c.severity || !strings.Contains(got.Findings[i].Text, `"ConnectionStrings:Mesh" in C:\admin.json`) || got.Findings[i].Hint == ""):
			t.Errorf("%s: %+v", c.name, got.Findings)
		case c.severity == reconciler.Error && got.Status != reconciler.Refused:
			t.Errorf("%s: %s", c.name, got.Status)
		}
	}
}

// The login that was replaced is not disabled while a string names it that a service may read, and nobody says that both use the new one.
func TestAStringBesideHoldsTheRetirement(t *testing.T) {
	s := live("alternating", b)
	s.now = now.AddDate(0, 1, 0)
	if got := s.plan(t); find(got, reconciler.Retire, "retire login", "") == nil {
		t.Fatalf("%+v", got)
	}
	s.hosts[admin].setting.Beside = []site.BesideSeen{{Key: "K", Path: `C:\admin.json`, Version: "11", Connection: site.Connection{Server: sql1, User: a}}}
	got := s.plan(t)
	if find(got, reconciler.Retire, "retire login", "") != nil || !slices.ContainsFunc(got.Findings, func(f reconciler.Finding) bool { return f.Code == "string-beside" }) || strings.Contains(got.Reason, "in use by") {
		t.Errorf("%+v", got)
	}
}
