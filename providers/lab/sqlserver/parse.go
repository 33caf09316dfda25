package sqlserver

import (
	"slices"
	"strings"
)

// node is a statement.
type node struct {
	verb   string // in upper case: SELECT, IF, BEGIN (a block), TRY, …
	tokens []token
	// then and otherwise are those of IF, of WHILE (then) and of TRY (otherwise is CATCH), and a block's (then).
	then, otherwise []node
}

// starters are the words with which a statement begins.
func starters() []string {
	return []string{"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "IF", "BEGIN", "COMMIT", "ROLLBACK", "SET", "EXEC", "EXECUTE", "USE",
		"DECLARE", "KILL", "WAITFOR", "GRANT", "DENY", "REVOKE", "PRINT", "RAISERROR", "THROW", "RETURN", "END", "ELSE", "WHILE", "SAVE", "TRUNCATE", "MERGE", "DBCC", "BREAK", "CONTINUE", "GO", "BACKUP", "RESTORE", "RECONFIGURE", "CHECKPOINT"}
}

// parser goes over the tokens of a batch.
type parser struct {
	tokens []token
	at     int
}

func (p *parser) more() bool { return p.at < len(p.tokens) }

func (p *parser) peek() token {
	if p.more() {
		return p.tokens[p.at]
	}
	return token{kind: mark}
}

func (p *parser) ahead(n int) token {
	if p.at+n < len(p.tokens) {
		return p.tokens[p.at+n]
	}
	return token{kind: mark}
}

func (p *parser) take(words ...string) bool {
	if p.more() && p.peek().is(words...) {
		p.at++
		return true
	}
	return false
}

// since are the tokens from a place on up to where the parser is.
func (p *parser) since(from int) []token {
	return p.tokens[min(from, len(p.tokens)):min(p.at, len(p.tokens))]
}

// near is what an error message names.
func (p *parser) near() *Error {
	i := min(p.at, len(p.tokens)-1)
	if i < 0 {
		return errSyntax("")
	}
	e := errSyntax(p.tokens[i].text)
	e.Line = p.tokens[i].line
	return e
}

// parse reads a batch. As SQL Server does, it reads all of it before it does any of it.
func parse(text string) ([]node, *Error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	if p.more() && p.peek().name() && !p.peek().is(starters()...) && !p.peek().is("WITH") {
		p.tokens = slices.Insert(p.tokens, 0, token{kind: word, text: "EXEC", line: 1}) // a batch may begin with a procedure's name
	}
	all, err := p.list()
	if err == nil && p.more() {
		err = p.near()
	}
	return all, err
}

// list reads statements up to an END, an ELSE, or the end.
func (p *parser) list() ([]node, *Error) {
	var all []node
	for {
		for p.take(";") {
		}
		if !p.more() || p.peek().is("END", "ELSE") {
			return all, nil
		}
		n, err := p.statement()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
}

func (p *parser) statement() (node, *Error) {
	t := p.peek()
	switch {
	case t.is("IF"), t.is("WHILE"):
		return p.conditional()
	case t.is("BEGIN") && p.ahead(1).is("TRY"):
		return p.try()
	case t.is("BEGIN") && !p.ahead(1).is("TRAN", "TRANSACTION", "DISTRIBUTED"):
		p.at++
		body, err := p.list()
		if err == nil && !p.take("END") {
			err = p.near()
		}
		return node{verb: "BEGIN", then: body}, err
	case t.is("WITH") || t.is(starters()...) && !t.is("GO", "END", "ELSE"):
		return p.plain(), nil
	}
	return node{}, p.near()
}

func (p *parser) conditional() (node, *Error) {
	n := node{verb: "IF"}
	if p.peek().is("WHILE") {
		n.verb = "WHILE"
	}
	p.at++
	n.tokens = p.until(func(token) bool { return false })
	if len(n.tokens) == 0 || !p.more() {
		return n, p.near()
	}
	then, err := p.statement()
	if err != nil {
		return n, err
	}
	n.then = []node{then}
	back := p.at
	p.take(";")
	if n.verb == "IF" && p.take("ELSE") {
		otherwise, err := p.statement()
		n.otherwise = []node{otherwise}
		return n, err
	}
	p.at = back
	return n, nil
}

func (p *parser) try() (node, *Error) {
	n := node{verb: "TRY"}
	var err *Error
	p.at += 2
	if n.then, err = p.list(); err != nil {
		return n, err
	}
	for _, w := range []string{"END", "TRY"} {
		if !p.take(w) {
			return n, p.near()
		}
	}
	p.take(";")
	for _, w := range []string{"BEGIN", "CATCH"} {
		if !p.take(w) {
			return n, p.near()
		}
	}
	if n.otherwise, err = p.list(); err != nil {
		return n, err
	}
	if !p.take("END") || !p.take("CATCH") {
		return n, p.near()
	}
	return n, nil
}

// plain reads a statement up to where the next one begins: T-SQL needs nothing between them.
func (p *parser) plain() node {
	first := p.peek()
	p.at++
	tokens := append([]token{first}, p.until(continues(first, p.peek()))...)
	verb := upper(first.text)
	if verb == "WITH" {
		for _, t := range tokens {
			if t.is("INSERT", "UPDATE", "DELETE", "MERGE") {
				verb = upper(t.text)
			}
		}
		if verb == "WITH" {
			verb = "SELECT"
		}
	}
	return node{verb: verb, tokens: tokens}
}

// continues says which words that begin a statement belong to the one at hand, too.
func continues(first, second token) func(token) bool {
	var seen []string
	return func(t token) bool {
		last := ""
		if len(seen) > 0 {
			last = seen[len(seen)-1]
		}
		w := upper(t.text)
		once := func() bool { return !slices.Contains(seen, w) }
		ok := false
		switch {
		case first.is("GRANT", "DENY", "REVOKE"):
			ok = !slices.Contains(seen, "TO") && !slices.Contains(seen, "FROM") || last == "FOR"
		case first.is("INSERT") && w == "SELECT", first.is("INSERT") && (w == "EXEC" || w == "EXECUTE"):
			ok = !slices.Contains(seen, "VALUES") && once()
		case first.is("UPDATE") && w == "SET":
			ok = once()
		case first.is("WITH") && (w == "SELECT" || w == "INSERT" || w == "UPDATE" || w == "DELETE"):
			ok = once() || last == "UNION" || last == "ALL"
		case first.is("WITH") && w == "SET":
			ok = slices.Contains(seen, "UPDATE")
		case w == "SELECT" && (last == "UNION" || last == "ALL" || last == "EXCEPT" || last == "INTERSECT"):
			ok = true
		case first.is("ALTER") && (w == "DROP" || w == "ALTER" || w == "SET"):
			ok = once() && !second.is("LOGIN", "USER")
		case first.is("DROP", "CREATE", "ALTER") && w == "IF":
			ok = once()
		case first.is("ALTER", "CREATE") && w == "WITH":
			ok = true
		case w == "DELETE" || w == "UPDATE":
			ok = last == "ON" // ON DELETE CASCADE
		case w == "SET":
			ok = last == "DELETE" || last == "UPDATE" // ON DELETE SET NULL
		}
		seen = append(seen, w)
		return ok
	}
}

// until reads tokens up to a semicolon or a word that begins a statement, unless also says that it does not.
func (p *parser) until(also func(token) bool) []token {
	var all []token
	depth, cases := 0, 0
	for ; p.more(); p.at++ {
		t := p.peek()
		switch {
		case t.kind == mark && t.text == "(":
			depth++
		case t.kind == mark && t.text == ")":
			depth--
		case t.is("CASE"):
			cases++
		case t.is("END") && cases > 0:
			cases--
		case t.is(";") && depth <= 0:
			return all
		case depth <= 0 && cases == 0 && t.is(starters()...):
			if !also(t) {
				return all
			}
			all = append(all, t)
			continue
		}
		if depth <= 0 && t.kind == word {
			also(t)
		}
		all = append(all, t)
	}
	return all
}

func upper(s string) string { return strings.ToUpper(s) }

func lower(s string) string { return strings.ToLower(s) }
