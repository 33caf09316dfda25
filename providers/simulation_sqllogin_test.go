package providers_test

import (
	"errors"
	"fmt"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/mssql/connstring"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// loginSide is what a universe knows of the SQL login. Its zero is that of one without.
type loginSide struct {
	looked    time.Time // when it was last seen who serves
	want      string    // the version that the document asks for
	mode      string    // how it asks for that
	single    bool      // it ever did so of one login
	most      int       // the highest that it ever asked for
	external  string    // the password that somebody else has given out, "" while it is the lab's
	known     map[string]bool
	processes map[string]servedBy  // of Admin and Engine, by host
	parted    bool                 // they run on two strings
	locked    bool                 // a login was locked out, and it was said
	failover  bool                 // the group has another primary for a while: of a password that changes, replicas may have one each
	starved   bool                 // a service that no run started ran with a dead password: it locks its login out itself
	read      map[string][2]string // login and password of each connection string that was looked at: that is done after every event
}

// servedBy is a service as it runs.
type servedBy struct {
	pid     uint32
	foreign bool // it was perhaps not a run that started it
}

// services are the two hosts that have the connection string.
func (u *universe) services() []*lab.Host { return []*lab.Host{u.w.lab.Admin, u.w.lab.EngineHost} }

const stringKey = "IdentityMesh:SqlConnectionString"

// loginOf is what the file of a host says.
func (u *universe) loginOf(h *lab.Host) (login, password string) {
	b, _, err := h.Machine.FS.Read(h.Settings())
	if err != nil {
		return "", ""
	}
	s, err := appsettings.Get(b, stringKey)
	if err != nil {
		return "", ""
	}
	return loginIn(s.Value)
}

func loginIn(text secret.Value) (login, password string) {
	c, err := connstring.Parse(text)
	if err != nil {
		return "", ""
	}
	return c.Shown(connstring.UserID), string(c.Get(connstring.Password).Expose())
}

// withoutLogin is a settings file whose connection string has another login and password: nothing else in it may change.
func withoutLogin(b []byte) string {
	s, err := appsettings.Get(b, stringKey)
	if err != nil || s.Value.IsZero() {
		return string(b)
	}
	c, err := connstring.Parse(s.Value)
	if err == nil {
		c, err = c.Set(connstring.Edit{Keyword: connstring.UserID, Value: secret.NewString("LOGIN")},
			connstring.Edit{Keyword: connstring.Password, Value: secret.NewString("PASSWORD")})
	}
	if err != nil {
		return string(b)
	}
	bare, err := appsettings.Set(b, stringKey, c.Text())
	if err != nil {
		return string(b)
	}
	return string(bare)
}

// passwords are the logins' on every instance.
func (u *universe) passwords() map[string]string {
	all := map[string]string{}
	if u.Login == "" {
		return all
	}
	for _, r := range u.w.lab.SQLReplicas() {
		for _, name := range []string{lab.SQLLogin, lab.SQLSpare} {
			l, _, _ := r.Instance.LookLogin(name)
			all[r.Name+" "+name] = l.Password
		}
	}
	return all
}

func (u *universe) beginLogin() {
	if u.Login == "" {
		return
	}
	u.login = loginSide{want: lab.NewLogin, mode: u.Login, single: u.Login == "single", known: map[string]bool{}, processes: map[string]servedBy{}, read: map[string][2]string{}}
	for _, p := range u.passwords() {
		u.login.known[p] = true
	}
}

// watchLogin is asked at every event: the pair never runs on two strings, no login is locked out, and none has a password that is
// kept nowhere.
func (u *universe) watchLogin() {
	if u.Login == "" {
		return
	}
	for at, p := range u.passwords() {
		if !u.login.known[p] && !u.learnPassword(p) {
			u.wrong("2: %s has a password that is kept nowhere", at)
		}
		u.login.known[p] = true // said once
	}
	u.whoServes()
	u.login.starved = u.login.starved || u.dead() && (u.foreignPair() || u.login.failover)
	if err := u.w.noLockout(); err != nil && !u.login.locked && !u.login.starved {
		u.login.locked = true // said once
		u.wrong("8: %v", err)
	}
	parted := u.w.oneString() != nil
	if parted && !u.login.parted && !u.foreignPair() && !u.overlapping() {
		u.wrong("1: Admin and Engine run on two connection strings")
	}
	u.login.parted = parted
}

// whoServes notes who started the processes of Admin and Engine.
func (u *universe) whoServes() {
	for _, h := range u.services() {
		state, pid := h.Machine.State(serviceOf(h))
		if (state == winhost.Running || state == winhost.StartPending) && u.login.processes[h.Name].pid != pid {
			since, was := u.booted[label(h.Name)]
			byBoot := was && time.Since(since) >= 0 && u.login.looked.Sub(since) < time.Minute
			if byBoot {
				delete(u.booted, label(h.Name))
			}
			u.login.processes[h.Name] = servedBy{pid, byBoot || u.hands[label(h.Name)] || u.disturbed[label(h.Name)]}
		}
	}
	u.login.looked = time.Now()
}

// overlapping: somebody has taken the lock or the marker of a run away that is at work still, and has not noticed: another one may be
// in its way.
func (u *universe) overlapping() bool {
	for _, o := range []*operator{u.first, u.other2} {
		if o != nil && o.lost {
			select {
			case <-o.done:
			default:
				return true
			}
		}
	}
	return false
}

// dead: a service runs with a password that its login does not take. Of a pair the other login stays good.
func (u *universe) dead() bool {
	if !u.login.single {
		return false
	}
	for _, text := range u.w.lab.Strings() {
		uses, ok := u.login.read[text]
		if !ok {
			uses[0], uses[1] = loginIn(secret.NewString(text))
			u.login.read[text] = uses
		}
		for _, r := range u.w.lab.SQLReplicas() {
			if l, _, _ := r.Instance.LookLogin(uses[0]); l.Password != uses[1] {
				return true
			}
		}
	}
	return false
}

// starve is what a person does whose services lock their login out: the hint says so.
func (u *universe) starve() {
	if !u.dead() {
		return
	}
	u.scheduler.Note("somebody stops Admin and Engine, which run with a password that is dead")
	u.endServices()
	u.sleep(11 * time.Minute) // the lockout ends
}

// endServices ends Admin and Engine, as a person does who is told to: by force where others depend on them.
func (u *universe) endServices() {
	for _, h := range u.services() {
		u.disturb(label(h.Name))
		err := h.Machine.Stop(serviceOf(h))
		if errors.Is(err, machine.ErrDependents) {
			h.Machine.Kill(serviceOf(h))
		} else if err != nil {
			u.scheduler.Note("%v", err)
		}
	}
}

// foreignPair: one of the two processes was perhaps started by somebody else.
func (u *universe) foreignPair() bool {
	for _, p := range u.login.processes {
		if p.foreign {
			return true
		}
	}
	return false
}

// learnPassword looks for a password among the kept values.
func (u *universe) learnPassword(password string) bool {
	for version := 11; version < 24; version++ {
		ref := secret.Ref{Name: "sqllogin", Version: fmt.Sprint(version)}
		if u.w.unseal(ref) == password || u.other != nil && u.w.unsealIn(u.other, ref) == password {
			return true
		}
	}
	return false
}

// judgeLogin compares what a run says about the SQL login with the world.
func (u *universe) judgeLogin(out reconciler.Outcome, before snapshot, left map[string]bool) {
	if u.Login == "" {
		return
	}
	var ending state.Outcome
	for _, e := range out.Secrets {
		if e.Change.Secret.Name != "sqllogin" {
			continue
		}
		if ending = e.Ending; ending == state.Proven {
			u.provenLogin(e.Change.Secret.Version, left, before.late)
		}
	}
	if before.haunted || before.late {
		return
	}
	if ending == state.Back || ending == "" {
		for at, now := range u.passwords() {
			if was := before.passwords[at]; u.login.mode == "single" && was != now {
				u.wrong("4: the password at %s was changed, and the run says %q: %v", at, ending, out)
			}
		}
	}
	if u.login.parted && !u.foreignPair() {
		u.wrong("1: Admin and Engine run on two connection strings, and the run says %q: %v", ending, out)
	}
	if ending == state.Unknown || ending == state.Ahead {
		return // where nobody knows whether the password was changed, the services come up with what they had
	}
	for host, text := range u.w.lab.Strings() {
		h := u.w.lab.Host(host)
		login, password := loginIn(secret.NewString(text))
		if left[host] || u.disturbed[label(host)] || u.hands[label(host)] || u.disturbed[sqlSide] {
			continue
		}
		instance := u.w.lab.SQLInstance()
		if instance == nil {
			continue
		}
		if was := h.Machine.Service(serviceOf(h)).PID; was == before.pids[host] && before.passwords[lab.SQLServer+" "+login] != password {
			continue // it was so before, and this run did not come that far
		}
		if l, _, _ := instance.LookLogin(login); l.Password != password || l.Disabled {
			u.wrong("1: %s runs with a password that %s does not take: %v", label(h.Name), login, out)
		}
	}
}

// provenLogin: whoever runs and is not named signs in with this version, and the string in the file is that too. Late: a dead run's ALTER
// was under way still when this one began, and may have come after its proof.
func (u *universe) provenLogin(version string, left map[string]bool, late bool) {
	want := u.w.unseal(secret.Ref{Name: "sqllogin", Version: version})
	running := u.w.lab.Strings()
	for _, h := range u.services() {
		if left[h.Name] || u.disturbed[label(h.Name)] {
			continue
		}
		login, password := loginIn(secret.NewString(running[h.Name]))
		inFile, _ := u.loginOf(h)
		switch instance := u.w.lab.SQLInstance(); {
		case running[h.Name] == "":
			u.wrong("7: the SQL login is proven, and %s does not run", h.Name)
		case password != want:
			u.wrong("7: the SQL login is proven, and %s runs with another password", h.Name)
		case login != inFile:
			u.wrong("7: the SQL login is proven, and %s runs with another login than its file's", h.Name)
		case instance == nil, late:
		default:
			if l, locked, _ := instance.LookLogin(login); (l.Password != want || l.Disabled || locked) && !u.disturbed[sqlSide] {
				u.wrong("7: the SQL login is proven, and %s does not take it", login)
			}
		}
	}
}

// loginSettled: both services are signed in with what the document asks for, and every instance has it.
func (u *universe) loginSettled() error {
	if u.Login == "" {
		return nil
	}
	err := u.w.signsIn(u.login.want)
	if u.login.mode == "external" { // who has his own state may have rolled it out, and the value is kept there
		value, _ := u.env("IM_LAB_SQL_PASSWORD")
		err = u.w.signsInWith(value, u.login.want)
	}
	login, password := u.loginOf(u.w.lab.Admin)
	for _, r := range u.w.lab.SQLReplicas() {
		if l, _, _ := r.Instance.LookLogin(login); l.Password != password {
			err = errors.Join(err, fmt.Errorf("%s has another password for %s", r.Name, login))
		}
	}
	return err
}
