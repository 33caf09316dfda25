package sqlserver

import (
	"slices"
	"strings"
	"time"
)

// table is one of a database's, as SQL Server knows it.
type table struct {
	name    string
	id      int
	created time.Time
	columns []tableColumn
}

type tableColumn struct {
	name              string
	kind              Type
	notNull, identity bool
}

func (db *Database) table(name string) *table {
	for _, t := range db.tables {
		if same(t.name, name) {
			return t
		}
	}
	return nil
}

// object finds out what a table's name means: its name in SQLite.
func (x *Session) object(parts []string, common []string) (string, *Error) {
	name := parts[len(parts)-1]
	database, schema := x.Database(), ""
	switch len(parts) {
	case 1:
		if slices.ContainsFunc(common, func(c string) bool { return same(c, name) }) {
			return name, nil
		}
	case 2:
		schema = parts[0]
	case 3:
		database, schema = parts[0], parts[1]
	default:
		return "", errUnknown(strings.Join(parts, "."))
	}
	if database == "" {
		database = x.Database()
	}
	sid, owner := x.identity()
	d := x.server.data
	d.mu.Lock()
	defer d.mu.Unlock()
	db := d.database(database)
	if db == nil {
		return "", errNoObject(strings.Join(parts, "."))
	}
	if x.userIn(db, sid, owner) == nil {
		return "", classed(916, 2, 14, "The server principal \"%s\" is not able to access the database \"%s\" under the current security context.", x.client.User, db.Name)
	}
	switch {
	case same(schema, "sys"):
		if v := catalogue()[lower(name)]; v != nil {
			return db.Name + ".sys." + v.name, nil
		}
	case same(schema, "INFORMATION_SCHEMA"):
		if v := information()[lower(name)]; v != nil {
			return db.Name + ".information_schema." + v.name, nil
		}
	default:
		if e := db.usable(x.server); e != nil {
			return "", e
		}
		full, ok := db.qualified(schema, name)
		if t := db.table(full); ok && t != nil {
			return db.Name + ".dbo." + t.name, nil
		}
	}
	return "", errNoObject(strings.Join(parts, "."))
}

// usable says why a database cannot be read. It is called with the data's mutex held.
func (db *Database) usable(s *Server) *Error {
	if db.Offline {
		return classed(942, 4, 14, "Database '%s' cannot be opened because it is offline.", db.Name)
	}
	if db.group != nil {
		return db.group.reachable(s, db.Name)
	}
	return nil
}

// writable says why a database cannot be written. It is called with the data's mutex held.
func (db *Database) writable(s *Server) *Error {
	switch {
	case db.ReadOnly, db.group != nil && db.group.role(s) != rolePrimary:
		return classed(3906, 2, 16, "Failed to update database \"%s\" because the database is read-only.", db.Name)
	case db.LogFull:
		return classed(9002, 2, 17, "The transaction log for database '%s' is full due to 'LOG_BACKUP'.", db.Name)
	}
	return nil
}

// enter makes a database the current one.
func (x *Session) enter(name string) error {
	sid, owner := x.identity()
	d := x.server.data
	d.mu.Lock()
	db := d.database(name)
	var err *Error
	switch {
	case db == nil:
		err = fail(911, "Database '%s' does not exist. Make sure that the name is entered correctly.", name)
	case x.userIn(db, sid, owner) == nil:
		err = classed(916, 2, 14, "The server principal \"%s\" is not able to access the database \"%s\" under the current security context.", x.client.User, name)
	default:
		err = db.usable(x.server)
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	x.database = db.Name
	return nil
}
