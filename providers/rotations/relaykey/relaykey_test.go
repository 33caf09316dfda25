package relaykey_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/rotations/relaykey"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
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
	history []state.Entry
}

type hostSeen struct {
	reach   reconciler.Reach
	setting site.SettingSeen
	service site.ServiceSeen
	skew    time.Duration
}

func newScene() *scene {
	s := &scene{doc: &specs.Deployment{Hosts: specs.Hosts{Admin: admin, Relays: []string{r1, r2}}},
		spec: &relaykey.Spec{Secret: specs.Secret{Version: "7", From: specs.Source{Generated: true}}},
		api:  reconciler.Look{Reach: reconciler.Reached}, value: &site.ValueSeen{}, hosts: map[string]*hostSeen{}}
	s.doc.Connect.AdminAPI.URL = "https://im-admin.example"
	s.doc.Product.RelayKey = "Relay:ApiKey"
	s.doc.Product.Admin = specs.Component{Service: "IdentityMeshAdmin", Settings: `C:\admin.json`}
	s.doc.Product.Relay = specs.Component{Service: "IdentityMeshRelayAgent", Settings: `C:\relay.json`}
	for _, h := range []string{admin, r1, r2} {
		s.hosts[h] = &hostSeen{reconciler.Reached,
			site.SettingSeen{Base: site.Base{Exists: true, SHA256: "00", Modified: written}, Key: "Relay:ApiKey", Version: "6"},
			site.ServiceSeen{Installed: true, State: "running", StartedAt: started, StartMode: "auto"}, 0}
	}
	for _, h := range []string{r1, r2} {
		s.relays = append(s.relays, site.RelaySeen{Name: strings.ToUpper(h[:8]), Connected: &yes, Heartbeat: now})
	}
	return s
}

// done is a scene in which 7 is live and recorded.
func done() *scene {
	s := newScene()
	for _, h := range s.hosts {
		h.setting.Version = "7"
	}
	s.value = &site.ValueSeen{Kept: true, Available: true, Bytes: 32}
	s.history = []state.Entry{{Secret: "relaykey", Version: "7", Outcome: state.Started, Before: "6"}, {Secret: "relaykey", Version: "7", Outcome: state.Done, Time: written}}
	return s
}

func (s *scene) plan(t *testing.T) reconciler.Change {
	t.Helper()
	r := relaykey.New(s.doc, s.spec)
	ref := r.Ref()
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
		put(site.Machine{Host: name}, &site.MachineSeen{ComputerName: strings.ToUpper(name[:8]), Skew: h.skew})
	}
	seen[site.API] = s.api
	if s.api.Reach == reconciler.Reached {
		put(site.Relays{}, &site.RelaysSeen{Relays: s.relays, Time: now})
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

func has(c reconciler.Change, key, host string) bool {
	return slices.ContainsFunc(c.Steps, func(s reconciler.Step) bool {
		return strings.HasPrefix(s.Op.Key(), key) && s.Op.Target().Name == host
	})
}

func TestGuards(t *testing.T) {
	for _, c := range []struct {
		code, reason string
		change       func(s *scene)
		status       reconciler.Status
		text         string // part of the finding
	}{
		{"key-too-short", "a key of 3 bytes can be guessed", func(s *scene) { s.value = &site.ValueSeen{Available: true, Bytes: 3} }, reconciler.Refused, "3 bytes"},
		{"key-too-short", "an empty key stops every relay", func(s *scene) { s.value = &site.ValueSeen{Available: true} }, reconciler.Refused, "0 bytes"},
		{"key-too-short", "31 bytes are one too few", func(s *scene) { s.value = &site.ValueSeen{Available: true, Bytes: 31} }, reconciler.Refused, "31 bytes"},
		{"value-unavailable", "a value that nobody has cannot be rolled out", func(s *scene) { s.value = &site.ValueSeen{Problem: "no such file"} }, reconciler.Refused, "no such file"},
		{"value-unavailable", "no answer about the value is no value", func(s *scene) { s.value = nil }, reconciler.Refused, "not to be had"},
		{"value-unchanged", "version 7 with the value of version 5 rotates nothing", func(s *scene) {
			s.value = &site.ValueSeen{Available: true, Bytes: 32, SameAs: "5"}
		}, reconciler.Refused, "version 5"},
		{"setting-overridden", "a machine variable wins over the file", func(s *scene) {
			s.hosts[r1].setting.Overrides = []string{"the machine's environment variable Relay__ApiKey"}
		}, reconciler.Refused, "Relay__ApiKey"},
		{"setting-overridden", "so does the file of the environment", func(s *scene) { s.hosts[admin].setting.Overrides = []string{"appsettings.Production.json"} }, reconciler.Refused, "Production"},
		{"setting-overridden", "and the command line", func(s *scene) { s.hosts[r2].setting.Overrides = []string{"the command line of service X"} }, reconciler.Refused, "command line"},
		{"setting-overridden", "also when everything is as declared: it breaks at the next reboot", func(s *scene) {
			*s = *done()
			s.hosts[r1].setting.Overrides = []string{"the machine's environment variable Relay__ApiKey"}
		}, reconciler.Refused, "Relay__ApiKey"},
		{"settings-refused", "a file that .NET refuses stops the service at its next start", func(s *scene) { s.hosts[r1].setting.Refused = "a key is given twice" }, reconciler.Refused, "given twice"},
		{"relay-unreachable", "a relay that keeps the old key is cut off", func(s *scene) { s.hosts[r1].reach = reconciler.Unreachable }, reconciler.Refused, "1 relay"},
		{"relay-left-behind", "the policy names it", func(s *scene) {
			s.hosts[r1].reach = reconciler.Unreachable
			s.doc.Policy.Unreachable.Tolerate = []string{r1}
		}, reconciler.Rotate, "1 relay"},
		{"relay-left-behind", "the policy allows one", func(s *scene) {
			s.hosts[r2].reach = reconciler.Unreachable
			s.doc.Policy.Unreachable.Count = 1
		}, reconciler.Rotate, "1 relay"},
		{"relay-unreachable", "the policy allows one, and two are away", func(s *scene) {
			s.hosts[r1].reach, s.hosts[r2].reach = reconciler.Unreachable, reconciler.Unreachable
			s.doc.Policy.Unreachable.Count = 1
		}, reconciler.Refused, "1 relay"},
		{"host-failed", "a relay that answers and cannot be looked at is not tolerated", func(s *scene) {
			s.hosts[r1].reach = reconciler.Broken
			s.doc.Policy.Unreachable.Tolerate = []string{r1}
		}, reconciler.Refused, "no route"},
		{"host-failed", "nobody looked: unknown is not fine", func(s *scene) { delete(s.hosts, r1) }, reconciler.Refused, r1},
		{"admin-unreachable", "without Admin every relay would be cut off", func(s *scene) {
			s.hosts[admin].reach = reconciler.Unreachable
			s.doc.Policy.Unreachable.Count = 9
		}, reconciler.Refused, "Admin"},
		{"admin-api", "nothing else proves that relays are connected", func(s *scene) { s.api = reconciler.Look{Reach: reconciler.Unreachable} }, reconciler.Refused, "Admin API"},
		{"admin-stopped", "a run that died in the switch leaves Admin stopped: the next must go on", func(s *scene) {
			s.api, s.hosts[admin].service.State = reconciler.Look{Reach: reconciler.Unreachable}, "stopped"
		}, reconciler.Rotate, "stopped"},
		{"service-missing", "there is nothing to start", func(s *scene) { s.hosts[r1].service = site.ServiceSeen{} }, reconciler.Refused, r1},
		{"service-disabled", "it would stay down after the switch", func(s *scene) { s.hosts[r1].service.StartMode = "disabled" }, reconciler.Refused, "disabled"},
		{"clock-skew", "times on that host prove nothing", func(s *scene) { s.hosts[r1].skew = 6 * time.Minute }, reconciler.Refused, "ahead"},
		{"clock-skew", "on Admin neither", func(s *scene) { s.hosts[admin].skew = -6 * time.Minute }, reconciler.Refused, "behind"},
		{"relay-undeclared", "a connected relay that is not declared is cut off", func(s *scene) {
			s.relays = append(s.relays, site.RelaySeen{Name: "RELAY-99", Connected: &yes})
		}, reconciler.Rotate, "not in the document"},
		{"file-readable", "everybody on the host can read the key", func(s *scene) { s.hosts[r1].setting.UsersCanRead = true }, reconciler.Rotate, r1},
		{"relay-disconnected", "the key is right, the relay is not there", func(s *scene) {
			*s = *done()
			s.relays = s.relays[:1]
		}, reconciler.AsDeclared, "not connected"},
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
			if !strings.Contains(f.Text+strings.Join(f.Hosts, " "), c.text) {
				t.Errorf("the finding does not name %q: %+v", c.text, f)
			}
			if f.Severity == reconciler.Error && f.Hint == "" {
				t.Errorf("no hint: %+v", f)
			}
			if (f.Severity == reconciler.Error) != (c.status == reconciler.Refused || c.status == reconciler.Unknown) {
				t.Errorf("severity %s at status %s", f.Severity, c.status)
			}
			if c.status != reconciler.Rotate && len(got.Steps) > 0 {
				t.Errorf("%d steps, and it is %s", len(got.Steps), got.Status)
			}
		})
	}
}

func TestWork(t *testing.T) {
	for _, c := range []struct {
		reason string
		scene  func() *scene
		status reconciler.Status
		yes    [][2]string // key and host
		no     [][2]string
	}{
		{"nothing to do", done, reconciler.AsDeclared, nil, nil},
		{"a new version: everything stops once", newScene, reconciler.Rotate,
			[][2]string{{"keep", ""}, {"stage", admin}, {"stage", r1}, {"stop", admin}, {"stop", r2}, {"swap", r1}, {"start", admin}, {"start", r1}, {"prove relays", ""}, {"discard", r1}}, nil},
		{"one relay has another key: only it stops", func() *scene { s := done(); s.hosts[r1].setting.Version = site.Unknown; return s }, reconciler.Rotate,
			[][2]string{{"swap", r1}, {"stop", r1}}, [][2]string{{"stop", admin}, {"stop", r2}, {"keep", ""}}},
		{"Admin has another key: the relays start after it", func() *scene { s := done(); s.hosts[admin].setting.Version = "6"; return s }, reconciler.Rotate,
			[][2]string{{"swap", admin}, {"stop", r1}, {"stop", r2}}, [][2]string{{"swap", r1}}},
		{"an empty key on a relay", func() *scene { s := done(); s.hosts[r1].setting.Version = site.Empty; return s }, reconciler.Rotate, [][2]string{{"swap", r1}}, nil},
		{"a process older than its file runs with the old key", func() *scene {
			s := done()
			s.hosts[r1].service.StartedAt = written.Add(-time.Second)
			return s
		}, reconciler.Rotate, [][2]string{{"stop", r1}, {"start", r1}}, [][2]string{{"swap", r1}, {"stop", r2}}},
		{"a stopped relay", func() *scene { s := done(); s.hosts[r2].service.State = "stopped"; return s }, reconciler.Rotate, [][2]string{{"start", r2}}, [][2]string{{"start", r1}}},
		{"Admin is stopped, and its API is silent", func() *scene {
			s := done()
			s.hosts[admin].service.State, s.api.Reach = "stopped", reconciler.Unreachable
			return s
		}, reconciler.Rotate, [][2]string{{"start", admin}, {"await ready", ""}, {"prove relays", ""}}, [][2]string{{"swap", admin}}},
		{"leftovers hold the old key", func() *scene { s := done(); s.hosts[r1].setting.Backup = true; return s }, reconciler.Rotate, [][2]string{{"discard", r1}}, [][2]string{{"stop", r1}, {"discard", r2}}},
		{"a start without an outcome must be proven", func() *scene { s := done(); s.history = s.history[:1]; return s }, reconciler.Rotate, [][2]string{{"prove relays", ""}}, [][2]string{{"stop", admin}, {"swap", admin}}},
		{"a relay that was left behind, and is still away, is tried again", func() *scene {
			s := done()
			s.history[1].Left = []string{r2}
			s.relays = s.relays[:1]
			return s
		}, reconciler.Rotate, [][2]string{{"start", r2}}, [][2]string{{"start", r1}}},
		{"a tolerated relay that is away is not touched", func() *scene {
			s := newScene()
			s.hosts[r2].reach, s.doc.Policy.Unreachable.Tolerate = reconciler.Unreachable, []string{r2}
			return s
		}, reconciler.Rotate, [][2]string{{"swap", r1}}, [][2]string{{"swap", r2}, {"stop", r2}, {"start", r2}}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			got := c.scene().plan(t)
			if got.Status != c.status {
				t.Fatalf("it is %s: %s %+v", got.Status, got.Reason, got.Findings)
			}
			for _, k := range c.yes {
				if !has(got, k[0], k[1]) {
					t.Errorf("no step %q on %q", k[0], k[1])
				}
			}
			for _, k := range c.no {
				if has(got, k[0], k[1]) {
					t.Errorf("a step %q on %q", k[0], k[1])
				}
			}
			if got.Reason == "" {
				t.Error("no reason")
			}
		})
	}
}

// What was running comes back when the rotation is taken back; what was not, does not.
func TestUndoOfAStop(t *testing.T) {
	s := newScene()
	s.hosts[r1].service.State = "stopped"
	for _, step := range s.plan(t).Steps {
		if step.Phase != reconciler.Stop {
			continue
		}
		if host := step.Op.Target().Name; (step.Undo == nil) != (host == r1) {
			t.Errorf("%s on %s: undo %v", step.Op.Key(), host, step.Undo)
		}
	}
}

func TestRef(t *testing.T) {
	if got := relaykey.New(newScene().doc, newScene().spec).Ref(); got != (secret.Ref{Name: "relaykey", Version: "7"}) {
		t.Error(got)
	}
}
