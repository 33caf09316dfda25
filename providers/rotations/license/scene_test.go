package license_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"meshrotate/providers/licensefile"
	"meshrotate/providers/rotations/license"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
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
	also    map[string]string // what Admin answers beside
	reload  *site.TrialSeen   // nil: nobody asked for the endpoint
	value   *site.ValueSeen
	files   map[string]*site.FileSeen
	service map[string]*site.ServiceSeen // by service
	reach   map[string]reconciler.Reach
	history []state.Entry
}

func newScene() *scene {
	s := &scene{doc: &specs.Deployment{Hosts: specs.Hosts{Admin: admin, Engine: engine}},
		spec: &license.Spec{Secret: specs.Secret{Version: "2026-11"}, Path: path, Endpoint: "/api/license", ReloadEndpoint: "/api/license/reload",
			Tiers: []string{"Community", "Standard", "Professional", "Enterprise"}},
		api: reconciler.Look{Reach: reconciler.Reached}, served: until(20), value: &site.ValueSeen{Available: true, Content: until(372)},
		files: map[string]*site.FileSeen{}, service: map[string]*site.ServiceSeen{}, reach: map[string]reconciler.Reach{}}
	s.doc.Connect.AdminAPI.URL = "https://im-admin.example"
	s.doc.Product.Admin.Service, s.doc.Product.Engine.Service = "IdentityMeshAdmin", "IdentityMeshEngine"
	for _, h := range []string{admin, engine} {
		s.files[h] = &site.FileSeen{Base: site.Base{Exists: true, SHA256: "00", Modified: written, Changed: written}, Version: "2025-11", Content: until(20)}
	}
	for _, n := range []string{"IdentityMeshAdmin", "IdentityMeshEngine"} {
		s.service[n] = &site.ServiceSeen{Installed: true, State: "running", StartedAt: started}
	}
	return s
}

func done() *scene {
	s := newScene()
	for _, f := range s.files {
		f.Version, f.Content = "2026-11", until(372)
	}
	s.served, s.value.Kept = until(372), true
	s.history = []state.Entry{{Secret: "license", Version: "2026-11", Outcome: state.Started, Before: "2025-11"}, {Secret: "license", Version: "2026-11", Outcome: state.Proven, Time: written}}
	return s
}

func (s *scene) plan(t *testing.T) reconciler.Change {
	t.Helper()
	r := license.New(s.doc, s.spec)
	seen := reconciler.Seen{}
	put := func(read reconciler.Read, res reconciler.Result) { rotationtest.Answer(seen, read, res) }
	if s.value != nil {
		put(site.Value{Secret: r.Ref()}, s.value)
	}
	hosts := map[string]string{"IdentityMeshAdmin": s.doc.Hosts.Admin, "IdentityMeshEngine": s.doc.EngineHost()}
	for name, h := range hosts {
		if reach := s.reach[h]; reach != "" {
			seen[site.Host(h)] = reconciler.Look{Reach: reach, Err: errors.New("no route")}
			continue
		}
		put(site.File{Host: h, Path: path, Secret: r.Ref()}, s.files[h])
		put(site.Service{Host: h, Name: name}, s.service[name])
	}
	seen[site.API] = s.api
	if s.reload != nil {
		put(site.Trial{Path: s.spec.ReloadEndpoint, Asks: site.AsksPost, Beside: s.spec.Endpoint}, s.reload)
	}
	if s.api.Reach == reconciler.Reached && s.served != nil {
		expiry := s.served.Expires.UTC().Format(time.RFC3339Nano)
		if s.served.Never {
			expiry = site.Never
		}
		fields := map[string]string{"customer": s.served.Customer, "tier": s.served.Tier}
		if s.served.Never || !s.served.Expires.IsZero() {
			fields["expiry"] = expiry
		}
		maps.Copy(fields, s.also)
		put(site.Get{Path: s.spec.Endpoint}, &site.AnswerSeen{Fields: fields})
	}
	return rotationtest.Plan(t, r, reconciler.Input{Seen: seen, History: state.NewHistory(s.history), Now: now})
}

// next is the license that is asked for.
func next(s *scene) *licensefile.License { return s.value.Content.(*licensefile.License) }

// opaque lets all files be of a layout that nobody here can read.
func opaque(s *scene) {
	s.value.Content = &licensefile.License{Layout: licensefile.Unknown}
	s.files[admin].Content, s.files[engine].Content = s.value.Content, s.value.Content
}
