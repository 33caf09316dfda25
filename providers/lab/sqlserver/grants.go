package sqlserver

import (
	"slices"
	"strings"
)

// grant carries out GRANT, DENY and REVOKE permission, … [ON [OBJECT::]table] {TO | FROM} principal, ….
func (b *batch) grant(verb string, p *parser) *Error {
	if verb == "REVOKE" && p.peek().is("GRANT") {
		return errUnknown("REVOKE GRANT OPTION")
	}
	var permissions []string
	for {
		var words []string
		for p.more() && !p.peek().is(",", "ON", "TO", "FROM") {
			words = append(words, upper(p.peek().text))
			p.at++
		}
		if len(words) == 0 || slices.Contains(words, "(") {
			return p.near()
		}
		permissions = append(permissions, strings.Join(words, " "))
		if !p.take(",") {
			break
		}
	}
	object, database := "", b.x.Database()
	if p.take("ON") {
		if p.peek().is("OBJECT") && p.ahead(1).is("::") {
			p.at += 2
		} else if p.ahead(1).is("::") {
			return errUnknown(p.peek().text + "::")
		}
		db, name, err := b.target(p)
		if err != nil {
			return err
		}
		d := b.x.server.data
		d.mu.Lock()
		t := db.table(name)
		d.mu.Unlock()
		if t == nil {
			return errCannot("find", "object", name)
		}
		object, database = t.name, db.Name
	}
	if !p.take("TO", "FROM") {
		return p.near()
	}
	var who []string
	for {
		name, err := b.named(p)
		if err != nil {
			return err
		}
		who = append(who, name)
		if !p.take(",") {
			break
		}
	}
	if p.more() {
		return errUnknown(p.peek().text)
	}
	var all []grant
	for _, w := range who {
		for _, permission := range permissions {
			all = append(all, grant{who: w, permission: permission, object: object, deny: verb == "DENY"})
		}
	}
	if object == "" && serverScoped(permissions[0]) {
		return b.onServer(verb, all)
	}
	return b.onDatabase(verb, database, all)
}

// serverScoped says whether a permission is one on the instance.
func serverScoped(permission string) bool {
	return slices.Contains([]string{"ALTER ANY LOGIN", "ALTER ANY CONNECTION", "VIEW SERVER STATE", "VIEW ANY DEFINITION", "VIEW ANY DATABASE", "CONTROL SERVER", "CONNECT SQL", "ALTER ANY DATABASE", "CREATE ANY DATABASE", "VIEW ANY SECURITY DEFINITION", "VIEW SERVER PERFORMANCE STATE", "VIEW SERVER SECURITY STATE"}, permission)
}

func (b *batch) onServer(verb string, all []grant) *Error {
	if err := b.alone(verb); err != nil {
		return err
	}
	s := b.x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range all {
		l := s.login(g.who)
		if l == nil || !s.may(b.x.login, "CONTROL SERVER") {
			return fail(15151, "Cannot find the login '%s', because it does not exist or you do not have permission.", g.who)
		}
		if g.permission == "CONNECT SQL" {
			l.NoConnect = verb != "GRANT"
			continue
		}
		s.grants = revoke(s.grants, g)
		if verb != "REVOKE" {
			s.grants = append(s.grants, g)
		}
	}
	return nil
}

func (b *batch) onDatabase(verb, database string, all []grant) *Error {
	x, d := b.x, b.x.server.data
	if err := x.hold(b.ctx, d.tables); err != nil {
		return err
	}
	defer x.letGo(d.tables)
	if err := x.writes(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	db := d.database(database)
	if e := db.writable(x.server); e != nil {
		return e
	}
	for _, g := range all {
		if db.user(g.who) == nil && !db.role(g.who) && !same(g.who, "public") || !x.may(db, "CONTROL", g.object) {
			return fail(15151, "Cannot find the user '%s', because it does not exist or you do not have permission.", g.who)
		}
	}
	for _, g := range all {
		db.grants = revoke(append([]grant(nil), db.grants...), g)
		if verb != "REVOKE" {
			db.grants = append(db.grants, g)
		}
	}
	return nil
}
