package machine

import (
	"strings"
	"sync"
	"time"

	"meshrotate/providers/winhost"
)

// Directory is a domain's accounts. Machines that share one share its lockouts. The zero Directory is empty, and locks nobody
// out.
type Directory struct {
	// LockAfter is how many wrong passwords lock an account, 0 for never.
	LockAfter int
	// Silent lets it not say whether an account is locked out, before that tries to log on.
	Silent bool

	mu       sync.Mutex
	accounts map[string]*account // by lower-case name
}

type account struct {
	password string
	wrong    int
	locked   bool
	set      time.Time // when it got the password
}

// Set makes an account, or gives it another password: it is not locked then. A managed one, whose name ends in $, has none.
func (d *Directory) Set(name, password string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.accounts == nil {
		d.accounts = map[string]*account{}
	}
	set := time.Now()
	if d.accounts[strings.ToLower(name)] == nil {
		set = set.AddDate(-1, 0, 0) // it was there before any process, also by a clock that is wrong
	}
	d.accounts[strings.ToLower(name)] = &account{password: password, set: set}
}

// Lock locks an account out, or lets it in again.
func (d *Directory) Lock(name string, yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a := d.accounts[strings.ToLower(name)]; a != nil {
		a.locked, a.wrong = yes, 0
	}
}

// Look is an account's password, how many wrong ones were tried since the last right one, and whether it is locked out.
func (d *Directory) Look(name string) (password string, wrong int, locked, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.accounts[strings.ToLower(name)]
	if a == nil {
		return "", 0, false, false
	}
	return a.password, a.wrong, a.locked, true
}

// passwordSet is when an account got its password, zero where it has none or nobody tells.
func (d *Directory) passwordSet(name string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a := d.accounts[strings.ToLower(name)]; a != nil && !d.Silent && !managed(name) {
		return a.set
	}
	return time.Time{}
}

// logOn tries a password, and answers as LogonUser does. A wrong one counts.
func (d *Directory) logOn(name, password string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.accounts[strings.ToLower(name)]
	switch {
	case a == nil:
		return ErrWrongPassword
	case a.locked:
		return ErrLockedOut
	case managed(name) || a.password == password:
		a.wrong = 0
		return nil
	}
	a.wrong++
	a.locked = d.LockAfter > 0 && a.wrong >= d.LockAfter
	return ErrWrongPassword
}

func managed(name string) bool { return strings.HasSuffix(name, "$") }

// own says that an account is Windows' own: it has no password, and every right that a service needs.
func own(name string) bool {
	name = strings.ToLower(name)
	return name == "localsystem" || strings.HasPrefix(name, `nt authority\`) || strings.HasPrefix(name, `nt service\`)
}

// Allow gives an account the right to log on as a service here, or takes it away.
func (m *Machine) Allow(account string, yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rights == nil {
		m.rights = map[string]bool{}
	}
	m.rights[strings.ToLower(account)] = yes
}

// LogOn logs an account on as a service. A refusal is in the machine's security log.
func (m *Machine) LogOn(account, password string) error {
	if m.Directory == nil || own(account) {
		return nil
	}
	err := m.Directory.logOn(account, password)
	m.mu.Lock()
	if err == nil && !m.rights[strings.ToLower(account)] {
		err = ErrLogonType
	}
	m.mu.Unlock()
	if err != nil {
		m.record("4625", account+" on "+m.Name)
	}
	return err
}

func (m *Machine) logonTry(o *winhost.LogonTry) winhost.Result {
	if err := m.LogOn(o.Account, string(o.Password.Expose())); err != nil {
		return failed(err, "cannot log on")
	}
	return winhost.Result{Code: winhost.OK}
}

// SetLogon is what ChangeServiceConfig does with an account and a password: neither is tried.
func (m *Machine) SetLogon(service, account, password string) error {
	if account == "" {
		return errParameter
	}
	if m.Directory != nil && !own(account) {
		if _, _, _, ok := m.Directory.Look(account); !ok {
			return ErrNoAccount
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.services[strings.ToLower(service)]
	switch {
	case s == nil:
		return ErrNoService
	case s.Deleted:
		return ErrMarkedForDelete
	}
	s.Account, s.Password, s.registered = account, password, m.now()
	return nil
}

// Password is what the service manager keeps for a service.
func (m *Machine) Password(service string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.services[strings.ToLower(service)]; s != nil {
		return s.Password
	}
	return ""
}

// Outdated says that the service manager keeps another password than the account of a service has.
func (m *Machine) Outdated(service string) bool {
	_, account := m.Registered(service)
	if m.Directory == nil || own(account) || managed(account) {
		return false
	}
	now, _, _, ok := m.Directory.Look(account)
	return ok && now != m.Password(service)
}

// LoggedOn is what a service's process logged on with; ok is false while there is none.
func (m *Machine) LoggedOn(service string) (account, password string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.services[strings.ToLower(service)]
	if s == nil || s.process == nil {
		return "", "", false
	}
	return s.process.Account, s.process.Password, true
}

// LogonOf is what LogonRead asks about a service and an account.
func (m *Machine) LogonOf(service, account string) (winhost.Logon, error) {
	yes := func(is bool) winhost.Answer {
		if is {
			return winhost.Yes
		}
		return winhost.No
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.services[strings.ToLower(service)]
	if s == nil {
		return winhost.Logon{}, ErrNoService
	}
	if account == "" {
		account = s.Account
	}
	l := winhost.Logon{Exists: winhost.Yes, Configured: yes(strings.EqualFold(s.Account, account))}
	if s.process != nil {
		l.Running = yes(strings.EqualFold(s.process.Account, account))
	}
	known := own(account)
	if l.Right = yes(known || m.rights[strings.ToLower(account)]); m.Directory == nil || known {
		return l, nil
	}
	_, _, locked, ok := m.Directory.Look(account)
	if l.Exists = yes(ok); !ok && l.Configured == winhost.No {
		l.Right, l.Configured = "", ""
	}
	l.PasswordSet = m.Directory.passwordSet(account)
	if ok && strings.HasPrefix(strings.ToLower(account), strings.ToLower(m.Name)+`\`) {
		l.Locked = yes(locked)
	} else if ok && locked && !m.Directory.Silent { // a domain says yes, or nothing
		l.Locked = winhost.Yes
	}
	return l, nil
}

func (m *Machine) serviceLogon(o *winhost.ServiceLogon) winhost.Result {
	begin := m.now().UTC()
	r := winhost.Result{Code: winhost.OK}
	if err := m.allowed(o.Service); err != nil {
		return failed(err, "cannot set the logon")
	}
	if o.Password.IsZero() && strings.EqualFold(m.Service(o.Service).Account, o.Account) {
		r.Code = winhost.Unchanged
	} else if err := m.SetLogon(o.Service, o.Account, string(o.Password.Expose())); err != nil {
		return failed(err, "cannot set the logon")
	}
	s := m.Service(o.Service)
	s.Begin, s.End = begin, m.now().UTC()
	r.Service = &s
	return r
}

func (m *Machine) logonRead(o *winhost.LogonRead) winhost.Result {
	l, err := m.LogonOf(o.Service, o.Account)
	if err != nil {
		return failed(err, "no such service")
	}
	return winhost.Result{Code: winhost.OK, Logon: &l}
}
