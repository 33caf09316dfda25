package sqlserver

import (
	"strings"
)

// reservedAfterTable are words that follow a table's name and are no alias of it.
func reservedAfterTable() []string {
	return []string{"WHERE", "SET", "ON", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "OUTER", "ORDER", "GROUP", "HAVING", "WITH", "OUTPUT", "VALUES",
		"UNION", "EXCEPT", "INTERSECT", "OPTION", "SELECT", "DEFAULT", "FROM", "USING", "FOR", "OFFSET", "EXEC"}
}

// tables translates one table, or a list of them.
func (t *translation) tables(list bool) *Error {
	for {
		if t.peek(0).is("(") {
			return nil // a query: its alias follows of itself
		}
		if t.peek(0).kind == variable {
			return errUnknown("@" + t.peek(0).text)
		}
		if err := t.table(false); err != nil {
			return err
		}
		if !list || !t.peek(0).is(",") {
			return nil
		}
		t.put(",")
		t.at++
	}
}

// table translates the name of a table, its alias and its hints.
func (t *translation) table(target bool) *Error {
	if t.peek(0).is("TOP") {
		return errUnknown("TOP")
	}
	parts, err := t.parts()
	if err != nil {
		return err
	}
	full, err := t.object(parts)
	if err != nil {
		return err
	}
	if strings.Contains(full, ".sys.") || strings.Contains(full, ".information_schema.") {
		if target {
			return classed(259, 1, 16, "Ad hoc updates to system catalogs are not allowed.")
		}
		t.views = append(t.views, full)
	} else if strings.Contains(full, ".dbo.") {
		t.tabled = true
	}
	alias := parts[len(parts)-1]
	if t.peek(0).is("AS") {
		t.at++
		alias = t.peek(0).text
		t.at++
	} else if n := t.peek(0); n.name() && !(n.kind == word && n.is(reservedAfterTable()...)) {
		alias = n.text
		t.at++
	}
	if full != alias {
		t.put(bracket(full), "AS", bracket(alias))
	} else {
		t.put(bracket(full)) // a common table expression
	}
	for t.peek(0).is("WITH") && t.peek(1).is("(") || !target && t.peek(0).is("(") {
		if t.peek(0).is("WITH") {
			t.at++
		}
		t.skip()
	}
	return nil
}

// parts reads a name of up to four parts; those left out are empty.
func (t *translation) parts() ([]string, *Error) {
	var parts []string
	for {
		x := t.peek(0)
		switch {
		case x.is(".") && len(parts) > 0:
			parts = append(parts, "") // db..table
		case x.name():
			parts = append(parts, x.text)
			t.at++
		default:
			return nil, errSyntax(x.text)
		}
		if !t.peek(0).is(".") {
			return parts, nil
		}
		t.at++
	}
}

// output translates OUTPUT inserted.a, deleted.b: SQLite returns at the end.
func (t *translation) output() *Error {
	t.at++
	from := t.at
	for t.at < len(t.in) && !t.peek(0).is("VALUES", "SELECT", "WHERE", "FROM", "INTO", "DEFAULT") {
		t.at++
	}
	if t.peek(0).is("INTO") {
		return errUnknown("OUTPUT INTO")
	}
	inner := translation{object: t.object, typeOf: t.typeOf, limits: []string{""}}
	for i := from; i < t.at; i++ {
		x := t.in[i]
		if x.is("inserted", "deleted") && i+1 < len(t.in) && t.in[i+1].is(".") {
			if t.verb == "UPDATE" && x.is("deleted") {
				return errUnknown("deleted")
			}
			i++
			continue
		}
		inner.in = append(inner.in, x)
	}
	text, err := inner.query()
	t.returning = text
	return err
}
