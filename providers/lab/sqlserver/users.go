package sqlserver

import (
	"slices"
	"strings"
)

// createUser carries out CREATE USER name [FOR LOGIN login | WITH PASSWORD = … | WITHOUT LOGIN].
func (b *batch) createUser(p *parser) *Error {
	name, err := b.named(p)
	if err != nil {
		return err
	}
	login, password, sid := name, "", []byte(nil)
	switch {
	case p.take("FOR", "FROM"):
		if !p.take("LOGIN") {
			return p.near()
		}
		if login, err = b.named(p); err != nil {
			return err
		}
	case p.take("WITH"):
		o, err := b.options(p, "PASSWORD", "DEFAULT_SCHEMA")
		if err != nil {
			return err
		}
		password = o["PASSWORD"].text
	}
	if password == "" {
		s := b.x.server
		s.mu.Lock()
		l := s.login(login)
		s.mu.Unlock()
		if l == nil {
			return fail(15007, "'%s' is not a valid login or you do not have permission.", login)
		}
		sid = l.SID
	}
	return b.inDatabase("ALTER ANY USER", func(db *Database) *Error {
		switch {
		case password != "" && !db.Contained:
			return fail(33233, "You can only create a user with a password in a contained database.")
		case db.user(name) != nil:
			return fail(15023, "User, group, or role '%s' already exists in the current database.", name)
		case sid != nil && db.of(sid) != nil:
			return fail(15063, "The login already has an account under a different user name.")
		}
		if password != "" {
			if e := b.x.server.config.Policy.check(&Login{Name: name}, password); e != nil {
				return e
			}
		}
		u := db.addUser(name)
		u.SID, u.Password = sid, password
		if sid == nil {
			u.SID = []byte(newGUID()[:28])
		}
		return nil
	})
}

// inDatabase changes the current database's principals, when the session may.
func (b *batch) inDatabase(permission string, f func(db *Database) *Error) *Error {
	if b.x.run.depth > 0 {
		return errUnknown("a change of principals inside a transaction")
	}
	name := b.x.Database()
	d := b.x.server.data
	d.mu.Lock()
	defer d.mu.Unlock()
	db := d.database(name)
	if !b.x.may(db, permission, "") {
		return fail(15247, "User does not have permission to perform this action.")
	}
	if e := db.writable(b.x.server); e != nil {
		return e
	}
	return f(db)
}

// alterUser carries out ALTER USER name WITH PASSWORD = … [OLD_PASSWORD = …] | LOGIN = … | NAME = ….
func (b *batch) alterUser(p *parser) *Error {
	name, err := b.named(p)
	if err != nil {
		return err
	}
	if !p.take("WITH") {
		return p.near()
	}
	o, err := b.options(p, "PASSWORD", "OLD_PASSWORD", "LOGIN", "NAME", "DEFAULT_SCHEMA")
	if err != nil {
		return err
	}
	var sid []byte
	if l, ok := o["LOGIN"]; ok {
		s := b.x.server
		s.mu.Lock()
		to := s.login(l.text)
		s.mu.Unlock()
		if to == nil {
			return fail(15007, "'%s' is not a valid login or you do not have permission.", l.text)
		}
		sid = to.SID
	}
	current := b.x.Database()
	d := b.x.server.data
	d.mu.Lock()
	defer d.mu.Unlock()
	db := d.database(current)
	u := db.user(name)
	own := u != nil && u == b.x.contained && o.has("OLD_PASSWORD")
	if u == nil || !own && !b.x.may(db, "ALTER ANY USER", "") || o.has("OLD_PASSWORD") && o["OLD_PASSWORD"].text != u.Password {
		return errCannot("alter", "user", name)
	}
	if e := db.writable(b.x.server); e != nil {
		return e
	}
	if v, ok := o["PASSWORD"]; ok {
		if u.Password == "" {
			return fail(33234, "The parameter PASSWORD cannot be provided for users that cannot authenticate in a database.")
		}
		if e := b.x.server.config.Policy.check(&Login{Name: name, Password: u.Password}, v.text); e != nil {
			return e
		}
		u.Password = v.text
		u.version++
	}
	if sid != nil {
		u.SID = sid
	}
	if n, ok := o["NAME"]; ok {
		u.Name = n.text
	}
	return nil
}

func (b *batch) dropUser(p *parser) *Error {
	name, err := b.named(p)
	if err != nil {
		return err
	}
	return b.inDatabase("ALTER ANY USER", func(db *Database) *Error {
		if db.user(name) == nil {
			return errCannot("drop", "user", name)
		}
		db.Users = slices.DeleteFunc(db.Users, func(u *User) bool { return same(u.Name, name) })
		return nil
	})
}

// alterRole carries out ALTER ROLE role {ADD | DROP} MEMBER user.
func (b *batch) alterRole(p *parser) *Error {
	role, member, add, err := b.membership(p)
	if err != nil {
		return err
	}
	return b.inDatabase("ALTER ANY ROLE", func(db *Database) *Error {
		u := db.user(member)
		if u == nil {
			return fail(15151, "Cannot add the principal '%s', because it does not exist or you do not have permission.", member)
		}
		if !db.role(role) && !strings.HasPrefix(lower(role), "db_deny") {
			return errCannot("alter", "role", role)
		}
		u.Roles = withMember(u.Roles, role, add)
		return nil
	})
}

func (b *batch) alterServerRole(p *parser) *Error {
	role, member, add, err := b.membership(p)
	if err != nil {
		return err
	}
	s := b.x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.login(member)
	if _, ok := serverRoles()[lower(role)]; !ok || l == nil || !s.may(b.x.login, "CONTROL SERVER") {
		return errCannot("alter", "server role", role)
	}
	l.Roles = withMember(l.Roles, role, add)
	return nil
}

func (b *batch) membership(p *parser) (role, member string, add bool, err *Error) {
	if role, err = b.named(p); err != nil {
		return "", "", false, err
	}
	add = p.peek().is("ADD")
	if !p.take("ADD", "DROP") || !p.take("MEMBER") {
		return "", "", false, p.near()
	}
	member, err = b.named(p)
	return role, member, add, err
}

func withMember(roles []string, role string, add bool) []string {
	left := slices.DeleteFunc(slices.Clone(roles), func(r string) bool { return same(r, role) })
	if add {
		left = append(left, lower(role))
	}
	return left
}
