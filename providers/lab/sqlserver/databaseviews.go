package sqlserver

import (
	"database/sql/driver"
	"maps"
	"slices"
)

// onDatabase makes the rows of a view of a database, under the data's mutex.
func onDatabase(rows func(x *Session, db *Database) [][]driver.Value) func(*Session, *Data, string) [][]driver.Value {
	return func(x *Session, d *Data, database string) [][]driver.Value {
		d.mu.Lock()
		defer d.mu.Unlock()
		db := d.database(database)
		if db == nil {
			return nil
		}
		return rows(x, db)
	}
}

func databaseViews() []systemView {
	return []systemView{
		{"databases", columns("name sysname,database_id int,owner_sid varbinary(85),create_date datetime,compatibility_level tinyint,collation_name sysname,user_access tinyint,user_access_desc nvarchar(60),is_read_only bit,state tinyint,state_desc nvarchar(60),recovery_model_desc nvarchar(60),containment tinyint,containment_desc nvarchar(60),replica_id uniqueidentifier,group_database_id uniqueidentifier"), databaseRows},
		{"database_principals", columns("name sysname,principal_id int,type nvarchar(1),type_desc nvarchar(60),default_schema_name sysname,sid varbinary(85),is_fixed_role bit,authentication_type int,authentication_type_desc nvarchar(60),owning_principal_id int"), onDatabase(principalRows)},
		{"database_role_members", columns("role_principal_id int,member_principal_id int"), onDatabase(func(_ *Session, db *Database) [][]driver.Value {
			var all [][]driver.Value
			for _, u := range db.Users {
				for i, r := range databaseRoleNames() {
					if u.inRole(r) {
						all = append(all, []driver.Value{int64(16384 + i), int64(u.id)})
					}
				}
			}
			return all
		})},
		{"database_permissions", columns("class tinyint,class_desc nvarchar(60),major_id int,minor_id int,grantee_principal_id int,grantor_principal_id int,type nvarchar(4),permission_name nvarchar(128),state nvarchar(1),state_desc nvarchar(60)"), onDatabase(databasePermissionRows)},
		{"schemas", columns("name sysname,schema_id int,principal_id int"), onDatabase(func(_ *Session, db *Database) [][]driver.Value {
			all := [][]driver.Value{{"dbo", int64(1), int64(1)}, {"sys", int64(4), int64(4)}}
			for _, s := range db.schemas {
				all = append(all, []driver.Value{s.name, db.schemaID(s.name), int64(1)})
			}
			return all
		})},
		{"tables", columns("name sysname,object_id int,schema_id int,type nvarchar(2),type_desc nvarchar(60),create_date datetime"), onDatabase(tableRows)},
		{"objects", columns("name sysname,object_id int,schema_id int,type nvarchar(2),type_desc nvarchar(60),create_date datetime"), onDatabase(tableRows)},
		{"columns", columns("object_id int,name sysname,column_id int,system_type_id int,max_length int,precision int,scale int,is_nullable bit,is_identity bit"), onDatabase(func(_ *Session, db *Database) [][]driver.Value {
			var all [][]driver.Value
			for _, t := range db.tables {
				for i, c := range t.columns {
					all = append(all, []driver.Value{int64(t.id), c.name, int64(i + 1), int64(c.kind.Kind), int64(c.kind.Size), int64(0), int64(c.kind.Scale), whether(!c.notNull), whether(c.identity)})
				}
			}
			return all
		})},
	}
}

func informationViews() []systemView {
	return []systemView{
		{"tables", columns("TABLE_CATALOG nvarchar(128),TABLE_SCHEMA nvarchar(128),TABLE_NAME sysname,TABLE_TYPE varchar(10)"), onDatabase(func(_ *Session, db *Database) [][]driver.Value {
			var all [][]driver.Value
			for _, t := range db.tables {
				schema, name := t.split()
				all = append(all, []driver.Value{db.Name, schema, name, "BASE TABLE"})
			}
			return all
		})},
		{"columns", columns("TABLE_CATALOG nvarchar(128),TABLE_SCHEMA nvarchar(128),TABLE_NAME sysname,COLUMN_NAME sysname,ORDINAL_POSITION int,IS_NULLABLE varchar(3),DATA_TYPE nvarchar(128),CHARACTER_MAXIMUM_LENGTH int"), onDatabase(func(_ *Session, db *Database) [][]driver.Value {
			var all [][]driver.Value
			for _, t := range db.tables {
				schema, name := t.split()
				for i, c := range t.columns {
					nullable := "YES"
					if c.notNull {
						nullable = "NO"
					}
					all = append(all, []driver.Value{db.Name, schema, name, c.name, int64(i + 1), nullable, c.kind.bare(), int64(c.kind.Size)})
				}
			}
			return all
		})},
	}
}

func databaseRows(x *Session, d *Data, _ string) [][]driver.Value {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all [][]driver.Value
	for _, db := range d.databases {
		state, desc := int64(0), "ONLINE"
		if db.Offline {
			state, desc = 6, "OFFLINE"
		}
		containment, contained := int64(0), "NONE"
		if db.Contained {
			containment, contained = 1, "PARTIAL"
		}
		var replica, grouped driver.Value
		if db.group != nil {
			replica, grouped = uid(x.server.config.Name), uid(db.group.Name+db.Name)
		}
		readOnly := db.ReadOnly || db.group != nil && db.group.role(x.server) != rolePrimary
		all = append(all, []driver.Value{db.Name, int64(db.id), []byte{1}, Stamp(db.created), int64(160), "SQL_Latin1_General_CP1_CI_AS", int64(0), "MULTI_USER",
			whether(readOnly), state, desc, "FULL", containment, contained, replica, grouped})
	}
	return all
}

func databaseRoleNames() []string { return slices.Sorted(maps.Keys(databaseRoles())) }

func principalRows(_ *Session, db *Database) [][]driver.Value {
	all := [][]driver.Value{{"public", int64(0), "R", "DATABASE_ROLE", nil, []byte{0}, int64(0), int64(0), "NONE", int64(1)}, {"dbo", int64(1), "S", "SQL_USER", "dbo", []byte{1}, int64(0), int64(1), "INSTANCE", nil}}
	for _, u := range db.Users {
		authentication, desc := int64(1), "INSTANCE"
		if u.Password != "" {
			authentication, desc = 2, "DATABASE"
		}
		all = append(all, []driver.Value{u.Name, int64(u.id), "S", "SQL_USER", "dbo", u.SID, int64(0), authentication, desc, nil})
	}
	for i, r := range databaseRoleNames() {
		all = append(all, []driver.Value{r, int64(16384 + i), "R", "DATABASE_ROLE", nil, nil, int64(1), int64(0), "NONE", int64(1)})
	}
	return all
}

func databasePermissionRows(_ *Session, db *Database) [][]driver.Value {
	var all [][]driver.Value
	for _, u := range db.Users {
		all = append(all, []driver.Value{int64(0), "DATABASE", int64(0), int64(0), int64(u.id), int64(1), "CO", "CONNECT", "G", "GRANT"})
		for _, g := range db.grants {
			if !same(g.who, u.Name) {
				continue
			}
			class, desc, major := int64(0), "DATABASE", int64(0)
			if t := db.table(g.object); t != nil {
				class, desc, major = 1, "OBJECT_OR_COLUMN", int64(t.id)
			}
			state, words := grantState(g.deny)
			all = append(all, []driver.Value{class, desc, major, int64(0), int64(u.id), int64(1), "", g.permission, state, words})
		}
	}
	return all
}

func tableRows(_ *Session, db *Database) [][]driver.Value {
	var all [][]driver.Value
	for _, t := range db.tables {
		schema, name := t.split()
		all = append(all, []driver.Value{name, int64(t.id), db.schemaID(schema), "U", "USER_TABLE", Stamp(t.created)})
	}
	return all
}
