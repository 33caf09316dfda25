package sqlserver

import (
	"encoding/hex"
	"slices"
	"time"
)

// principalOptions are what WITH says in CREATE and ALTER LOGIN and USER.
type principalOptions map[string]token

// options reads NAME = value, NAME = value, …; the flags after a password are put under their own names.
func (b *batch) options(p *parser, allowed ...string) (principalOptions, *Error) {
	o := principalOptions{}
	for {
		name := upper(p.peek().text)
		if !slices.Contains(allowed, name) {
			return nil, p.near()
		}
		p.at++
		if !p.take("=") {
			return nil, p.near()
		}
		v := p.peek()
		wantText := name == "PASSWORD" || name == "OLD_PASSWORD"
		if wantText && v.kind != literal || v.kind == mark || v.kind == variable {
			return nil, p.near()
		}
		p.at++
		o[name] = v
		for p.peek().is("MUST_CHANGE", "UNLOCK") && name == "PASSWORD" {
			o[upper(p.peek().text)] = p.peek()
			p.at++
		}
		if p.peek().is("HASHED") {
			return nil, errUnknown("HASHED")
		}
		if !p.take(",") {
			if p.peek().is("OLD_PASSWORD") {
				continue
			}
			return o, p.end()
		}
	}
}

// end demands that nothing follows.
func (p *parser) end() *Error {
	if p.more() {
		return p.near()
	}
	return nil
}

func (o principalOptions) has(name string) bool { _, ok := o[name]; return ok }

// alone refuses what a rollback could not undo.
func (b *batch) alone(what string) *Error {
	if b.x.run.depth > 0 {
		return errUnknown(what + " inside a transaction")
	}
	return b.masterWritable()
}

// masterWritable is about master, where logins are kept.
func (b *batch) masterWritable() *Error {
	d := b.x.server.data
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.database("master").writable(b.x.server)
}

func (b *batch) named(p *parser) (string, *Error) {
	t := p.peek()
	if !t.name() {
		return "", p.near()
	}
	p.at++
	return t.text, nil
}

func (b *batch) createLogin(p *parser) *Error {
	name, err := b.named(p)
	if err != nil {
		return err
	}
	if err := b.alone("CREATE LOGIN"); err != nil {
		return err
	}
	if p.take("FROM") {
		if !p.take("WINDOWS") {
			return errUnknown(p.peek().text)
		}
		return b.addLogin(&Login{Name: name, Windows: true})
	}
	if !p.take("WITH") {
		return p.near()
	}
	o, err := b.options(p, "PASSWORD", "SID", "DEFAULT_DATABASE", "CHECK_POLICY", "CHECK_EXPIRATION", "DEFAULT_LANGUAGE")
	if err != nil {
		return err
	}
	l := &Login{Name: name}
	o.policy(l)
	if s := o["SID"]; s.kind == hexed {
		l.SID, _ = hex.DecodeString(s.text)
		if len(l.SID) != 16 {
			return fail(15419, "Supplied parameter sid should be binary(16).")
		}
	}
	l.DefaultDatabase = o["DEFAULT_DATABASE"].text
	l.MustChange = o.has("MUST_CHANGE")
	l.Password = o["PASSWORD"].text
	if e := b.x.server.config.Policy.check(&Login{Name: name, NoPolicy: l.NoPolicy}, l.Password); e != nil {
		return e
	}
	return b.addLogin(l)
}

// policy turns it on or off. What that does beside is as Microsoft documents it for ALTER LOGIN: the history of passwords begins anew,
// the expiration follows unless it is said, and off ends a lockout.
func (o principalOptions) policy(l *Login) {
	if t, ok := o["CHECK_POLICY"]; ok && t.is("OFF") != l.NoPolicy {
		l.NoPolicy = t.is("OFF")
		l.Expires, l.history = !l.NoPolicy, nil
		if l.NoPolicy {
			l.locked, l.failures = time.Time{}, 0
		}
	}
	if t, ok := o["CHECK_EXPIRATION"]; ok {
		l.Expires = t.is("ON")
	}
}

func (b *batch) addLogin(l *Login) *Error {
	if !b.x.mayServer("ALTER ANY LOGIN") {
		return fail(15247, "User does not have permission to perform this action.")
	}
	s := b.x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.login(l.Name) != nil {
		return fail(15025, "The server principal '%s' already exists.", l.Name)
	}
	if slices.ContainsFunc(s.logins, func(o *Login) bool { return l.SID != nil && string(o.SID) == string(l.SID) }) {
		return fail(15433, "Supplied parameter sid is in use.")
	}
	s.add(l)
	return nil
}

func (b *batch) dropLogin(p *parser) *Error {
	name, err := b.named(p)
	if err != nil {
		return err
	}
	if err := b.alone("DROP LOGIN"); err != nil {
		return err
	}
	may := b.x.mayServer("ALTER ANY LOGIN")
	s := b.x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.login(name)
	if l == nil || !may || l.inRole("sysadmin") && !s.may(b.x.login, "CONTROL SERVER") {
		return errCannot("drop", "login", name)
	}
	for _, x := range s.sessions {
		if x.login == l {
			return fail(15434, "Could not drop login '%s' as the user is currently logged in.", name)
		}
	}
	s.logins = slices.DeleteFunc(s.logins, func(o *Login) bool { return o == l })
	return nil
}

// alterLogin carries out ALTER LOGIN name {ENABLE | DISABLE | WITH …}.
func (b *batch) alterLogin(p *parser) *Error {
	name, err := b.named(p)
	if err != nil {
		return err
	}
	able := upper(p.peek().text)
	var o principalOptions
	switch {
	case p.take("ENABLE", "DISABLE"):
		err = p.end()
	case p.take("WITH"):
		o, err = b.options(p, "PASSWORD", "OLD_PASSWORD", "DEFAULT_DATABASE", "DEFAULT_LANGUAGE", "NAME", "CHECK_POLICY", "CHECK_EXPIRATION")
	default:
		err = p.near()
	}
	if err != nil {
		return err
	}
	if err := b.alone("ALTER LOGIN"); err != nil {
		return err
	}
	s := b.x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.login(name)
	if l == nil || !b.mayAlter(l, o) {
		return errCannot("alter", "login", name)
	}
	if l.Windows && o.has("PASSWORD") {
		return errCannot("alter", "login", name)
	}
	if able == "ENABLE" || able == "DISABLE" {
		l.Disabled = able == "DISABLE"
		l.modified = s.now()
		return nil
	}
	return b.applyLogin(l, o)
}

// mayAlter says whether the session may change a login as it asks. It is called with the server's mutex held.
func (b *batch) mayAlter(l *Login, o principalOptions) bool {
	s := b.x.server
	if l.inRole("sysadmin") && !s.may(b.x.login, "CONTROL SERVER") && l != b.x.login {
		return false
	}
	if s.may(b.x.login, "ALTER ANY LOGIN") && !(o.has("OLD_PASSWORD") && l == b.x.login) {
		return true
	}
	// Everybody may change the own password, who knows the old one.
	own := l == b.x.login && o.has("PASSWORD") && o.has("OLD_PASSWORD") && !o.has("UNLOCK") && !o.has("CHECK_POLICY") && !o.has("CHECK_EXPIRATION") && !o.has("NAME")
	return own && o["OLD_PASSWORD"].text == l.Password
}

func (b *batch) applyLogin(l *Login, o principalOptions) *Error {
	s := b.x.server
	if n, ok := o["NAME"]; ok {
		if other := s.login(n.text); other != nil && other != l {
			return fail(15025, "The server principal '%s' already exists.", n.text)
		}
	}
	with := *l
	o.policy(&with)
	if v, ok := o["PASSWORD"]; ok {
		if o.has("MUST_CHANGE") && (with.NoPolicy || !with.Expires) {
			return fail(15128, "The CHECK_POLICY and CHECK_EXPIRATION options cannot be turned OFF when MUST_CHANGE is ON.")
		}
		if e := s.config.Policy.check(&with, v.text); e != nil {
			return e
		}
		before := l.Password
		l.Password = v.text
		l.remember(before, s.now())
		l.MustChange = o.has("MUST_CHANGE")
		if o.has("UNLOCK") {
			l.locked, l.failures = time.Time{}, 0
		}
	}
	o.policy(l)
	if n, ok := o["NAME"]; ok {
		l.Name = n.text
	}
	if d, ok := o["DEFAULT_DATABASE"]; ok {
		l.DefaultDatabase = d.text
	}
	l.modified = s.now()
	return nil
}
