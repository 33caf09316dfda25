package providers_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/mssql/connstring"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sqlFailure is something that SQL Server refuses or loses.
type sqlFailure struct {
	name, mode string
	replicas   int
	breaks     func(w *world)
	// live is the version that both services run with in the end, or when what is wrong was mended and the next run has ended.
	live  string
	mends func(w *world) // nil where they run with it without
}

// login changes one on every instance, as somebody else does.
func (w *world) login(name string, change func(*sqlserver.Login)) {
	for _, r := range w.lab.SQLReplicas() {
		r.Instance.SetLogin(name, change)
	}
}

// stopped calls do once, when the run stops Admin.
func (w *world) stopped(do func()) { when(w.lab.Admin, "service.stop", machine.Before, do) }

// altered calls do once, when the ALTER has been answered and the proof signs in.
func (w *world) altered(do func()) {
	seen := false
	w.lab.WireSQL(func(e wsman.Event) wsman.Fault {
		switch {
		case alters(e):
			seen = true
		case seen && e.Action == wsman.Connect:
			seen = false
			do()
		}
		return wsman.Fault{}
	})
}

func (w *world) fullLog() {
	w.lab.SQLInstance().Data().SetDatabase("master", func(d *sqlserver.Database) { d.LogFull = true })
}

var sqlFailures = []sqlFailure{
	{"a reset of pooled sessions redoes a login whose password somebody changed", "alternating", 1, func(w *world) {
		w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = "Somebody-Elses-1" })
		time.Sleep(2 * time.Minute) // health checks use the pools
	}, lab.NewLogin, nil},
	{"the same, with one login", "single", 1, func(w *world) {
		w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = "Somebody-Elses-1" })
	}, lab.NewLogin, func(w *world) { // who did it gives it back
		w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = w.kept("sqllogin", lab.OldLogin) })
	}},
	{"the redo-login fault: somebody changed the one login, as declared, and every reset of a session is refused since", "external", 1, func(w *world) {
		w.loginSpec().Login = lab.SQLLogin
		l, _, _ := w.lab.SQLInstance().LookLogin(lab.SQLSpare) // whose password the declared version is
		w.login(lab.SQLLogin, func(o *sqlserver.Login) { o.Password = l.Password })
		time.Sleep(2 * time.Minute) // health checks use the pools
	}, lab.NewLogin, nil},
	{"the login's password has expired", "external", 1, func(w *world) {
		w.login(lab.SQLSpare, func(l *sqlserver.Login) { l.Expires = true })
		w.lab.SQLInstance().Age(lab.SQLSpare, 100*24*time.Hour)
	}, lab.OldLogin, nil},
	{"the login must change its password", "external", 1, func(w *world) {
		w.login(lab.SQLSpare, func(l *sqlserver.Login) { l.Expires, l.MustChange = true, true })
	}, lab.OldLogin, nil},
	{"an expired password is cured by a new one", "single", 1, func(w *world) {
		w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Expires = true })
		w.lab.SQLInstance().Age(lab.SQLLogin, 100*24*time.Hour)
	}, lab.NewLogin, nil},
	{"meshrotate's own password has expired", "alternating", 1, func(w *world) {
		w.login(lab.User, func(l *sqlserver.Login) { l.Expires = true })
		w.lab.SQLInstance().Age(lab.User, 100*24*time.Hour)
	}, lab.OldLogin, nil},
	{"meshrotate's own login is refused", "alternating", 1, func(w *world) {
		w.login(lab.User, func(l *sqlserver.Login) { l.Password = "Somebody-Elses-1" })
	}, lab.OldLogin, nil},
	{"the policy wants a longer password", "alternating", 1, func(w *world) { w.lab.SQLInstance().SetPolicy(sqlserver.Policy{Length: 60}) }, lab.OldLogin, nil},
	{"the policy wants a more complex one", "single", 1, func(w *world) { w.keep(lab.NewLogin, "onlysmalllettersandnothingelse") }, lab.OldLogin, nil},
	{"the policy knows the password already", "alternating", 1, func(w *world) {
		w.keep(lab.NewLogin, "Used-Before-12345")
		w.login(lab.SQLSpare, func(l *sqlserver.Login) { l.Password = "Used-Before-12345" })
		w.login(lab.SQLSpare, func(l *sqlserver.Login) { l.Password = "Used-After-12345" })
	}, lab.OldLogin, nil},
	{"no permission to alter logins", "alternating", 1, func(w *world) { w.lab.SQLInstance().DenyServer(lab.User, "ALTER ANY LOGIN") }, lab.OldLogin, nil},
	{"the permission is taken away meanwhile", "single", 1, func(w *world) {
		w.stopped(func() { w.lab.SQLInstance().DenyServer(lab.User, "ALTER ANY LOGIN") })
	}, lab.OldLogin, nil},
	{"the log fills up", "single", 1, func(w *world) { w.stopped(w.fullLog) }, lab.OldLogin, nil},
	{"the log is full, with a pair", "alternating", 1, func(w *world) { w.fullLog() }, lab.OldLogin, nil},
	{"a failover begins and does not end", "single", 2, func(w *world) { w.stopped(func() { w.lab.SQLGroup().Failover(nil) }) }, lab.NewLogin, failedOver},
	{"a failover during the ALTER", "single", 2, func(w *world) {
		w.onAlter(2, func() { go w.lab.SQLGroup().Failover(w.lab.SQLReplicas()[1].Instance) })
	}, lab.NewLogin, nil},
	{"the group has no primary", "alternating", 2, func(w *world) { w.lab.SQLGroup().Failover(nil) }, lab.NewLogin, failedOver},
	{"the server names only a secondary", "alternating", 2, func(w *world) {
		w.doc.Connect.SQL.Server, w.doc.Connect.SQL.Replicas = w.lab.SQLReplicas()[1].Name, []string{w.lab.SQLReplicas()[0].Name}
	}, lab.OldLogin, nil},
	{"the document names another database", "alternating", 1, func(w *world) { w.doc.Connect.SQL.Database = "Elsewhere" }, lab.OldLogin, nil},
	{"the idle login has no user in the database", "alternating", 1, func(w *world) {
		w.lab.SQLInstance().Data().SetDatabase(lab.Database, func(d *sqlserver.Database) {
			for _, u := range d.Users {
				if u.Name == lab.SQLSpare {
					u.SID = []byte("another login's ")
				}
			}
		})
	}, lab.OldLogin, nil},
	{"the login was renamed", "alternating", 1, func(w *world) { w.login(lab.SQLSpare, func(l *sqlserver.Login) { l.Name = "im_app_c" }) }, lab.OldLogin, nil},
	{"the one login was renamed", "single", 1, func(w *world) { w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Name = "im_app_c" }) }, lab.NewLogin, func(w *world) {
		w.login("im_app_c", func(l *sqlserver.Login) { l.Name = lab.SQLLogin })
	}},
	{"somebody disabled the idle login", "alternating", 1, func(w *world) { w.login(lab.SQLSpare, func(l *sqlserver.Login) { l.Disabled = true }) }, lab.OldLogin, nil},
	{"somebody disabled the one login", "single", 1, func(w *world) { w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Disabled = true }) }, lab.NewLogin, enabled},
	{"the one login is locked out", "single", 1, func(w *world) { w.lockOut(lab.SQLLogin) }, lab.NewLogin, func(*world) {}}, // time mends it
	{"somebody disables it meanwhile", "alternating", 1, func(w *world) {
		w.altered(func() { w.login(lab.SQLSpare, func(l *sqlserver.Login) { l.Disabled = true }) })
	}, lab.OldLogin, nil},
	{"somebody disables the one login meanwhile", "single", 1, func(w *world) {
		w.altered(func() { w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Disabled = true }) })
	}, lab.NewLogin, enabled},
	{"Azure SQL Database", "alternating", 1, func(w *world) { w.lab.SQLInstance().SetEdition(5) }, lab.OldLogin, nil},
	{"a Managed Instance", "single", 1, func(w *world) { w.lab.SQLInstance().SetEdition(8) }, lab.OldLogin, nil},
	{"the idle login is locked out", "alternating", 1, func(w *world) { w.lockOut(lab.SQLSpare) }, lab.OldLogin, nil},
	{"it is locked out meanwhile", "alternating", 1, func(w *world) { w.altered(func() { w.lockOut(lab.SQLSpare) }) }, lab.OldLogin, nil},
}

func failedOver(w *world) { w.lab.SQLGroup().Failover(w.lab.SQLReplicas()[1].Instance) }

func enabled(w *world) { w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Disabled = false }) }

// lockOut is somebody who guesses.
func (w *world) lockOut(login string) {
	for range 10 {
		_, _ = w.lab.SQLInstance().Login(sqlserver.Client{User: login, Password: "a guess", Host: "ELSEWHERE"})
	}
}

// Each of them ends in a clear state and a clear message: what is said, in full, is in testdata/sqlfailures.txt.
func TestFailuresOfTheSQLLogin(t *testing.T) {
	vendor()
	told := make([]string, len(sqlFailures))
	t.Run("each", func(t *testing.T) {
		for i, f := range sqlFailures {
			t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) { told[i] = f.tell(t) })
			})
		}
	})
	path, text := filepath.Join("testdata", "sqlfailures.txt"), strings.Join(told, "\n")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || string(want) != text {
		t.Errorf("not as in %s (%v):\n%s", path, err, text)
	}
}

// tell lives through one and says what was said.
func (f sqlFailure) tell(t *testing.T) string {
	w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: true, Login: f.mode, Replicas: f.replicas}, "sqllogin")
	if f.mode == "external" {
		w.doc.Secrets["sqlLogin"].(*sqllogin.Spec).Login = lab.SQLSpare
	}
	f.breaks(w)
	p, o := w.run()
	var b strings.Builder
	fmt.Fprintf(&b, "# %s (%s)\n", f.name, f.mode)
	hinted := func(kind, text, hint string) {
		fmt.Fprintf(&b, "%s: %s\n", kind, text)
		if hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", hint)
		} else if kind == "error" {
			t.Error("an error without a hint: " + text)
		}
	}
	for _, c := range p.Changes {
		for _, finding := range c.Findings {
			hinted("plan, "+string(finding.Severity)+" ["+string(finding.Code)+"]", finding.Said(), finding.Hint)
		}
	}
	switch {
	case len(p.Blocked()) > 0:
		fmt.Fprintf(&b, "end: refused, nothing was changed\n")
	case o.Err == nil:
		fmt.Fprintf(&b, "end: %s\n", o)
	default:
		hinted("error", o.Err.Error(), reconciler.HintOf(o.Err))
		o.Err = nil
		fmt.Fprintf(&b, "end: %s\n", o)
		for _, s := range []state.Outcome{state.Ahead, state.Unknown} {
			for _, e := range o.With(s) {
				fmt.Fprintf(&b, "  %s: %s\n", e.Change.Secret, e.Why)
			}
		}
	}
	fmt.Fprintf(&b, "then: %s\n", w.serving())
	w.lab.WireSQL(nil)
	if f.mends != nil {
		f.mends(w)
		time.Sleep(2 * time.Hour) // nobody's wrong passwords are counted any more
		_, o = w.run()
		fmt.Fprintf(&b, "mended, the next run: %s\n", o)
	}
	w.await("the services are signed in with version "+f.live, func() bool { return w.signsIn(f.live) == nil })
	rotationtest.Search(t, w.secrets(), map[string][]byte{"what is said": []byte(b.String())})
	rotationtest.Search(t, w.secrets(), w.said())
	return b.String()
}

// serving says with which version the services run, and which their logins have.
func (w *world) serving() string {
	version := func(text string) string {
		s, err := connstring.Parse(secret.NewString(text))
		if err != nil {
			return "nothing"
		}
		login := s.Shown(connstring.UserID)
		for _, v := range []string{lab.OldLogin, lab.NewLogin} {
			if w.kept("sqllogin", v) != string(s.Get(connstring.Password).Expose()) {
				continue
			}
			takes := "takes it"
			for _, r := range w.lab.SQLReplicas() {
				if l, locked, _ := r.Instance.LookLogin(login); l.Password != w.kept("sqllogin", v) || l.Disabled || locked || l.MustChange {
					takes = "does not take it"
				}
			}
			return login + " with " + v + ", which " + takes
		}
		return login + " with a password of somebody else"
	}
	running, all := w.lab.Strings(), []string{}
	for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
		what := "does not run"
		if text, ok := running[h.Name]; ok {
			what = "runs as " + version(text)
		}
		all = append(all, h.Name+" "+what)
	}
	return strings.Join(all, "; ")
}
