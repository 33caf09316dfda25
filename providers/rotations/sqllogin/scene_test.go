package sqllogin_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

const (
	admin, engine = "im-admin.example", "im-engine.example"
	sql1, sql2    = "sql01.example", "sql02.example"
	a, b          = "im_app_a", "im_app_b"
	key           = "IdentityMesh:SqlConnectionString"
)

var (
	written = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	started = written.Add(time.Hour)
	now     = written.Add(24 * time.Hour)
)

// scene is everything that a plan may know. It begins with version 11 in both files, as im_app_a, and 12 asked for.
type scene struct {
	doc     *specs.Deployment
	spec    *sqllogin.Spec
	value   *site.ValueSeen
	hosts   map[string]*hostSeen
	servers map[string]*serverSeen
	history []state.Entry
	now     time.Time
}

type hostSeen struct {
	reach   reconciler.Reach
	setting site.SettingSeen
	says    site.Connection
	service site.ServiceSeen
	signIn  *site.SignInSeen
	skew    time.Duration
}

type serverSeen struct {
	err    error
	seen   site.InstanceSeen
	logins map[string]*site.LoginSeen
}

func newScene(mode string) *scene {
	spec := &sqllogin.Spec{Mode: mode, Version: "12", From: specs.Source{Generated: true}, Retire: "disable", Soak: specs.MustDuration("7d"),
		Settings: sqllogin.Settings{Admin: key, Engine: key}}
	switch mode {
	case "alternating":
		spec.Logins = []string{a, b}
	case "single":
		spec.Login = a
	case "external":
		spec.Login, spec.From = a, specs.Source{Env: "SQL"}
	case "integrated":
		spec.Version, spec.From = "", specs.Source{}
	}
	s := &scene{doc: &specs.Deployment{Hosts: specs.Hosts{Admin: admin, Engine: engine}}, spec: spec, value: &site.ValueSeen{}, hosts: map[string]*hostSeen{},
		servers: map[string]*serverSeen{}, now: now}
	s.doc.Connect.AdminAPI.URL = "https://im-admin.example"
	if mode != "integrated" {
		s.doc.Connect.SQL = specs.SQL{Server: sql1, Database: "IdentityMesh"}
	}
	s.doc.Product.Admin = specs.Component{Service: "IdentityMeshAdmin", Settings: `C:\admin.json`}
	s.doc.Product.Engine = specs.Component{Service: "IdentityMeshEngine", Settings: `C:\engine.json`}
	for _, h := range []string{admin, engine} {
		s.hosts[h] = &hostSeen{reach: reconciler.Reached,
			setting: site.SettingSeen{Base: site.Base{Exists: true, SHA256: "00", Modified: written, Changed: written}, Key: key, Version: "11"},
			says:    site.Connection{Server: sql1, Database: "IdentityMesh", User: a, Encrypted: true},
			service: site.ServiceSeen{Installed: true, State: "running", StartedAt: started, StartMode: "auto"},
			signIn:  &site.SignInSeen{Verdict: site.Accepted, Instance: "SQL01", Login: a, Database: "IdentityMesh"}}
	}
	s.server(sql1, "SQL01")
	s.servers[sql1].seen.Sessions = []site.SessionSeen{{Login: a, Host: "IM-ADMIN", Program: "Admin", Count: 3, Newest: started}, {Login: a, Host: "IM-ENGINE", Program: "Engine", Count: 1, Newest: started}}
	return s
}

func (s *scene) server(target, name string) *serverSeen {
	x := &serverSeen{seen: site.InstanceSeen{Name: name, Login: "im_rotator", MayAlter: true, MayView: true, Database: site.DatabaseSeen{Exists: true, State: "ONLINE"}}, logins: map[string]*site.LoginSeen{}}
	for i, l := range []string{a, b} {
		x.logins[l] = &site.LoginSeen{Name: l, Exists: true, SID: fmt.Sprint("0", i), Database: "master"}
	}
	s.servers[target] = x
	return x
}

// replicas puts the server into an availability group of two.
func (s *scene) replicas() *scene {
	s.doc.Connect.SQL.Replicas = []string{sql2}
	s.server(sql2, "SQL02").seen.Database.ReadOnly = true
	s.servers[sql1].seen.Replicas = []string{"SQL01", "SQL02"}
	s.servers[sql2].seen.Replicas = []string{"SQL01", "SQL02"}
	return s
}

// live is a scene in which 12 is live as this login, and recorded.
func live(mode, login string) *scene {
	s := newScene(mode)
	for _, h := range s.hosts {
		h.setting.Version, h.says.User, h.signIn.Login = "12", login, login
	}
	for i := range s.servers[sql1].seen.Sessions {
		s.servers[sql1].seen.Sessions[i].Login = login
	}
	s.value = &site.ValueSeen{Kept: true, Available: true}
	s.history = []state.Entry{{Secret: "sqllogin", Version: "12", Outcome: state.Started, Before: "11"}, {Secret: "sqllogin", Version: "12", Outcome: state.Proven, Time: written}}
	if mode == "alternating" && login == b { // a proof has noted whom it replaced
		proof := site.ProveSessions{Login: b, Serves: true, Leaves: a}
		s.history = append(s.history, state.Entry{Secret: "sqllogin", Version: "12", Step: "verify/" + proof.Key(), Outcome: state.Done, Time: written, Facts: proof.Facts(written)})
	}
	return s
}

// pending says that a run began 12, with this login, and has no ending.
func (s *scene) pending(login string) {
	s.value = &site.ValueSeen{Kept: true, Available: true}
	s.history = []state.Entry{{Secret: "sqllogin", Version: "12", Outcome: state.Started, Before: "11"},
		{Secret: "sqllogin", Version: "12", Step: "accept/alter login " + login, Outcome: state.Started, Facts: []state.Fact{{Field: site.LoginOf, Value: login}}}}
}

func (s *scene) both(do func(h *hostSeen)) {
	for _, h := range s.hosts {
		do(h)
	}
}

func (s *scene) plan(t *testing.T) reconciler.Change {
	t.Helper()
	r := sqllogin.New(s.doc, s.spec)
	seen := reconciler.Seen{}
	for _, read := range r.Reads() {
		look := seen[read.Target()]
		if look.Results == nil {
			look = reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
		}
		var answer reconciler.Result
		h, x := s.hosts[read.Target().Name], s.servers[read.Target().Name]
		switch read := read.(type) {
		case site.Value:
			answer = s.value
		case site.Setting:
			seen := h.setting
			if seen.Version != site.Absent {
				seen.Content = h.says
			}
			answer = &seen
		case site.Service:
			seen := h.service
			seen.PID = map[string]int{"IdentityMeshAdmin": 1, "IdentityMeshEngine": 2}[read.Name]
			answer = &seen
		case site.Machine:
			first, _, _ := strings.Cut(read.Host, ".")
			answer = &site.MachineSeen{ComputerName: strings.ToUpper(first), Skew: h.skew}
		case site.Instance:
			answer = &x.seen
		case site.Login:
			answer = x.logins[read.Name]
		case site.SignIn:
			answer = s.hosts[read.Setting.Host].signIn
		}
		switch {
		case h != nil && h.reach != reconciler.Reached:
			look = reconciler.Look{Reach: h.reach, Err: errors.New("no route")}
		case x != nil && x.err != nil:
			look = reconciler.Look{Reach: reconciler.Unreachable, Err: x.err}
		default:
			look.Results[read.Key()] = answer
		}
		seen[read.Target()] = look
	}
	return rotationtest.Plan(t, r, reconciler.Input{Seen: seen, History: state.NewHistory(s.history), Now: s.now})
}

// find is the first step of a phase whose key begins so, on a target; nil for none.
func find(c reconciler.Change, phase reconciler.Phase, key, target string) *reconciler.Step {
	all := rotationtest.Steps(c)
	i := slices.IndexFunc(all, func(s reconciler.Step) bool {
		return s.Phase == phase && strings.HasPrefix(s.Op.Key(), key) && (target == "" || s.Op.Target().Name == target)
	})
	if i < 0 {
		return nil
	}
	return &all[i]
}

// follows says that a step waits for another, directly.
func follows(s *reconciler.Step, op reconciler.Op) bool {
	return s != nil && slices.Contains(s.After, reconciler.StepID(s.Phase, op))
}

var ref = secret.Ref{Name: "sqllogin", Version: "12"}
