package sqlserver

import (
	"database/sql/driver"
	"slices"
	"strings"
)

// schema is one beside dbo. Its tables are named schema.table here; who owns it may do everything with them.
type schema struct{ name, owner string }

// qualified is a table's name here; false when there is no such schema.
func (db *Database) qualified(schema, table string) (string, bool) {
	if schema == "" || same(schema, "dbo") {
		return table, true
	}
	s := db.schema(schema)
	if s == nil {
		return "", false
	}
	return s.name + "." + table, true
}

func (db *Database) schema(name string) *schema {
	for i := range db.schemas {
		if same(db.schemas[i].name, name) {
			return &db.schemas[i]
		}
	}
	return nil
}

// schemaID is SCHEMA_ID: NULL for none.
func (db *Database) schemaID(name string) driver.Value {
	if same(name, "dbo") {
		return int64(1)
	}
	for i, s := range db.schemas {
		if same(s.name, name) {
			return int64(i + 5)
		}
	}
	return nil
}

// split is a table's schema and its name.
func (t *table) split() (schema, name string) {
	if schema, name, ok := strings.Cut(t.name, "."); ok {
		return schema, name
	}
	return "dbo", t.name
}

// owns says whether a user owns the schema that a table is in.
func (db *Database) owns(u *User, table string) bool {
	name, _, ok := strings.Cut(table, ".")
	s := db.schema(name)
	return ok && s != nil && same(s.owner, u.Name)
}

// role says whether there is a role of this name.
func (db *Database) role(name string) bool {
	_, fixed := databaseRoles()[lower(name)]
	return fixed || slices.ContainsFunc(db.roles, func(r string) bool { return same(r, name) })
}

// alone says that CREATE SCHEMA is the first of a batch, as SQL Server demands. within says that all are in another statement.
func alone(all []node, within bool) *Error {
	for i, n := range all {
		if (i > 0 || within) && n.verb == "CREATE" && len(n.tokens) > 1 && n.tokens[1].is("SCHEMA") {
			return classed(111, 1, 15, "'CREATE SCHEMA' must be the first statement in a query batch.")
		}
		for _, inner := range [][]node{n.then, n.otherwise} {
			if err := alone(inner, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// createSchema carries out CREATE SCHEMA name.
func (b *batch) createSchema(p *parser) *Error {
	name, err := b.named(p)
	if err != nil {
		return err
	}
	return b.ofCatalogue("CREATE SCHEMA", func(db *Database, u *User) *Error {
		if _, there := db.qualified(name, ""); there {
			return classed(2714, 6, 16, "There is already an object named '%s' in the database.", name)
		}
		db.schemas = append(slices.Clone(db.schemas), schema{name, u.Name})
		return nil
	})
}

// createRole carries out CREATE ROLE name.
func (b *batch) createRole(p *parser) *Error {
	name, err := b.named(p)
	if err != nil {
		return err
	}
	return b.ofCatalogue("CREATE ROLE", func(db *Database, _ *User) *Error {
		if db.role(name) || db.user(name) != nil {
			return fail(15023, "User, group, or role '%s' already exists in the current database.", name)
		}
		db.roles = append(slices.Clone(db.roles), name)
		return nil
	})
}

// ofCatalogue changes what a rollback restores.
func (b *batch) ofCatalogue(permission string, do func(*Database, *User) *Error) *Error {
	x, d := b.x, b.x.server.data
	if err := x.hold(b.ctx, d.tables); err != nil {
		return err
	}
	defer x.letGo(d.tables)
	if err := x.writes(); err != nil {
		return err
	}
	current := x.Database()
	sid, owner := x.identity()
	d.mu.Lock()
	defer d.mu.Unlock()
	db := d.database(current)
	if e := db.writable(x.server); e != nil {
		return e
	}
	if !x.may(db, permission, "") {
		return errDatabasePermission(permission, db.Name)
	}
	return do(db, x.userIn(db, sid, owner))
}
