package license_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/licensefile"
	"meshrotate/providers/rotations/license"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

const (
	admin  = "im-admin.example"
	engine = "im-engine.example"
	path   = `C:\license.key`
)

var (
	written = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	started = written.Add(time.Hour)
	now     = written.Add(24 * time.Hour)
)

func until(days int) *licensefile.License {
	return &licensefile.License{Customer: "Contoso Ltd", Tier: "Professional", Expires: now.AddDate(0, 0, days)}
}

// scene begins with 2025-11 live, good for 20 days, and 2026-11 asked for, good for a year.
type scene struct {
	doc     *specs.Deployment
	spec    *license.Spec
	api     reconciler.Look
	served  *licensefile.License
	value   *site.ValueSeen
	files   map[string]*site.FileSeen
	service map[string]*site.ServiceSeen // by service
	reach   map[string]reconciler.Reach
	history []state.Entry
}

func newScene() *scene {
	s := &scene{doc: &specs.Deployment{Hosts: specs.Hosts{Admin: admin, Engine: engine}},
		spec: &license.Spec{Secret: specs.Secret{Version: "2026-11"}, Tiers: []string{"Community", "Standard", "Professional", "Enterprise"}},
		api:  reconciler.Look{Reach: reconciler.Reached}, served: until(20), value: &site.ValueSeen{Available: true, License: until(372)},
		files: map[string]*site.FileSeen{}, service: map[string]*site.ServiceSeen{}, reach: map[string]reconciler.Reach{}}
	s.doc.Connect.AdminAPI.URL = "https://im-admin.example"
	s.doc.Product.License = path
	s.doc.Product.Admin.Service, s.doc.Product.Engine.Service = "IdentityMeshAdmin", "IdentityMeshEngine"
	for _, h := range []string{admin, engine} {
		s.files[h] = &site.FileSeen{Base: site.Base{Exists: true, SHA256: "00", Modified: written}, Version: "2025-11", License: until(20)}
	}
	for _, n := range []string{"IdentityMeshAdmin", "IdentityMeshEngine"} {
		s.service[n] = &site.ServiceSeen{Installed: true, State: "running", StartedAt: started}
	}
	return s
}

func done() *scene {
	s := newScene()
	for _, f := range s.files {
		f.Version, f.License = "2026-11", until(372)
	}
	s.served, s.value.Kept = until(372), true
	s.history = []state.Entry{{Secret: "license", Version: "2026-11", Outcome: state.Started, Before: "2025-11"}, {Secret: "license", Version: "2026-11", Outcome: state.Done, Time: written}}
	return s
}

func (s *scene) plan(t *testing.T) reconciler.Change {
	t.Helper()
	r := license.New(s.doc, s.spec)
	seen := reconciler.Seen{}
	put := func(read reconciler.Read, res reconciler.Result) {
		look := seen[read.Target()]
		if look.Results == nil {
			look = reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
		}
		look.Results[read.Key()] = res
		seen[read.Target()] = look
	}
	if s.value != nil {
		put(site.Value{Secret: r.Ref(), License: true, PublicKey: s.spec.PublicKey}, s.value)
	}
	hosts := map[string]string{"IdentityMeshAdmin": s.doc.Hosts.Admin, "IdentityMeshEngine": s.doc.EngineHost()}
	for name, h := range hosts {
		if reach := s.reach[h]; reach != "" {
			seen[site.Host(h)] = reconciler.Look{Reach: reach, Err: errors.New("no route")}
			continue
		}
		put(site.File{Host: h, Path: path, Secret: r.Ref(), License: true}, s.files[h])
		put(site.Service{Host: h, Name: name}, s.service[name])
	}
	seen[site.API] = s.api
	if s.api.Reach == reconciler.Reached && s.served != nil {
		put(site.License{}, &site.LicenseSeen{Customer: s.served.Customer, Tier: s.served.Tier, Expires: s.served.Expires})
	}
	in := reconciler.Input{Seen: seen, History: state.NewHistory(s.history), Now: now}
	c := r.Plan(in)
	a, err := json.Marshal([]any{c, c.Steps})
	if err != nil {
		t.Fatal(err)
	}
	d := r.Plan(in)
	if b, _ := json.Marshal([]any{d, d.Steps}); string(a) != string(b) {
		t.Errorf("the same input gives another plan:\n%s\n%s", a, b)
	}
	return c
}

func TestGuards(t *testing.T) {
	next := func(change func(l *licensefile.License)) func(*scene) {
		return func(s *scene) { change(s.value.License) }
	}
	for _, c := range []struct {
		code, reason string
		change       func(s *scene)
		status       reconciler.Status
		text         string
	}{
		{"license-customer", "another customer's file", next(func(l *licensefile.License) { l.Customer = "Fabrikam" }), reconciler.Refused, "Fabrikam"},
		{"license-customer", "a rename that is declared, and a file that still has the old name", func(s *scene) { s.spec.Customer = "Contoso AG" }, reconciler.Refused, "the document names"},
		{"license-expired", "an expired file", next(func(l *licensefile.License) { l.Expires = now.Add(-time.Hour) }), reconciler.Refused, "expired"},
		{"license-expired", "it expires this very moment", next(func(l *licensefile.License) { l.Expires = now }), reconciler.Refused, "expired"},
		{"license-tier", "a lower tier", next(func(l *licensefile.License) { l.Tier = "Standard" }), reconciler.Refused, "Standard"},
		{"license-tier", "a tier that nobody knows", next(func(l *licensefile.License) { l.Tier = "Platinum" }), reconciler.Refused, "Platinum"},
		{"license-tier", "lower than the document asks for", func(s *scene) { s.spec.Tier = "Enterprise" }, reconciler.Refused, "the document asks for"},
		{"license-invalid", "a truncated file, or a bad signature, or the wrong public key", func(s *scene) {
			s.value = &site.ValueSeen{Available: true, LicenseProblem: "cut short"}
		}, reconciler.Refused, "cut short"},
		{"license-invalid", "a file that nobody could read", func(s *scene) { s.value = &site.ValueSeen{Available: true} }, reconciler.Refused, "could not be read"},
		{"value-unavailable", "no file", func(s *scene) { s.value = &site.ValueSeen{Problem: "no such file"} }, reconciler.Refused, "no such file"},
		{"value-unavailable", "no answer", func(s *scene) { s.value = nil }, reconciler.Refused, "not to be had"},
		{"license-earlier", "it expires before the live one", func(s *scene) {
			s.files[admin].License, s.served = until(500), until(500)
		}, reconciler.Rotate, "before the live one"},
		{"license-expires", "60 days", next(func(l *licensefile.License) { l.Expires = now.AddDate(0, 0, 60) }), reconciler.Rotate, "in 60 days"},
		{"license-expires", "30 days", next(func(l *licensefile.License) { l.Expires = now.AddDate(0, 0, 30) }), reconciler.Rotate, "in 30 days: soon"},
		{"license-expires", "7 days", next(func(l *licensefile.License) { l.Expires = now.AddDate(0, 0, 7) }), reconciler.Rotate, "in 7 days: urgent"},
		{"license-expires", "also when it is live", func(s *scene) {
			*s = *done()
			s.served, s.value.License = until(5), until(5)
			for _, f := range s.files {
				f.License = until(5)
			}
		}, reconciler.AsDeclared, "in 5 days: urgent"},
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
			i := slices.IndexFunc(got.Findings, func(f reconciler.Finding) bool { return f.Code == c.code })
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
			if c.status != reconciler.Rotate && len(got.Steps) > 0 {
				t.Errorf("%d steps, and it is %s", len(got.Steps), got.Status)
			}
		})
	}
}

func TestNoWarningInGoodTime(t *testing.T) {
	if c := newScene().plan(t); c.Status != reconciler.Rotate || len(c.Findings) > 0 {
		t.Errorf("%s %+v", c.Status, c.Findings)
	}
	s := newScene()
	s.value.License.Expires = now.AddDate(0, 0, 61)
	if c := s.plan(t); len(c.Findings) > 0 {
		t.Errorf("61 days: %+v", c.Findings)
	}
	s = newScene()
	s.spec.Customer, s.value.License.Customer = "Contoso AG", "Contoso AG"
	if c := s.plan(t); c.Status != reconciler.Rotate {
		t.Errorf("a declared rename is %s: %+v", c.Status, c.Findings)
	}
	s = newScene()
	s.value.License.Tier = "Enterprise"
	if c := s.plan(t); c.Status != reconciler.Rotate {
		t.Errorf("a higher tier is %s: %+v", c.Status, c.Findings)
	}
	s = newScene()
	s.spec.Tier, s.value.License.Tier = "Standard", "Standard"
	if c := s.plan(t); c.Status != reconciler.Rotate {
		t.Errorf("a declared lower tier is %s: %+v", c.Status, c.Findings)
	}
}

func TestWork(t *testing.T) {
	for _, c := range []struct {
		reason string
		scene  func() *scene
		status reconciler.Status
		yes    [][2]string
		no     [][2]string
	}{
		{"nothing to do", done, reconciler.AsDeclared, nil, nil},
		{"a new file: Admin reloads, Engine restarts", newScene, reconciler.Rotate,
			[][2]string{{"stage", admin}, {"swap", engine}, {"reload", ""}, {"stop IdentityMeshEngine", engine}, {"prove license", ""}, {"prove file", admin}, {"prove process", engine}, {"discard", admin}},
			[][2]string{{"stop IdentityMeshAdmin", admin}}},
		{"no API: both restart", func() *scene { s := newScene(); s.doc.Connect.AdminAPI.URL = ""; return s }, reconciler.Rotate,
			[][2]string{{"stop IdentityMeshAdmin", admin}, {"start IdentityMeshAdmin", admin}, {"stop IdentityMeshEngine", engine}, {"prove process", admin}}, [][2]string{{"reload", ""}, {"await", ""}, {"prove license", ""}}},
		{"Engine on the Admin host: one file, one swap", func() *scene { s := newScene(); s.doc.Hosts.Engine = admin; return s }, reconciler.Rotate,
			[][2]string{{"swap", admin}, {"stop IdentityMeshEngine", admin}}, [][2]string{{"swap", engine}}},
		{"no file yet", func() *scene {
			s := newScene()
			s.files[admin] = &site.FileSeen{Version: site.Absent}
			return s
		}, reconciler.Rotate, [][2]string{{"swap", admin}}, nil},
		{"an empty file", func() *scene {
			s := newScene()
			s.files[engine].Version, s.files[engine].License = site.Empty, nil
			return s
		}, reconciler.Rotate, [][2]string{{"swap", engine}}, nil},
		{"only Engine has another file", func() *scene { s := done(); s.files[engine].Version = site.Unknown; return s }, reconciler.Rotate, [][2]string{{"swap", engine}}, [][2]string{{"swap", admin}}},
		{"Admin serves another license than its file", func() *scene { s := done(); s.served = until(20); return s }, reconciler.Rotate, [][2]string{{"reload", ""}}, [][2]string{{"swap", admin}, {"stop", engine}}},
		{"Engine started before its file was written", func() *scene {
			s := done()
			s.service["IdentityMeshEngine"].StartedAt = written.Add(-time.Minute)
			return s
		}, reconciler.Rotate, [][2]string{{"stop", engine}, {"start", engine}}, [][2]string{{"swap", engine}}},
		{"Engine is stopped", func() *scene { s := done(); s.service["IdentityMeshEngine"].State = "stopped"; return s }, reconciler.Rotate, [][2]string{{"start", engine}}, nil},
		{"leftovers of an earlier run", func() *scene { s := done(); s.files[admin].Backup = true; return s }, reconciler.Rotate, [][2]string{{"discard", admin}}, [][2]string{{"stop", engine}}},
		{"a start without an outcome must be proven", func() *scene { s := done(); s.history = s.history[:1]; return s }, reconciler.Rotate, [][2]string{{"prove license", ""}, {"prove process", engine}}, [][2]string{{"stop", engine}}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			got := c.scene().plan(t)
			if got.Status != c.status {
				t.Fatalf("it is %s: %s %+v", got.Status, got.Reason, got.Findings)
			}
			has := func(k [2]string) bool {
				return slices.ContainsFunc(got.Steps, func(s reconciler.Step) bool {
					return strings.HasPrefix(s.Op.Key(), k[0]) && s.Op.Target().Name == k[1]
				})
			}
			for _, k := range c.yes {
				if !has(k) {
					t.Errorf("no step %q on %q", k[0], k[1])
				}
			}
			for _, k := range c.no {
				if has(k) {
					t.Errorf("a step %q on %q", k[0], k[1])
				}
			}
			if got.Reason == "" {
				t.Error("no reason")
			}
		})
	}
}
