package sqlserver

import (
	"database/sql/driver"
	"slices"
)

func words(s string) []token {
	tokens, _ := lex(s) // it is ours
	return tokens
}

// condition asks whether something holds; NULL does not.
func (b *batch) condition(tokens []token) (bool, *Error) {
	v, err := b.value(slices.Concat(words("CASE WHEN ("), tokens, words(") THEN 1 ELSE 0 END")))
	return v == int64(1), err
}

// value is that of an expression.
func (b *batch) value(tokens []token) (any, *Error) {
	a, err := b.ask(slices.Concat(words("SELECT"), tokens), "SELECT")
	if err != nil || len(a.rows) == 0 || len(a.columns) != 1 {
		if err == nil && len(a.columns) != 1 {
			err = errSyntax(",")
		}
		return nil, err
	}
	return a.rows[0][0], nil
}

func (b *batch) typeOf(name string) (Type, bool) {
	if v := b.vars[name]; v != nil {
		return v.Type, true
	}
	return Type{}, false
}

func (b *batch) object(parts []string) (string, *Error) { return b.x.object(parts, nil) }

// ask translates a query and carries it out.
func (b *batch) ask(tokens []token, verb string) (*answer, *Error) {
	common := commonTables(tokens)
	t := translation{in: tokens, verb: verb, typeOf: b.typeOf, object: func(parts []string) (string, *Error) { return b.x.object(parts, common) }}
	sql, err := t.query()
	if err != nil {
		return nil, err
	}
	var params []Param
	known := map[string]bool{}
	for _, k := range tokens {
		if k.kind != variable || known[k.text] {
			continue
		}
		v := b.vars[k.text]
		if v == nil {
			return nil, classed(137, 2, 15, "Must declare the scalar variable \"@%s\".", k.text)
		}
		known[k.text] = true
		params = append(params, *v)
	}
	x, e := b.x, b.x.server.data.catalogue
	if t.tabled || verb != "SELECT" {
		e = b.x.server.data.tables
	}
	if err := x.hold(b.ctx, e); err != nil {
		return nil, err
	}
	defer x.letGo(e)
	for _, v := range t.views {
		if err := e.fill(x, v); err != nil {
			return nil, err
		}
	}
	if verb != "SELECT" {
		if err := x.writes(); err != nil {
			return nil, err
		}
	}
	a, err := e.ask(sql, params, verb == "SELECT" || t.returning != "")
	if err != nil {
		return nil, err
	}
	if verb == "INSERT" && a.last != 0 {
		x.run.identity = a.last
	}
	if a.columns != nil {
		a.count = int64(len(a.rows))
		b.types(a, tokens)
	}
	return a, nil
}

// commonTables are the names that WITH gives.
func commonTables(tokens []token) []string {
	if len(tokens) == 0 || !tokens[0].is("WITH") {
		return nil
	}
	var names []string
	for i, t := range tokens {
		if i == 0 {
			continue // WITH
		}
		if t.name() && i+2 < len(tokens) && (tokens[i+1].is("AS") && tokens[i+2].is("(") || tokens[i+1].is("(") && (i == 1 || tokens[i-1].is(","))) {
			names = append(names, t.text)
		}
	}
	return names
}

// query carries out SELECT, INSERT, UPDATE and DELETE.
func (b *batch) query(n node) *Error {
	tokens, assigned := assignments(n.tokens)
	a, err := b.ask(tokens, n.verb)
	if err != nil {
		return err
	}
	b.x.run.rows = a.count
	if assigned != nil {
		return b.assign(assigned, a)
	}
	if a.columns != nil {
		b.out.Columns(a.columns)
		for _, row := range a.rows {
			out, err := convertRow(a.columns, row)
			if err != nil {
				return err
			}
			b.out.Row(out)
			if b.ctx.Err() != nil {
				return cancelled()
			}
		}
	}
	if b.x.run.noCount {
		b.out.Done(-1, false)
	} else {
		b.out.Done(a.count, false)
	}
	return nil
}

func convertRow(columns []Column, row []driver.Value) ([]any, *Error) {
	out := make([]any, len(row))
	for i, v := range row {
		var err *Error
		if out[i], err = columns[i].Type.fit(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// assignments takes the variables out of SELECT @a = x, @b = y FROM …; nil when it has none.
func assignments(tokens []token) (left []token, names []string) {
	depth := 0
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case t.is("FROM") && depth == 0:
			return append(left, tokens[i:]...), names
		case depth == 0 && t.kind == variable && i+1 < len(tokens) && tokens[i+1].is("=") && tokens[0].is("SELECT") && (i == 1 || tokens[i-1].is(",") || names == nil && i > 1 && !tokens[i-1].is("WHERE", "AND", "OR", "WHEN", "ON")):
			names = append(names, t.text)
			i++
			continue
		}
		left = append(left, t)
	}
	return left, names
}

func (b *batch) assign(names []string, a *answer) *Error {
	if len(names) != len(a.columns) {
		return classed(141, 1, 15, "A SELECT statement that assigns a value to a variable must not be combined with data-retrieval operations.")
	}
	if len(a.rows) == 0 {
		return nil
	}
	last := a.rows[len(a.rows)-1]
	for i, n := range names {
		if err := b.put(n, last[i]); err != nil {
			return err
		}
	}
	return nil
}

// put gives a variable a value.
func (b *batch) put(name string, v any) *Error {
	p := b.vars[name]
	if p == nil {
		return classed(137, 1, 15, "Must declare the scalar variable \"@%s\".", name)
	}
	fitted, err := p.Type.fit(v)
	if s, ok := fitted.(string); ok && p.Type.Size > 0 && (p.Type.Kind == NVarChar || p.Type.Kind == VarChar) {
		fitted = cut(s, p.Type.Size)
	}
	p.Value = fitted
	return err
}
