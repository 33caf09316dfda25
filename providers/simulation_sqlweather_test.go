package providers_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/mssql"
	"meshrotate/reconciler/secret"
)

// drawLogin adds the SQL login to some schedules. It has numbers of its own: the others stay what they were without it.
func drawLogin(s *schedule) {
	r := rand.New(rand.NewPCG(s.Seed, 2))
	if r.IntN(3) > 0 {
		return
	}
	s.Login = pick(r, "alternating", "alternating", "single", "single", "external")
	if r.IntN(4) == 0 {
		s.Replicas = 2
	}
	version := 12
	for i := range s.Runs {
		e := &s.Runs[i]
		if i > 0 && r.IntN(3) == 0 {
			version++
			e.Login = fmt.Sprint(version)
		}
		for range few(r, 5) {
			e.Faults = append(e.Faults, drawSQLFault(r, s.Replicas))
		}
	}
}

// sqlSide is SQL Server among the hosts.
const sqlSide = "sql"

func drawSQLFault(r *rand.Rand, replicas int) fault {
	f := fault{Host: sqlSide, Nth: 1 + r.IntN(3), Action: pick(r, "", "Connect", "Prelogin", "Login", "Call", "ALTER", "ALTER", "ALTER")}
	if f.Action == "" {
		f.Nth = 1 + r.IntN(60)
	}
	switch r.IntN(4) {
	case 0, 1:
		f.What, f.Times = pick(r, "cut before", "cut mid", "cut after", "hang", "hang after", "slow wire"), pick(r, 0, 0, 2, 4)
	case 2:
		f.What = pick(r, "kill", "kill after", "interrupt", "lost lease")
	default:
		f.What, f.Machine = pick(r, "away", "sql down", "sql drop"), sqlSide
		if replicas > 1 {
			f.What = pick(r, f.What, "failover")
		}
		if r.IntN(2) == 0 {
			f.Host, f.Action = "", pick(r, "service.stop after", "file.swap before", "file.swap after", "service.start before")
		}
	}
	switch f.What {
	case "slow wire":
		f.For = pick(r, 1, 5, 40)
	case "away", "sql down":
		f.For = pick(r, 1, 5, 20, 60, 200)
	case "failover":
		f.For = pick(r, 0, 2, 20, 60)
	}
	return f
}

// strikeSQL is what happens to the server itself.
func (u *universe) strikeSQL(t fault, lasts time.Duration, then func(func())) {
	if !u.hasSQL() {
		return // of a schedule that was reduced
	}
	u.struck[sqlSide] = true
	u.disturbed[sqlSide] = true
	switch t.What {
	case "sql drop":
		then(func() { u.instances(func(s *sqlserver.Server) { s.Drop(nil) }) })
	case "sql down":
		then(func() {
			u.instances(func(s *sqlserver.Server) { s.Down(true) })
			time.AfterFunc(lasts, func() { u.instances(func(s *sqlserver.Server) { s.Down(false) }) })
		})
	case "failover":
		g := u.w.lab.SQLGroup()
		if g == nil {
			return
		}
		then(func() {
			u.login.failover = true
			to := u.w.lab.SQLReplicas()[0].Instance
			if g.Primary() == to {
				to = u.w.lab.SQLReplicas()[1].Instance
			}
			g.Failover(nil)
			time.AfterFunc(lasts, func() { g.Failover(to) })
		})
	}
}

func (u *universe) instances(do func(*sqlserver.Server)) {
	for _, r := range u.w.lab.SQLReplicas() {
		do(r.Instance)
	}
}

// wireSQL is the hook of SQL Server. A statement that changes a login is an action of its own.
func (u *universe) wireSQL(e wsman.Event) wsman.Fault {
	action := string(e.Action)
	if alters(e) {
		action = "ALTER"
	}
	return u.scheduler.Pass(fmt.Sprint(e.Client, " ", label(e.Server), " ", e.Connection, " ", action),
		occasion{kind: "wire", operator: e.Client, host: sqlSide, action: action}).wire
}

// env is what the document reads from the environment.
func (u *universe) env(name string) (string, bool) {
	if name == "IM_LAB_SQL_PASSWORD" && u.login.external != "" {
		return u.login.external, true
	}
	return u.w.lab.Env(name)
}

// commitLogin asks for another password. In the external mode somebody has given it to the login that is not in use before.
func (u *universe) commitLogin(version string, set func(old, text string)) {
	if u.Login == "" {
		return
	}
	if u.Login == "external" && !u.changedElsewhere(set) {
		return
	}
	u.version("sqlLogin", u.login.want, version)
	for _, v := range []string{u.login.want, version} {
		if n, err := strconv.Atoi(v); err == nil {
			u.login.most = max(u.login.most, n)
		}
	}
	u.login.want = version
}

// hadBefore is what a person does when two state folders have each given the login a password of their own: the server does not
// take the first again, and the hint says to commit another version.
func (u *universe) hadBefore(o *operator) bool {
	if o.applied == nil || !errors.Is(o.applied.Outcome.Err, mssql.TakenBefore) {
		return false
	}
	u.anotherVersion()
	return true
}

func (u *universe) anotherVersion() {
	version, err := strconv.Atoi(u.login.want)
	if err != nil {
		u.t.Fatal(err)
	}
	u.scheduler.Note("somebody commits another version of the SQL login, as the hint says")
	u.commit(episode{Login: strconv.Itoa(max(version, u.login.most) + 1)})
}

// heeds says that somebody did what the run's hint says. Some of it is for the first run alone.
func (u *universe) heeds(o *operator, first bool) bool {
	switch {
	case first && (u.hadBefore(o) || u.cutOffBefore(o, "shared")), u.halfByOther(o), u.person(o):
	case blockedBy(o, "is in the files, and the server refuses it"):
		u.anotherVersion() // a statement of a run that was cut off came after a later run's
	case blockedBy(o, "it would prove nothing"):
		u.scheduler.Note("somebody waits for the first heartbeats after the restart")
		u.sleep(2 * time.Minute)
	case blockedBy(o, "lock it out"), blockedBy(o, "locked out"):
		u.scheduler.Note("somebody stops what still tries a password that was replaced, and waits, as the hint says")
		u.endServices()
		u.sleep(time.Hour + time.Minute)
	default:
		return false
	}
	return true
}

func (u *universe) changedElsewhere(set func(old, text string)) bool {
	present, next := lab.SQLLogin, lab.SQLSpare
	if strings.Contains(u.text, "login: "+lab.SQLSpare+"\n") {
		present, next = next, present
	}
	for _, h := range u.services() { // whoever changes it has looked
		if login, _ := u.loginOf(h); login != present {
			return false
		}
	}
	for _, text := range u.w.lab.Strings() { // at the sessions, too: a process may have read its file before
		if login, _ := loginIn(secret.NewString(text)); login == next {
			return false
		}
	}
	u.login.external = fmt.Sprintf("Elsewhere-%d-%s", len(u.login.known), u.w.lab.Password)
	u.login.known[u.login.external] = true
	u.instances(func(s *sqlserver.Server) {
		s.SetLogin(next, func(l *sqlserver.Login) { l.Password = u.login.external })
	})
	set("login: "+present+"\n", "login: "+next+"\n")
	return true
}
