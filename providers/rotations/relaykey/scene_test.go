package relaykey_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/rotations/relaykey"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/specs"
	"meshrotate/state"
)

const (
	admin = "im-admin.example"
	r1    = "relay-01.example"
	r2    = "relay-02.example"
)

var (
	written = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	started = written.Add(time.Hour)
	now     = written.Add(24 * time.Hour)
	yes     = true
)

// scene is everything that a plan may know. It begins with version 6 everywhere, and 7 asked for.
type scene struct {
	doc     *specs.Deployment
	spec    *relaykey.Spec
	api     reconciler.Look
	value   *site.ValueSeen
	hosts   map[string]*hostSeen
	relays  []site.RelaySeen
	more    bool
	unnamed int
	ago     time.Duration // when the list was made
	age     time.Duration // for how long something in between has had it
	history []state.Entry
}

type hostSeen struct {
	reach   reconciler.Reach
	setting site.SettingSeen
	service site.ServiceSeen
	skew    time.Duration
	trials  site.PreflightSeen
	guid    string
}

func newScene() *scene {
	s := &scene{doc: &specs.Deployment{Hosts: specs.Hosts{Admin: admin, Relays: []string{r1, r2}}},
		spec: &relaykey.Spec{Secret: specs.Secret{Version: "7", From: specs.Source{Generated: true}}, Setting: "Relay:ApiKey"},
		api:  reconciler.Look{Reach: reconciler.Reached}, value: &site.ValueSeen{}, hosts: map[string]*hostSeen{}}
	s.doc.Connect.AdminAPI.URL = "https://im-admin.example"
	s.doc.Product.API.ConnectedTimeout = specs.MustDuration("3m")
	s.doc.Product.Admin = specs.Component{Service: "IdentityMeshAdmin", Settings: `C:\admin.json`}
	s.doc.Product.Relay = specs.Component{Service: "IdentityMeshRelayAgent", Settings: `C:\relay.json`}
	for _, h := range []string{admin, r1, r2} {
		s.hosts[h] = &hostSeen{reconciler.Reached,
			site.SettingSeen{Base: site.Base{Exists: true, SHA256: "00", Modified: written, Changed: written}, Key: "Relay:ApiKey", Version: "6"},
			site.ServiceSeen{Installed: true, State: "running", StartedAt: started, StartMode: "auto"}, 0, site.PreflightSeen{Free: 1 << 30}, ""}
	}
	for _, h := range []string{r1, r2} {
		s.relays = append(s.relays, site.RelaySeen{Name: strings.ToUpper(h[:8]), Connected: &yes, Heartbeat: now.Add(-1500 * time.Millisecond)})
	}
	return s
}

// done is a scene in which 7 is live and recorded.
func done() *scene {
	s := newScene()
	for _, h := range s.hosts {
		h.setting.Version = "7"
	}
	s.value = &site.ValueSeen{Kept: true, Available: true, Content: relaykey.Key{Bytes: 32}}
	s.history = []state.Entry{{Secret: "relaykey", Version: "7", Outcome: state.Started, Before: "6"}, {Secret: "relaykey", Version: "7", Outcome: state.Proven, Time: written}}
	return s
}

func (s *scene) plan(t *testing.T) reconciler.Change {
	t.Helper()
	r := relaykey.New(s.doc, s.spec)
	ref := r.Ref()
	seen := reconciler.Seen{}
	put := func(read reconciler.Read, res reconciler.Result) { rotationtest.Answer(seen, read, res) }
	if s.value != nil {
		put(site.Value{Secret: ref}, s.value)
	}
	for name, h := range s.hosts {
		c := s.doc.Product.Relay
		if name == admin {
			c = s.doc.Product.Admin
		}
		if h.reach != reconciler.Reached {
			seen[site.Host(name)] = reconciler.Look{Reach: h.reach, Err: errors.New(name + ": no route")}
			continue
		}
		put(site.Setting{Host: name, Path: c.Settings, Setting: "Relay:ApiKey", Secret: ref, Service: c.Service}, &h.setting)
		put(site.Service{Host: name, Name: c.Service}, &h.service)
		trials := h.trials
		trials.Preflight = site.Preflight{Host: name, Service: c.Service, Path: c.Settings}
		put(trials.Preflight, &trials)
		put(site.Machine{Host: name}, &site.MachineSeen{ComputerName: strings.ToUpper(name[:8]), MachineGUID: h.guid, Skew: h.skew})
	}
	seen[site.API] = s.api
	if s.api.Reach == reconciler.Reached {
		put(site.Relays{}, &site.RelaysSeen{Relays: s.relays, Time: now.Add(-s.ago), Age: s.age, More: s.more, Unnamed: s.unnamed})
	}
	return rotationtest.Plan(t, r, reconciler.Input{Seen: seen, History: state.NewHistory(s.history), Now: now})
}

// find is the first step with such a key on a host, nil when there is none.
func find(c reconciler.Change, key, host string) *reconciler.Step {
	all := rotationtest.Steps(c)
	i := slices.IndexFunc(all, func(s reconciler.Step) bool {
		return strings.HasPrefix(s.Op.Key(), key) && s.Op.Target().Name == host
	})
	if i < 0 {
		return nil
	}
	return &all[i]
}

func has(c reconciler.Change, key, host string) bool { return find(c, key, host) != nil }
