package sqlserver

import (
	"slices"
	"strings"
)

// grant is a permission given or denied.
type grant struct {
	who        string // the name of a login, a user or a role
	permission string // in upper case
	object     string // a table's name, or "" for the whole
	deny       bool
}

// serverRoles are the permissions that fixed roles of the server bring, "" all.
func serverRoles() map[string][]string {
	return map[string][]string{
		"sysadmin": {""}, "securityadmin": {"ALTER ANY LOGIN", "VIEW ANY DEFINITION"}, "processadmin": {"ALTER ANY CONNECTION", "VIEW SERVER STATE"},
		"serveradmin": {"VIEW SERVER STATE"}, "dbcreator": {"CREATE ANY DATABASE"}, "setupadmin": nil, "bulkadmin": nil, "diskadmin": nil,
	}
}

// databaseRoles are those of fixed roles of a database.
func databaseRoles() map[string][]string {
	return map[string][]string{
		"db_owner": {""}, "db_datareader": {"SELECT"}, "db_datawriter": {"INSERT", "UPDATE", "DELETE"},
		"db_ddladmin": {"CREATE TABLE", "ALTER"}, "db_securityadmin": {"ALTER ANY ROLE", "VIEW DEFINITION"},
		"db_accessadmin": {"ALTER ANY USER"}, "db_backupoperator": nil,
	}
}

// covers says whether one permission includes another.
func covers(have, want string) bool {
	return have == "" || have == want || have == "CONTROL SERVER" || have == "CONTROL" ||
		have == "VIEW SERVER STATE" && (want == "VIEW SERVER PERFORMANCE STATE" || want == "VIEW SERVER SECURITY STATE") ||
		have == "ALTER ANY LOGIN" && want == "VIEW ANY SECURITY DEFINITION" ||
		have == "VIEW ANY DEFINITION" && want == "VIEW ANY SECURITY DEFINITION" ||
		have == "ALTER" && strings.HasPrefix(want, "ALTER ")
}

// mayServer says whether a session has a permission on the instance.
func (x *Session) mayServer(permission string) bool {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	return x.server.may(x.login, permission)
}

func (s *Server) may(l *Login, permission string) bool {
	if l == nil {
		return false
	}
	if l.inRole("sysadmin") {
		return true
	}
	if permission == "CONNECT SQL" {
		return !l.NoConnect
	}
	if permission == "VIEW ANY DATABASE" {
		return true // public has it
	}
	granted := false
	for role, permissions := range serverRoles() {
		granted = granted || l.inRole(role) && slices.ContainsFunc(permissions, func(p string) bool { return covers(p, permission) })
	}
	for _, g := range s.grants {
		if !same(g.who, l.Name) && !same(g.who, "public") && !l.inRole(g.who) {
			continue
		}
		if g.deny && covers(g.permission, permission) {
			return false
		}
		granted = granted || !g.deny && covers(g.permission, permission)
	}
	return granted
}

// identity is a session's SID, and whether it is every database's owner, whom nothing is denied.
func (x *Session) identity() (sid []byte, owner bool) {
	if x.login == nil {
		return x.contained.SID, false
	}
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	return x.login.SID, x.login.inRole("sysadmin")
}

// may says whether a session has a permission in a database; object is a table's name, or "" for the database. It is
// called with the data's mutex held.
func (x *Session) may(db *Database, permission, object string) bool {
	sid, owner := x.identity()
	if owner {
		return true
	}
	u := x.userIn(db, sid, owner)
	if u == nil {
		return false
	}
	if permission == "CONNECT" || db.owns(u, object) {
		return true
	}
	granted := false
	for role, permissions := range databaseRoles() {
		granted = granted || u.inRole(role) && slices.ContainsFunc(permissions, func(p string) bool { return covers(p, permission) })
	}
	if u.inRole("db_denydatareader") && permission == "SELECT" ||
		u.inRole("db_denydatawriter") && (permission == "INSERT" || permission == "UPDATE" || permission == "DELETE") {
		return false
	}
	for _, g := range db.grants {
		if !same(g.who, u.Name) && !same(g.who, "public") && !u.inRole(g.who) || g.object != "" && !same(g.object, object) {
			continue
		}
		if g.deny && covers(g.permission, permission) {
			return false
		}
		granted = granted || !g.deny && covers(g.permission, permission)
	}
	return granted
}

// userIn is who the session is in a database, nil for nobody. It is called with the data's mutex held.
func (x *Session) userIn(db *Database, sid []byte, owner bool) *User {
	if x.contained != nil {
		if db == x.home {
			return x.contained
		}
		return nil
	}
	if u := db.of(sid); u != nil {
		return u
	}
	if owner {
		return &User{Name: "dbo", SID: sid, Roles: []string{"db_owner"}, id: 1}
	}
	if system(db.Name) {
		return &User{Name: "guest", id: 2}
	}
	return nil
}

// Grant gives the permissions of a database or of one of its tables, as an administrator does.
func (d *Data) Grant(database, who, object string, permissions ...string) {
	d.permit(database, who, object, false, permissions)
}

// Deny denies them.
func (d *Data) Deny(database, who, object string, permissions ...string) {
	d.permit(database, who, object, true, permissions)
}

func (d *Data) permit(database, who, object string, deny bool, permissions []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if db := d.database(database); db != nil {
		for _, p := range permissions {
			db.grants = regrant(db.grants, grant{who: who, permission: strings.ToUpper(p), object: object, deny: deny})
		}
	}
}

// GrantServer gives a login permissions on the instance.
func (s *Server) GrantServer(login string, permissions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range permissions {
		s.grants = regrant(s.grants, grant{who: login, permission: strings.ToUpper(p)})
	}
}

// DenyServer denies them.
func (s *Server) DenyServer(login string, permissions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range permissions {
		s.grants = regrant(s.grants, grant{who: login, permission: strings.ToUpper(p), deny: true})
	}
}

// regrant puts a grant in the place of what was there.
func regrant(all []grant, g grant) []grant {
	return append(revoke(all, g), g)
}

func revoke(all []grant, g grant) []grant {
	return slices.DeleteFunc(all, func(x grant) bool {
		return same(x.who, g.who) && x.permission == g.permission && same(x.object, g.object)
	})
}
