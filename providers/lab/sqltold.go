package lab

import (
	"fmt"
	"slices"
	"strings"
)

// SQLListener is the name of the group's listener, where there is a group.
const SQLListener = "im-ag.lab.example"

// sqlName is the server's name in the document, and in the strings of a lab whose document has a login.
func (l *Lab) sqlName() string {
	if l.database.group != nil {
		return SQLListener
	}
	return SQLServer
}

// sqlSection is how the document says that SQL Server is reached.
func (l *Lab) sqlSection() string {
	q := &l.database
	text := fmt.Sprintf("  sql: {server: %s, user: %s, password: {env: IM_LAB_PASSWORD}, caFile: keys/sql-server.pem", l.sqlName(), User)
	var names, addresses []string
	for _, r := range q.replicas {
		names = append(names, r.Name)
		addresses = append(addresses, fmt.Sprintf("%s: %q", r.Name, r.Address))
	}
	var also []string
	for _, r := range q.standbys {
		also = append(also, r.Name)
		addresses = append(addresses, fmt.Sprintf("%s: %q", r.Name, r.Address))
	}
	if also != nil {
		text += ",\n        alsoAt: [" + strings.Join(also, ", ") + "]"
	}
	if q.group != nil {
		text += ",\n        replicas: [" + strings.Join(names, ", ") + "]"
		addresses = append(addresses, fmt.Sprintf("%s: %q", SQLListener, q.address))
	}
	if !l.config.Memory {
		text += ",\n        addresses: {" + strings.Join(addresses, ", ") + "}"
	}
	return text + "}\n"
}

// sqlNote says who is logged in.
func (l *Lab) sqlNote() string {
	where := l.database.address
	if where == "" {
		where = SQLServer
	}
	var who []string
	if s := l.SQLInstance(); s != nil {
		for _, x := range s.Live() {
			who = append(who, x.Program+" as "+x.Login)
		}
	}
	slices.Sort(who)
	if who == nil {
		who = []string{"nobody"}
	}
	return "SQL Server " + where + ", logged in: " + strings.Join(who, ", ")
}

// Strings are the connection strings that running services have read, by host.
func (l *Lab) Strings() map[string]string {
	all := map[string]string{}
	for h, d := range map[*Host]*databaseClient{l.Admin: &l.database.admin, l.EngineHost: &l.database.engine} {
		d.mu.Lock()
		if d.running {
			all[h.Name] = d.text
		}
		d.mu.Unlock()
	}
	return all
}

// SignedIn is the login that Admin and Engine both have sessions of; false when it is not one, or one of them has none.
func (l *Lab) SignedIn() (login string, ok bool) {
	instance := l.SQLInstance()
	if instance == nil {
		return "", false
	}
	by := map[string]string{}
	for _, s := range instance.Live() {
		if s.Program == AdminService || s.Program == EngineService {
			by[s.Program] = s.Login
		}
	}
	return by[AdminService], len(by) == 2 && by[AdminService] == by[EngineService]
}

// SQLPasswords are what nobody may see: of the services' login and of the spare one, as they were at the start.
func (l *Lab) SQLPasswords() map[string]string {
	c, _ := clientOf(l.SQL()) // it is the lab's own
	return map[string]string{SQLLogin: c.Password, SQLSpare: l.database.spare}
}
