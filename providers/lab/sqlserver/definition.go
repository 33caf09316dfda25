package sqlserver

import (
	"fmt"
	"strings"
)

// definition reads what CREATE TABLE has in its brackets.
type definition struct {
	*parser
	batch   *batch
	table   *table
	columns []string // for SQLite
	rest    []string // constraints
}

func (d *definition) read() *Error {
	if !d.take("(") {
		return d.near()
	}
	for {
		var err *Error
		if d.peek().is("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "INDEX") {
			err = d.constraint()
		} else {
			err = d.column()
		}
		if err != nil {
			return err
		}
		if d.take(")") {
			return nil
		}
		if !d.take(",") {
			return d.near()
		}
	}
}

// column reads a column's definition.
func (d *definition) column() *Error {
	name := d.peek()
	if !name.name() {
		return d.near()
	}
	d.at++
	from := d.at
	for d.more() && (d.at == from || d.peek().is("(", ".") || d.tokens[d.at-1].is(".")) {
		if d.peek().is("(") {
			t := translation{in: d.tokens, at: d.at}
			t.skip()
			d.at = t.at
			break
		}
		d.at++
	}
	kind, err := typeOf(d.since(from))
	if err != nil {
		return err
	}
	if kind.Size == 30 && !d.tokens[d.at-1].is(")") {
		kind.Size = 1 // the default of a column
	}
	c := tableColumn{name: name.text, kind: kind}
	text := bracket(c.name) + " " + affinity(kind)
	if kind.Size > 0 && kind.Kind != Decimal {
		text += fmt.Sprintf(" CONSTRAINT [length of %s] CHECK (length(%s) <= %d)", c.name, bracket(c.name), kind.Size)
	}
	primary := false
	for d.more() && !d.peek().is(",", ")") {
		switch {
		case d.take("NULL"), d.take("CLUSTERED", "NONCLUSTERED", "ROWGUIDCOL", "SPARSE"):
		case d.take("COLLATE"):
			if n := upper(d.peek().text); strings.Contains(n, "_BIN") || strings.Contains(n, "_CS_") {
				text = strings.Replace(text, "COLLATE NOCASE", "COLLATE BINARY", 1)
			}
			d.at++
		case d.take("NOT"):
			if !d.take("NULL") {
				return d.near()
			}
			c.notNull = true
		case d.take("IDENTITY"):
			c.identity = true
			d.brackets()
		case d.take("CONSTRAINT"):
			d.at++
		case d.take("DEFAULT"):
			value, err := d.expression()
			if err != nil {
				return err
			}
			text += " DEFAULT (" + value + ")"
		case d.take("PRIMARY"):
			d.take("KEY")
			primary, c.notNull = true, true
		case d.take("UNIQUE"):
			text += " UNIQUE"
		case d.take("CHECK"):
			check, err := d.expression()
			if err != nil {
				return err
			}
			text += " CHECK " + check
		case d.peek().is("REFERENCES", "FOREIGN"):
			if d.take("FOREIGN") {
				d.take("KEY")
			}
			references, err := d.references()
			if err != nil {
				return err
			}
			text += references
		default:
			return d.near()
		}
	}
	switch {
	case c.identity:
		text = bracket(c.name) + " INTEGER PRIMARY KEY AUTOINCREMENT"
	case primary:
		text += " NOT NULL PRIMARY KEY"
	case c.notNull:
		text += " NOT NULL"
	}
	d.columns = append(d.columns, text)
	d.table.columns = append(d.table.columns, c)
	return nil
}

// brackets reads a bracket with all that is in it, when there is one.
func (d *definition) brackets() []token {
	if !d.peek().is("(") {
		return nil
	}
	from := d.at
	t := translation{in: d.tokens, at: d.at}
	t.skip()
	d.at = t.at
	return d.since(from)
}

// expression reads a bracket, a literal or a call, for SQLite.
func (d *definition) expression() (string, *Error) {
	tokens := d.brackets()
	if tokens == nil {
		if !d.more() {
			return "", d.near()
		}
		from := d.at
		d.at++
		if d.tokens[from].is("-", "+") {
			d.at++
		}
		d.brackets()
		tokens = d.since(from)
	}
	t := translation{in: tokens, object: d.batch.object, typeOf: d.batch.typeOf}
	return t.query()
}

func (d *definition) references() (string, *Error) {
	d.take("REFERENCES")
	t := translation{in: d.tokens, at: d.at}
	parts, err := t.parts()
	if err != nil {
		return "", err
	}
	d.at = t.at
	full := d.table.name
	if !same(parts[len(parts)-1], d.table.name) {
		if full, err = d.batch.object(parts); err != nil {
			return "", err
		}
	}
	text := " REFERENCES " + bracket(full) + " " + columnList(d.brackets())
	for d.take("ON") {
		action := d.peek().text + " " + d.ahead(1).text
		d.at += 2
		if d.take("ACTION", "NULL", "DEFAULT") {
			action += " " + d.tokens[d.at-1].text
		}
		text += " ON " + action
	}
	return text, nil
}

// columnList writes a list of columns for SQLite.
func columnList(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		switch {
		case t.kind == quoted, t.kind == word && !t.is("ASC", "DESC"):
			b.WriteString(bracket(t.text))
		default:
			b.WriteString(" " + t.text)
		}
	}
	return b.String()
}

// constraint reads a constraint of the table.
func (d *definition) constraint() *Error {
	name := ""
	if d.take("CONSTRAINT") {
		name = "CONSTRAINT " + bracket(d.peek().text) + " "
		d.at++
	}
	kind := upper(d.peek().text)
	d.at++
	d.take("KEY")
	for d.take("CLUSTERED", "NONCLUSTERED") {
	}
	switch kind {
	case "PRIMARY":
		columns := d.brackets()
		for i := range d.table.columns {
			c := &d.table.columns[i]
			if len(columns) > 2 && same(columns[1].text, c.name) && c.identity {
				return nil // SQLite's identity is its key
			}
			for _, t := range columns {
				c.notNull = c.notNull || t.name() && same(t.text, c.name)
			}
		}
		d.rest = append(d.rest, name+"PRIMARY KEY "+columnList(columns))
	case "UNIQUE":
		d.rest = append(d.rest, name+"UNIQUE "+columnList(d.brackets()))
	case "CHECK":
		check, err := d.expression()
		if err != nil {
			return err
		}
		d.rest = append(d.rest, name+"CHECK "+check)
	case "FOREIGN":
		columns := d.brackets()
		references, err := d.references()
		if err != nil {
			return err
		}
		d.rest = append(d.rest, name+"FOREIGN KEY "+columnList(columns)+references)
	case "INDEX":
		d.at++
		d.take("NONCLUSTERED")
		d.brackets()
	default:
		return d.near()
	}
	return nil
}
