package sqlserver

import (
	"context"
	"database/sql/driver"
	"strings"
	"sync"
)

// systemView is a view of the catalogue. It is filled for each statement that asks for it.
type systemView struct {
	name    string // without sys.
	columns []Column
	rows    func(x *Session, d *Data, database string) [][]driver.Value
}

// columns reads "name type,name type".
func columns(s string) []Column {
	var all []Column
	for part := range strings.SplitSeq(s, ",") {
		name, kind, _ := strings.Cut(strings.TrimSpace(part), " ")
		all = append(all, Column{name, parseType(kind)})
	}
	return all
}

// view finds a view by the name that it has in SQLite; nil for none.
func view(full string) *systemView {
	if _, name, ok := strings.Cut(lower(full), ".sys."); ok {
		return catalogue()[name]
	}
	_, name, _ := strings.Cut(lower(full), ".information_schema.")
	return information()[name]
}

// fill puts the rows of a view in place. Its caller holds the lock.
func (e *engine) fill(x *Session, full string) *Error {
	v := view(full)
	if v == nil {
		_, name, _ := strings.Cut(full, ".")
		return errNoObject(name)
	}
	if !e.shapes[full] {
		var b strings.Builder
		b.WriteString("CREATE TABLE " + bracket(full) + " (")
		for i, c := range v.columns {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(bracket(c.Name) + " " + affinity(c.Type))
		}
		b.WriteString(")")
		if err := e.exec(b.String()); err != nil {
			return e.explain(err)
		}
		e.shapes[full] = true
	}
	if err := e.exec("DELETE FROM " + bracket(full)); err != nil {
		return e.explain(err)
	}
	database, _, _ := strings.Cut(full, ".sys.")
	database, _, _ = strings.Cut(database, ".information_schema.")
	insert := "INSERT INTO " + bracket(full) + " VALUES (?" + strings.Repeat(", ?", len(v.columns)-1) + ")"
	for _, row := range v.rows(x, e.data, database) {
		args := make([]driver.NamedValue, len(row))
		for i, c := range row {
			args[i] = driver.NamedValue{Ordinal: i + 1, Value: c}
		}
		if _, err := e.conn.(driver.ExecerContext).ExecContext(context.Background(), insert, args); err != nil {
			return e.explain(err)
		}
	}
	return nil
}

// affinity is the column's type for SQLite.
func affinity(t Type) string {
	switch t.Kind {
	case Int, BigInt, SmallInt, TinyInt, Bit:
		return "INTEGER"
	case Float, Decimal:
		return "REAL"
	case VarBinary:
		return "BLOB"
	}
	return "TEXT COLLATE NOCASE"
}

// catalogue are the views of the schema sys, information those of INFORMATION_SCHEMA.
var catalogue = sync.OnceValue(func() map[string]*systemView {
	return named(serverViews(), databaseViews(), groupViews())
})

var information = sync.OnceValue(func() map[string]*systemView { return named(informationViews()) })

func named(lists ...[]systemView) map[string]*systemView {
	all := map[string]*systemView{}
	for _, list := range lists {
		for i := range list {
			all[list[i].name] = &list[i]
		}
	}
	return all
}
