package lab

import (
	"fmt"
	"slices"
	"strings"
)

const SQLListener = "im-ag.lab.example"

func (l *Lab) sqlName() string {
	if l.database.group != nil {
		return SQLListener
	}
	return SQLServer
}

func (l *Lab) sqlSection() string {
	q := &l.database
	text := fmt.Sprintf("  sql: {server: %s, user: %s, password: {env: IM_LAB_PASSWORD}, caFile: keys/sql-server.pem", l.sqlName(), User)
	var names, addresses []string
	for _, r := range q.replicas {
		names = append(names, r.Name)
		addresses = append(addresses, fmt.Sprintf("%s: %q", r.Name, r.Address))
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

func (l *Lab) SQLPasswords() map[string]string {
	c, _ := clientOf(l.SQL()) // it is the lab's own
	return map[string]string{SQLLogin: c.Password, SQLSpare: l.database.spare}
}
