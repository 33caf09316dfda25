package sqlserver

import (
	"database/sql/driver"
	"strings"
)

// identityFunctions ask who somebody is and what he may.
func identityFunctions() []function {
	return []function{
		{"suser_sname", -1, func(x *Session, a []driver.Value) (driver.Value, error) {
			if len(a) == 0 {
				return x.loginName(), nil
			}
			sid, _ := a[0].([]byte)
			x.server.mu.Lock()
			defer x.server.mu.Unlock()
			for _, l := range x.server.logins {
				if string(l.SID) == string(sid) {
					return l.Name, nil
				}
			}
			return nil, nil
		}},
		{"suser_sid", -1, func(x *Session, a []driver.Value) (driver.Value, error) {
			if len(a) == 0 {
				sid, _ := x.identity()
				return sid, nil
			}
			x.server.mu.Lock()
			defer x.server.mu.Unlock()
			if l := x.server.login(arg(a, 0)); l != nil {
				return l.SID, nil
			}
			return nil, nil
		}},
		{"suser_id", -1, func(x *Session, a []driver.Value) (driver.Value, error) {
			x.server.mu.Lock()
			defer x.server.mu.Unlock()
			l := x.login
			if len(a) > 0 {
				l = x.server.login(arg(a, 0))
			}
			if l == nil {
				return nil, nil
			}
			return int64(l.id), nil
		}},
		{"db_name", -1, func(x *Session, a []driver.Value) (driver.Value, error) {
			if len(a) == 0 {
				return x.Database(), nil
			}
			return x.inData(func(d *Data) driver.Value {
				for _, db := range d.databases {
					if n, ok := a[0].(int64); ok && int64(db.id) == n {
						return db.Name
					}
				}
				return nil
			}), nil
		}},
		{"db_id", -1, func(x *Session, a []driver.Value) (driver.Value, error) {
			name := x.Database()
			if len(a) > 0 {
				name = arg(a, 0)
			}
			return x.inData(func(d *Data) driver.Value {
				if db := d.database(name); db != nil {
					return int64(db.id)
				}
				return nil
			}), nil
		}},
		plainly("user_name", func(x *Session) driver.Value {
			sid, owner := x.identity()
			current := x.Database()
			return x.inData(func(d *Data) driver.Value {
				if db := d.database(current); db != nil {
					if u := x.userIn(db, sid, owner); u != nil {
						return u.Name
					}
				}
				return nil
			})
		}),
		{"object_id", -1, func(x *Session, a []driver.Value) (driver.Value, error) { return x.objectID(arg(a, 0), arg(a, 1)), nil }},
		plainly("schema_name", func(*Session) driver.Value { return "dbo" }),
		{"schema_id", -1, func(x *Session, a []driver.Value) (driver.Value, error) {
			return x.here(func(db *Database) driver.Value {
				if len(a) == 0 {
					return int64(1)
				}
				return db.schemaID(arg(a, 0))
			}), nil
		}},
		{"is_srvrolemember", -1, func(x *Session, a []driver.Value) (driver.Value, error) {
			x.server.mu.Lock()
			defer x.server.mu.Unlock()
			l := x.login
			if len(a) > 1 {
				l = x.server.login(arg(a, 1))
			}
			if _, ok := serverRoles()[lower(arg(a, 0))]; !ok && !same(arg(a, 0), "public") || l == nil {
				return nil, nil
			}
			return whether(same(arg(a, 0), "public") || l.inRole(arg(a, 0))), nil
		}},
		{"is_member", 1, isRoleMember},
		{"is_rolemember", -1, isRoleMember},
		{"has_perms_by_name", -1, hasPermsByName},
		{"has_dbaccess", 1, func(x *Session, a []driver.Value) (driver.Value, error) {
			sid, owner := x.identity()
			return x.inData(func(d *Data) driver.Value {
				db := d.database(arg(a, 0))
				if db == nil {
					return nil
				}
				return whether(x.userIn(db, sid, owner) != nil)
			}), nil
		}},
		{"serverproperty", 1, serverProperty},
		{"databasepropertyex", 2, databaseProperty},
		{"loginproperty", 2, loginProperty},
		{"connectionproperty", 1, func(x *Session, a []driver.Value) (driver.Value, error) {
			switch lower(arg(a, 0)) {
			case "net_transport":
				return "TCP", nil
			case "auth_scheme":
				return x.scheme(), nil
			case "client_net_address":
				return x.client.Address, nil
			}
			return nil, nil
		}},
		{"applock_mode", 3, func(x *Session, a []driver.Value) (driver.Value, error) {
			return x.held(resource{x.Database(), arg(a, 1)}, !same(arg(a, 2), "Session")), nil
		}},
		{"applock_test", 4, func(x *Session, a []driver.Value) (driver.Value, error) {
			return whether(x.free(resource{x.Database(), arg(a, 1)}, lower(arg(a, 2)))), nil
		}},
		{"fn_hadr_is_primary_replica", 1, func(x *Session, a []driver.Value) (driver.Value, error) {
			return x.inData(func(d *Data) driver.Value {
				db := d.database(arg(a, 0))
				if db == nil || db.group == nil {
					return nil
				}
				return whether(db.group.role(x.server) == rolePrimary)
			}), nil
		}},
	}
}

func (x *Session) scheme() string {
	if x.client.Windows {
		return "NTLM"
	}
	return "SQL"
}

func (x *Session) inData(f func(*Data) driver.Value) driver.Value {
	d := x.server.data
	d.mu.Lock()
	defer d.mu.Unlock()
	return f(d)
}

// here runs with the current database, under the data's mutex.
func (x *Session) here(f func(db *Database) driver.Value) driver.Value {
	name := x.Database()
	return x.inData(func(d *Data) driver.Value {
		if db := d.database(name); db != nil {
			return f(db)
		}
		return nil
	})
}

func isRoleMember(x *Session, a []driver.Value) (driver.Value, error) {
	sid, owner := x.identity()
	return x.here(func(db *Database) driver.Value {
		u := x.userIn(db, sid, owner)
		if len(a) > 1 {
			u = db.user(arg(a, 1))
		}
		if !db.role(arg(a, 0)) || u == nil {
			return nil
		}
		return whether(u.inRole(arg(a, 0)))
	}), nil
}

// hasPermsByName is HAS_PERMS_BY_NAME(securable, class, permission).
func hasPermsByName(x *Session, a []driver.Value) (driver.Value, error) {
	securable, class, permission := arg(a, 0), upper(arg(a, 1)), upper(arg(a, 2))
	switch {
	case (len(a) < 2 || a[0] == nil && (a[1] == nil || class == "SERVER")):
		return whether(x.mayServer(permission)), nil
	case class == "DATABASE":
		if securable == "" {
			securable = x.Database()
		}
		return x.inData(func(d *Data) driver.Value {
			db := d.database(strings.Trim(securable, "[]"))
			if db == nil {
				return nil
			}
			return whether(x.may(db, permission, ""))
		}), nil
	case class == "OBJECT":
		database, name, err := x.split(securable)
		if err != nil {
			return nil, nil
		}
		return x.inData(func(d *Data) driver.Value {
			db := d.database(database)
			if db == nil || db.table(name) == nil {
				return nil
			}
			return whether(x.may(db, permission, name))
		}), nil
	case class == "LOGIN":
		x.server.mu.Lock()
		l := x.server.login(strings.Trim(securable, "[]"))
		x.server.mu.Unlock()
		if l == nil {
			return nil, nil
		}
		return whether(x.mayServer("ALTER ANY LOGIN") && permission == "ALTER" || x.mayServer("CONTROL SERVER")), nil
	}
	return nil, nil
}

// split reads a name of up to three parts that stands in a text.
func (x *Session) split(s string) (database, name string, err *Error) {
	tokens, err := lex(s)
	if err != nil {
		return "", "", err
	}
	t := translation{in: tokens}
	parts, err := t.parts()
	if err != nil {
		return "", "", err
	}
	database = x.Database()
	if len(parts) == 3 {
		database = parts[0]
	}
	name = parts[len(parts)-1]
	if n := len(parts); n > 1 && parts[n-2] != "" && !same(parts[n-2], "dbo") {
		name = parts[n-2] + "." + name
	}
	return database, name, nil
}

// objectID is OBJECT_ID(name, type): NULL for what there is not.
func (x *Session) objectID(name, kind string) driver.Value {
	database, object, err := x.split(name)
	if err != nil || kind != "" && !same(kind, "U") {
		return nil
	}
	return x.inData(func(d *Data) driver.Value {
		if db := d.database(database); db != nil {
			if t := db.table(object); t != nil {
				return int64(t.id)
			}
		}
		return nil
	})
}
