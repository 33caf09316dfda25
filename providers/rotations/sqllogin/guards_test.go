package sqllogin_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

var errNoRoute = errors.New("sql: no route")

// Each finding: what is seen, what is said, and that nothing is done.
func TestGuards(t *testing.T) {
	server := func(do func(x *serverSeen)) func(*scene) { return func(s *scene) { do(s.servers[sql1]) } }
	login := func(name string, do func(l *site.LoginSeen)) func(*scene) {
		return server(func(x *serverSeen) { do(x.logins[name]) })
	}
	both := func(do func(h *hostSeen)) func(*scene) { return func(s *scene) { s.both(do) } }
	rejected := func(declared string) func(*scene) {
		return both(func(h *hostSeen) {
			h.signIn = &site.SignInSeen{Verdict: site.Rejected, Why: "login failed", Declared: declared}
		})
	}
	for _, c := range []struct {
		reason, mode string
		seen         func(*scene)
		code         string
		status       reconciler.Status // "": refused
	}{
		{"the idle login is gone, or renamed", "alternating", login(b, func(l *site.LoginSeen) { *l = site.LoginSeen{Name: b} }), "login-missing", ""},
		{"it is disabled, and not by us", "alternating", login(b, func(l *site.LoginSeen) { l.Disabled = true }), "login-disabled", ""},
		{"it is locked out", "alternating", login(b, func(l *site.LoginSeen) { l.Locked = true }), "login-locked", ""},
		{"the active one is no concern of the ALTER", "alternating", login(a, func(l *site.LoginSeen) { l.Disabled = true }), "", reconciler.Rotate},
		{"an expired password is cured by a new one", "single", login(a, func(l *site.LoginSeen) { l.Expired = true }), "", reconciler.Rotate},
		{"but not by rolling it out", "external", func(s *scene) { s.servers[sql1].logins[a].Expired = true; s.value = &site.ValueSeen{Available: true} }, "login-expired", ""},
		{"nor one that is to be changed at the first sign-in", "external", func(s *scene) {
			s.servers[sql1].logins[a].MustChange = true
			s.value = &site.ValueSeen{Available: true}
		}, "login-must-change", ""},
		{"a Windows account has no password here", "single", login(a, func(l *site.LoginSeen) { l.Windows = true }), "login-windows", ""},
		{"a contained user", "single", func(s *scene) {
			*s.servers[sql1].logins[a] = site.LoginSeen{Name: a}
			s.servers[sql1].seen.Database.Contained = true
		}, "login-missing", ""},
		{"which is there, and may not be altered", "single", func(s *scene) {
			s.servers[sql1].logins[a].Contained = true
			s.servers[sql1].seen.Database.Contained = true
		}, "permission-missing", ""},
		{"which may be altered, by who may alter no login", "single", func(s *scene) {
			s.servers[sql1].logins[a].Contained = true
			s.servers[sql1].seen.Database.Contained, s.servers[sql1].seen.Database.MayAlterUsers = true, true
			s.servers[sql1].seen.MayAlter = false
		}, "", reconciler.Rotate},
		{"a host cannot prove its string", "alternating", both(func(h *hostSeen) { h.setting.Reach = &site.ReachSeen{Server: "sql01", Client: true, Error: 10061} }), "host-cannot-sign-in", ""},
		{"it has no client for that", "external", both(func(h *hostSeen) { h.setting.Reach = &site.ReachSeen{Server: "sql01"} }), "host-cannot-sign-in", ""},
		{"whether it can is not known", "single", both(func(h *hostSeen) { h.setting.Reach = &site.ReachSeen{Client: true, Unknown: "an instance"} }), "host-cannot-sign-in", reconciler.Rotate},
		{"it cannot, and a run was cut off that stopped it", "single", both(func(h *hostSeen) {
			h.setting.Reach, h.service.State = &site.ReachSeen{Client: true, Error: 10060}, "stopped"
		}), "host-cannot-sign-in", reconciler.Rotate},
		{"it can", "single", both(func(h *hostSeen) { h.setting.Reach = &site.ReachSeen{Client: true} }), "", reconciler.Rotate},
		{"no permission", "alternating", server(func(x *serverSeen) { x.seen.MayAlter = false }), "permission-missing", ""},
		{"nobody's sessions are seen", "external", server(func(x *serverSeen) { x.seen.MayView = false }), "permission-missing", ""},
		{"the rotator is the product's login", "single", server(func(x *serverSeen) { x.seen.Login = a }), "rotator-is-the-product", ""},
		{"the rotator is a login in force that is not declared", "alternating", func(s *scene) {
			s.both(func(h *hostSeen) { h.says.User, h.signIn.Login = "im_old", "im_old" })
			s.servers[sql1].seen.Sessions[1].Login, s.servers[sql1].seen.Login = "im_old", "IM_Old"
		}, "rotator-is-the-product", reconciler.Rotate},
		{"the state is signed in to with one", "single", func(s *scene) {
			s.both(func(h *hostSeen) { h.says.User, h.signIn.Login = "im_old", "im_old" })
			s.servers[sql1].seen.Sessions[1].Login = "im_old"
			s.doc.State.SQL = &specs.StateSQL{Server: "tcp:" + sql1 + ",1433", User: "IM_Old"}
		}, "rotator-is-the-product", reconciler.Rotate},
		{"as an account of Windows", "single", func(s *scene) {
			s.doc.State.SQL = &specs.StateSQL{Server: sql1, User: a, Auth: "ntlm"}
		}, "", reconciler.Rotate},
		{"a secondary", "alternating", server(func(x *serverSeen) { x.seen.Database.ReadOnly = true }), "database-read-only", ""},
		{"the database is being restored", "alternating", server(func(x *serverSeen) { x.seen.Database.State = "RESTORING" }), "database-offline", ""},
		{"no such database", "alternating", server(func(x *serverSeen) { x.seen.Database = site.DatabaseSeen{} }), "database-missing", ""},
		{"the server does not answer", "alternating", server(func(x *serverSeen) { x.err = errNoRoute }), "sql-unreachable", ""},
		{"a replica is not declared", "alternating", server(func(x *serverSeen) { x.seen.Replicas = []string{"SQL01", "SQL03"} }), "replica-undeclared", ""},
		{"its group is seen, and no replica", "alternating", server(func(x *serverSeen) { x.seen.Database.Grouped = true }), "replicas-invisible", ""},
		{"a replica does not answer", "alternating", func(s *scene) { s.replicas().servers[sql2].err = errNoRoute }, "replica-unreachable", ""},
		{"a replica's login was made anew", "alternating", func(s *scene) { s.replicas().servers[sql2].logins[b].SID = "99" }, "sid-differs", ""},
		{"Windows signs in", "alternating", both(func(h *hostSeen) { h.says.Integrated, h.setting.Version = true, "unknown" }), "integrated-security", ""},
		{"a read-only intent", "single", both(func(h *hostSeen) { h.says.Unfit = "a read-only intent" }), "string-unfit", ""},
		{"another database", "single", both(func(h *hostSeen) { h.says.Database = "Other" }), "database-differs", ""},
		{"the login's default database is another", "single", both(func(h *hostSeen) { h.says.Database, h.signIn.Database = "", "master" }), "database-differs", ""},
		{"different servers", "single", func(s *scene) { s.hosts[engine].says.Server = sql2 }, "strings-differ", ""},
		{"the strings lead elsewhere", "single", both(func(h *hostSeen) { h.signIn.Instance = "SQL09" }), "server-undeclared", ""},
		{"half rotated by somebody", "alternating", func(s *scene) { s.hosts[engine].says.User = b }, "half-rotated", ""},
		{"both logins are in use", "alternating", server(func(x *serverSeen) {
			x.seen.Sessions = append(x.seen.Sessions, site.SessionSeen{Login: b, Host: "REPORTS", Program: "Excel", Count: 1})
		}), "idle-login-in-use", ""},
		{"Engine signs in elsewhere", "single", server(func(x *serverSeen) { x.seen.Sessions = x.seen.Sessions[:1] }), "engine-no-session", ""},
		{"the one login was changed by somebody", "single", rejected(site.Rejected), "neither-accepted", ""},
		{"nobody knows whether it works", "single", both(func(h *hostSeen) { h.signIn = &site.SignInSeen{Why: "timeout"} }), "sign-in-unknown", ""},
		{"of a pair nobody knows whether it works", "alternating", both(func(h *hostSeen) { h.signIn = &site.SignInSeen{Why: "no such host"} }), "sign-in-unknown", ""},
		{"of a pair the other one is the cure", "alternating", rejected(""), "login-rejected", reconciler.Rotate},
		{"another one alone is the cure", "single", func(s *scene) { s.spec.Login = b; rejected("")(s) }, "login-rejected", reconciler.Rotate},
		{"it was not changed elsewhere yet", "external", func(s *scene) {
			s.value = &site.ValueSeen{Available: true}
			s.both(func(h *hostSeen) { h.signIn.Declared = site.Rejected })
		}, "login-not-changed", ""},
		{"no connection string", "single", both(func(h *hostSeen) { h.setting.Version = site.Absent }), "string-missing", ""},
		{"a file that .NET refuses", "single", both(func(h *hostSeen) { h.setting.Refused = "line 3" }), "settings-refused", ""},
		{"a variable wins", "single", both(func(h *hostSeen) { h.setting.Overrides = []string{"the machine's environment variable X"} }), "setting-overridden", ""},
		{"a host is away", "single", func(s *scene) { s.hosts[engine].reach = reconciler.Unreachable }, "host-failed", reconciler.Unknown},
		{"a service is missing", "single", func(s *scene) { s.hosts[engine].service = site.ServiceSeen{} }, "service-missing", ""},
		{"a service is disabled", "single", func(s *scene) { s.hosts[engine].service.StartMode = "disabled" }, "service-disabled", ""},
		{"a clock is off", "single", func(s *scene) { s.hosts[admin].skew = time.Hour }, "clock-skew", ""},
		{"the product's data crosses in clear", "single", both(func(h *hostSeen) { h.says.Encrypted = false }), "string-unencrypted", reconciler.Rotate},
		{"no value", "single", func(s *scene) { s.value = &site.ValueSeen{Problem: "sealed"} }, "value-unavailable", ""},
		{"the same value", "single", func(s *scene) { s.value = &site.ValueSeen{Available: true, SameAs: "11"} }, "value-unchanged", ""},
		{"too long a value", "single", func(s *scene) { s.value = &site.ValueSeen{Available: true, Unfit: "129"} }, "value-unfit", ""},
	} {
		s := newScene(c.mode)
		if c.mode == "external" {
			s.both(func(h *hostSeen) { h.signIn.Declared = site.Accepted })
		}
		c.seen(s)
		got := s.plan(t)
		if c.status == "" {
			c.status = reconciler.Refused
		}
		i := slices.IndexFunc(got.Findings, func(f reconciler.Finding) bool { return string(f.Code) == c.code })
		switch {
		case got.Status != c.status:
			t.Errorf("%s: %s (%s): %+v", c.reason, got.Status, got.Reason, got.Findings)
		case c.code == "" && len(got.Findings) > 0:
			t.Errorf("%s: %+v", c.reason, got.Findings)
		case c.code != "" && i < 0:
			t.Errorf("%s: nobody says %s: %+v", c.reason, c.code, got.Findings)
		case c.code != "" && got.Findings[i].Text == "":
			t.Errorf("%s: no text", c.reason)
		}
	}
}

// Where nothing is to be proven, an Engine that has no session yet is no reason to refuse.
func TestEngineWithoutASession(t *testing.T) {
	s := live("alternating", b)
	s.servers[sql1].seen.Sessions = s.servers[sql1].seen.Sessions[:1]
	if c := s.plan(t); c.Status != reconciler.AsDeclared || len(c.Findings) != 1 || c.Findings[0].Code != "engine-no-session" {
		t.Errorf("%s: %+v", c.Status, c.Findings)
	}
}

// On one host a session of Admin's is none of Engine's, where the client says whose it is.
func TestEngineWithoutASessionOnAdminsHost(t *testing.T) {
	for process, says := range map[int]string{1: "engine-no-session", 2: "", 0: "", 77: ""} {
		s := newScene("single")
		s.doc.Hosts.Engine = ""
		s.servers[sql1].seen.Sessions = []site.SessionSeen{{Login: a, Host: "IM-ADMIN", Program: "Client", Process: process, Count: 2, Newest: started}}
		if c := s.plan(t); says == "" && len(c.Findings) > 0 || says != "" && (len(c.Findings) != 1 || string(c.Findings[0].Code) != says || c.Status != reconciler.Refused) {
			t.Errorf("%d: %s: %+v", process, c.Status, c.Findings)
		}
	}
}

// What is live and no longer accepted is drift that refuses: a new version is the way out.
func TestLiveAndRefused(t *testing.T) {
	s := live("alternating", b)
	s.both(func(h *hostSeen) { h.signIn = &site.SignInSeen{Verdict: site.Rejected, Why: "login failed"} })
	c := s.plan(t)
	if c.Status != reconciler.Refused || c.Findings[0].Code != "login-rejected" {
		t.Errorf("%s: %+v", c.Status, c.Findings)
	}
	s.spec.Version, s.value = "13", &site.ValueSeen{}
	if c := s.plan(t); c.Status != reconciler.Rotate || find(c, reconciler.Accept, "alter login im_app_a", "") == nil {
		t.Errorf("a new version: %s, %+v", c.Status, c.Findings)
	}
}

func TestDue(t *testing.T) {
	s := live("single", a)
	s.spec.Every = specs.MustDuration("90d")
	if c := s.plan(t); !c.Due.Equal(written.Add(90 * 24 * time.Hour)) {
		t.Errorf("due %s", c.Due)
	}
	s.history = []state.Entry{}
	if c := s.plan(t); !c.Due.IsZero() {
		t.Errorf("never rotated, and due %s", c.Due)
	}
}

// A default instance is the same with its port and without.
func TestOneServerByTwoNames(t *testing.T) {
	for name, same := range map[string]bool{sql1: true, sql1 + ",1433": true, "tcp:" + sql1: true, "TCP:" + strings.ToUpper(sql1) + ", 1433": true, sql1 + ",1434": false, sql1 + `\X,1433`: false} {
		s := newScene("single")
		s.hosts[engine].says.Server = name
		if differ := slices.ContainsFunc(s.plan(t).Findings, func(f reconciler.Finding) bool { return f.Code == "strings-differ" }); differ == same {
			t.Errorf("%s: %v", name, differ)
		}
	}
}
