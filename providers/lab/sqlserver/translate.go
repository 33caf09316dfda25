package sqlserver

import (
	"strings"
)

// translation makes a statement for SQLite of a query.
type translation struct {
	in  []token
	at  int
	out strings.Builder
	// object resolves the name of a table or of a view.
	object func(parts []string) (string, *Error)
	typeOf func(variable string) (Type, bool)
	verb   string
	views  []string // system views that are used
	tabled bool     // a table is used
	// limits are what TOP left for the end of each bracket's query.
	limits    []string
	returning string
	tail      string
}

// forbidden is what SQLite understands and T-SQL does not.
func forbidden() []string {
	return []string{"LIMIT", "RETURNING", "GLOB", "REGEXP", "PRAGMA", "ROWID", "_ROWID_", "USING", "NATURAL", "||", "=="}
}

func bracket(name string) string { return "[" + name + "]" }

func textual(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (t *translation) peek(n int) token {
	if i := t.at + n; i >= 0 && i < len(t.in) {
		return t.in[i]
	}
	return token{kind: mark}
}

func (t *translation) put(parts ...string) {
	for _, p := range parts {
		t.out.WriteString(p)
		t.out.WriteByte(' ')
	}
}

// query translates SELECT, INSERT, UPDATE, DELETE, with or without common table expressions, and bare expressions.
func (t *translation) query() (string, *Error) {
	t.limits = []string{""}
	for t.at < len(t.in) {
		if err := t.one(); err != nil {
			return "", err
		}
	}
	t.put(t.limits[0], t.tail)
	if t.returning != "" {
		t.put("RETURNING", t.returning)
	}
	return t.out.String(), nil
}

// one translates what stands at the place that has been reached.
func (t *translation) one() *Error {
	x := t.peek(0)
	switch {
	case x.is(forbidden()...):
		return errSyntax(x.text)
	case x.is("SELECT"):
		return t.selecting()
	case x.is("FROM", "JOIN", "INTO", "APPLY"):
		t.at++
		t.put(x.text)
		return t.tables(x.is("FROM"))
	case x.is("INSERT"):
		t.at++
		t.put("INSERT INTO")
		if t.peek(0).is("INTO") {
			t.at++
		}
		return t.table(true)
	case x.is("UPDATE"):
		t.at++
		t.put("UPDATE")
		return t.table(true)
	case x.is("DELETE"):
		t.at++
		t.put("DELETE FROM")
		if t.peek(0).is("FROM") {
			t.at++
		}
		return t.table(true)
	case x.is("OUTPUT"):
		return t.output()
	case x.is("OFFSET"):
		return t.offset()
	case x.is("OPTION") && t.peek(1).is("("):
		t.at++
		t.skip()
		return nil
	case x.is("CAST", "TRY_CAST") && t.peek(1).is("("):
		return t.cast()
	case x.is("CONVERT", "TRY_CONVERT") && t.peek(1).is("("):
		return t.convert()
	case x.is("DATEADD", "DATEDIFF", "DATEPART", "DATEDIFF_BIG", "DATENAME") && t.peek(1).is("("):
		t.put(x.text, "(", textual(lower(t.peek(2).text)))
		t.at += 3
		t.limits = append(t.limits, "")
		return nil
	case x.is("ISNULL", "SUBSTRING", "COUNT_BIG") && t.peek(1).is("("):
		t.put(map[string]string{"ISNULL": "ifnull", "SUBSTRING": "substr", "COUNT_BIG": "count"}[upper(x.text)])
		t.at++
		return nil
	case x.is("CURRENT_TIMESTAMP"):
		t.at++
		t.put("getdate()")
		return nil
	case x.is("SYSTEM_USER"):
		t.at++
		t.put("suser_sname()")
		return nil
	case x.is("CURRENT_USER", "SESSION_USER", "USER") && !t.peek(-1).is(".", "AS"):
		t.at++
		t.put("user_name()")
		return nil
	case x.is("COLLATE"):
		t.at += 2
		collation := "NOCASE"
		if n := upper(t.peek(-1).text); strings.Contains(n, "_BIN") || strings.Contains(n, "_CS_") {
			collation = "BINARY"
		}
		t.put("COLLATE", collation)
		return nil
	case x.is("WITH") && t.peek(1).is("(") && t.at > 0:
		t.at++
		t.skip() // a hint
		return nil
	case x.name() && t.peek(1).is(".") && upper(x.text) == "SYS" && t.peek(3).is("("):
		t.at += 2 // sys.fn_…()
		return nil
	}
	return t.plain(x)
}

// plain translates a single token.
func (t *translation) plain(x token) *Error {
	t.at++
	switch x.kind {
	case quoted:
		if strings.Contains(x.text, "]") {
			return errUnknown(x.text)
		}
		t.put(bracket(x.text))
	case literal:
		if t.peek(-2).is("LIKE") && strings.Contains(x.text, "[") {
			return errUnknown("LIKE '" + cut(x.text, 20) + "'")
		}
		t.put(textual(x.text))
	case hexed:
		h := x.text
		if len(h)%2 == 1 {
			h = "0" + h
		}
		t.put("x'" + h + "'")
	case variable:
		t.put("@" + x.text)
	case global:
		t.put("global(" + textual(lower(x.text)) + ")")
	case mark:
		switch x.text {
		case "(":
			t.limits = append(t.limits, "")
		case ")":
			if len(t.limits) < 2 {
				return errSyntax(")")
			}
			t.put(t.limits[len(t.limits)-1])
			t.limits = t.limits[:len(t.limits)-1]
		case "+":
			if t.concatenates(t.at - 1) {
				t.put("||")
				return nil
			}
		case "!<":
			t.put(">=")
			return nil
		case "!>":
			t.put("<=")
			return nil
		}
		t.put(x.text)
	case number:
		t.put(x.text)
	default:
		if !t.peek(0).is("(") && !x.is(keywords()...) {
			t.put(bracket(x.text)) // a name, whatever SQLite would make of it
			return nil
		}
		t.put(x.text)
	}
	return nil
}

// keywords are the words of T-SQL that mean the same to SQLite. All others are names.
func keywords() []string {
	return []string{"ALL", "AND", "AS", "ASC", "BETWEEN", "BY", "CASE", "CROSS", "DEFAULT", "DESC", "DISTINCT", "ELSE", "END", "ESCAPE", "EXCEPT", "EXISTS", "FROM", "FULL",
		"GROUP", "HAVING", "IN", "INNER", "INTERSECT", "IS", "JOIN", "LEFT", "LIKE", "NOT", "NULL", "ON", "OR", "ORDER", "OUTER", "OVER", "PARTITION", "RIGHT", "SELECT",
		"SET", "THEN", "UNION", "VALUES", "WHEN", "WHERE", "WITH"}
}

// selecting translates SELECT with DISTINCT and TOP.
func (t *translation) selecting() *Error {
	t.at++
	t.put("SELECT")
	if t.peek(0).is("DISTINCT", "ALL") {
		t.put(t.peek(0).text)
		t.at++
	}
	if !t.peek(0).is("TOP") {
		return nil
	}
	t.at++
	limit := "LIMIT "
	if t.peek(0).is("(") {
		from := t.at + 1
		t.skip()
		if t.at-1-from != 1 {
			return errUnknown("TOP")
		}
		t.at--
		limit += t.value(t.in[from])
		t.at++
	} else {
		limit += t.value(t.peek(0))
		t.at++
	}
	if t.peek(0).is("PERCENT") || t.peek(0).is("WITH") {
		return errUnknown("TOP " + t.peek(0).text)
	}
	t.limits[len(t.limits)-1] = limit
	return nil
}

func (t *translation) value(x token) string {
	if x.kind == variable {
		return "@" + x.text
	}
	return x.text
}

// skip leaves out a bracket and what is in it.
func (t *translation) skip() {
	depth := 0
	for ; t.at < len(t.in); t.at++ {
		switch {
		case t.peek(0).is("("):
			depth++
		case t.peek(0).is(")"):
			if depth--; depth == 0 {
				t.at++
				return
			}
		}
	}
}

// offset translates OFFSET n ROWS FETCH NEXT m ROWS ONLY.
func (t *translation) offset() *Error {
	t.at++
	skip, take := t.value(t.peek(0)), "-1"
	t.at++
	if !t.peek(0).is("ROW", "ROWS") {
		return errSyntax(t.peek(0).text)
	}
	t.at++
	if t.peek(0).is("FETCH") {
		take = t.value(t.peek(2))
		t.at += 5 // FETCH NEXT m ROWS ONLY
	}
	t.put("LIMIT", take, "OFFSET", skip)
	return nil
}

// concatenates says whether a plus joins texts: T-SQL tells by the operands' types, and this by what can be seen of them
// in the sum that it stands in.
func (t *translation) concatenates(at int) bool {
	look := func(step int) bool {
		depth := 0
		for i := at + step; i >= 0 && i < len(t.in); i += step {
			x := t.in[i]
			if x.is("(", ")") {
				if x.is("(") {
					depth += step
				} else {
					depth -= step
				}
				if depth < 0 {
					return false
				}
				continue
			}
			if depth > 0 && !x.is("nvarchar", "varchar", "sysname") {
				continue
			}
			switch {
			case x.kind == literal, x.is("nvarchar", "varchar", "sysname", "suser_sname", "original_login", "db_name", "host_name", "app_name", "quotename", "char", "upper", "lower", "substring", "replace"):
				return true
			case x.kind == variable:
				if k, ok := t.typeOf(x.text); ok && (k.Kind == NVarChar || k.Kind == VarChar) {
					return true
				}
			case x.is(",", "=", "<", ">", "<>", ";") || x.kind == word && (x.is(starters()...) || x.is("FROM", "WHERE", "AND", "OR", "AS", "THEN", "WHEN", "ELSE", "LIKE", "VALUES")):
				return false
			}
		}
		return false
	}
	return look(1) || look(-1)
}
