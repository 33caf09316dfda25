package sqlserver

import "strings"

// create carries out CREATE.
func (b *batch) create(p *parser) *Error {
	switch {
	case p.take("TABLE"):
		return b.createTable(p)
	case p.take("UNIQUE"):
		return b.createIndex(p, "UNIQUE ")
	case p.peek().is("INDEX", "NONCLUSTERED", "CLUSTERED"):
		return b.createIndex(p, "")
	case p.take("LOGIN"):
		return b.createLogin(p)
	case p.take("USER"):
		return b.createUser(p)
	case p.take("DATABASE"):
		return b.createDatabase(p)
	case p.take("SCHEMA"):
		return b.createSchema(p)
	case p.take("ROLE"):
		return b.createRole(p)
	}
	return errUnknown("CREATE " + p.peek().text)
}

// target reads a table's name: the database and the table, of which the latter may not be there yet.
func (b *batch) target(p *parser) (*Database, string, *Error) {
	t := translation{in: p.tokens, at: p.at}
	parts, err := t.parts()
	if err != nil {
		return nil, "", err
	}
	p.at = t.at
	database, name := b.x.Database(), parts[len(parts)-1]
	if len(parts) == 3 {
		database = parts[0]
	}
	schema := ""
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	if strings.HasPrefix(name, "#") || strings.ContainsAny(name, "].") {
		return nil, "", errUnknown(name)
	}
	d := b.x.server.data
	d.mu.Lock()
	defer d.mu.Unlock()
	db := d.database(database)
	if db == nil {
		return nil, "", errNoObject(strings.Join(parts, "."))
	}
	if e := db.usable(b.x.server); e != nil {
		return nil, "", e
	}
	full, ok := db.qualified(schema, name)
	if !ok {
		return nil, "", errSchema(schema)
	}
	return db, full, db.writable(b.x.server)
}

func (b *batch) createTable(p *parser) *Error {
	db, name, err := b.target(p)
	if err != nil {
		return err
	}
	d := b.x.server.data
	d.mu.Lock()
	may, there := b.x.may(db, "CREATE TABLE", ""), db.table(name) != nil
	schema, within, _ := strings.Cut(name, ".")
	own := within == "" || b.x.may(db, "ALTER", name)
	d.objects++
	t := &table{name: name, id: d.objects, created: b.x.server.now()}
	d.mu.Unlock()
	switch {
	case !may:
		return errDatabasePermission("CREATE TABLE", db.Name)
	case !own:
		return errSchema(schema)
	case there:
		return classed(2714, 6, 16, "There is already an object named '%s' in the database.", name)
	}
	def := definition{parser: p, batch: b, table: t}
	if err := def.read(); err != nil {
		return err
	}
	text := "CREATE TABLE " + bracket(db.Name+".dbo."+name) + " (" + strings.Join(append(def.columns, def.rest...), ", ") + ")"
	return b.change(text, func() { db.tables = append(append([]*table(nil), db.tables...), t) })
}

// change carries out a change of a schema in SQLite, and notes it.
func (b *batch) change(text string, note func()) *Error {
	x, d := b.x, b.x.server.data
	if err := x.hold(b.ctx, d.tables); err != nil {
		return err
	}
	defer x.letGo(d.tables)
	if err := x.writes(); err != nil {
		return err
	}
	d.tables.schema = true
	defer func() { d.tables.schema = false }()
	clear(d.tables.columns)
	if err := d.tables.exec(text); err != nil {
		return d.tables.explain(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	note()
	return nil
}

func (b *batch) createIndex(p *parser, unique string) *Error {
	for p.take("CLUSTERED", "NONCLUSTERED") {
	}
	if !p.take("INDEX") || !p.peek().name() {
		return p.near()
	}
	name := p.peek().text
	p.at++
	if !p.take("ON") {
		return p.near()
	}
	db, table, err := b.altered(p)
	if err != nil {
		return err
	}
	def := definition{parser: p, batch: b, table: table}
	text := "CREATE " + unique + "INDEX " + bracket(db.Name+".dbo."+table.name+"."+name) + " ON " + bracket(db.Name+".dbo."+table.name) + " " + columnList(def.brackets())
	if p.take("INCLUDE") {
		def.brackets()
	}
	if p.take("WHERE") {
		t := translation{in: p.rest(), object: b.object, typeOf: b.typeOf}
		where, err := t.query()
		if err != nil {
			return err
		}
		text += " WHERE " + where
	}
	return b.change(text, func() {})
}

func errSchema(name string) *Error {
	return fail(2760, "The specified schema name \"%s\" either does not exist or you do not have permission to use it.", name)
}

// altered reads the name of a table that is to be changed, and asks for the permission.
func (b *batch) altered(p *parser) (*Database, *table, *Error) {
	db, name, err := b.target(p)
	if err != nil {
		return nil, nil, err
	}
	d := b.x.server.data
	d.mu.Lock()
	defer d.mu.Unlock()
	t := db.table(name)
	if t == nil || !b.x.may(db, "ALTER", name) {
		return nil, nil, classed(1088, 13, 16, "Cannot find the object \"%s\" because it does not exist or you do not have permissions.", name)
	}
	return db, t, nil
}

// alter carries out ALTER.
func (b *batch) alter(p *parser) *Error {
	switch {
	case p.take("TABLE"):
		return b.alterTable(p)
	case p.take("LOGIN"):
		return b.alterLogin(p)
	case p.take("USER"):
		return b.alterUser(p)
	case p.take("ROLE"):
		return b.alterRole(p)
	case p.peek().is("SERVER") && p.ahead(1).is("ROLE"):
		p.at += 2
		return b.alterServerRole(p)
	}
	return errUnknown("ALTER " + p.peek().text)
}

// alterTable adds columns.
func (b *batch) alterTable(p *parser) *Error {
	db, t, err := b.altered(p)
	if err != nil {
		return err
	}
	if !p.take("ADD") {
		return errUnknown("ALTER TABLE " + p.peek().text)
	}
	for {
		if p.peek().is("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN") {
			return errUnknown("ALTER TABLE ADD " + p.peek().text)
		}
		def := definition{parser: p, batch: b, table: &table{name: t.name}}
		if err := def.column(); err != nil {
			return err
		}
		added := *t
		added.columns = append(append([]tableColumn(nil), t.columns...), def.table.columns...)
		text := "ALTER TABLE " + bracket(db.Name+".dbo."+t.name) + " ADD COLUMN " + def.columns[0]
		err := b.change(text, func() {
			tables := append([]*table(nil), db.tables...)
			for i := range tables {
				if same(tables[i].name, t.name) {
					tables[i] = &added
				}
			}
			db.tables = tables
		})
		if err != nil {
			return err
		}
		t = &added
		if !p.take(",") {
			return nil
		}
	}
}

// drop carries out DROP.
func (b *batch) drop(p *parser) *Error {
	kind := upper(p.peek().text)
	p.at++
	lenient := p.take("IF") && p.take("EXISTS")
	switch kind {
	case "LOGIN":
		return b.dropLogin(p)
	case "USER":
		return b.dropUser(p)
	case "TABLE":
		return b.dropTable(p, lenient)
	}
	return errUnknown("DROP " + kind)
}

func (b *batch) dropTable(p *parser, lenient bool) *Error {
	from := p.at
	db, t, err := b.altered(p)
	switch {
	case err != nil && err.Number == 1088 && lenient:
		return nil
	case err != nil && err.Number == 1088:
		return classed(3701, 5, 11, "Cannot drop the table '%s', because it does not exist or you do not have permission.", p.tokens[from].text)
	case err != nil:
		return err
	}
	return b.change("DROP TABLE "+bracket(db.Name+".dbo."+t.name), func() {
		var left []*table
		for _, o := range db.tables {
			if o != t {
				left = append(left, o)
			}
		}
		db.tables = left
	})
}

func (b *batch) createDatabase(p *parser) *Error {
	if !b.x.mayServer("CREATE ANY DATABASE") {
		return errDatabasePermission("CREATE DATABASE", "master")
	}
	name := p.peek()
	if !name.name() {
		return p.near()
	}
	p.at++
	if p.more() {
		return errUnknown("CREATE DATABASE … " + p.peek().text)
	}
	d := b.x.server.data
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.database(name.text) != nil {
		return classed(1801, 3, 16, "Database '%s' already exists. Choose a different database name.", name.text)
	}
	d.addDatabase(name.text)
	return nil
}
