package sqlserver

import (
	"context"
	"slices"
	"strings"
)

// Results is told what a request gives, in order.
type Results interface {
	Columns(all []Column)
	Row(values []any)
	// Done ends a statement. A negative count is none.
	Done(count int64, failed bool)
	// Message is an error, or, of class 10 or less, a word.
	Message(e *Error)
	Using(database string)
	Transaction(change Transaction, id uint64)
}

// batch is one while it runs.
type batch struct {
	x        *Session
	ctx      context.Context
	out      Results
	vars     map[string]*Param
	returned bool
	status   int64
}

// Batch carries out T-SQL, with its parameters. It returns what RETURN said. Its caller brackets it with Request.
func (x *Session) Batch(ctx context.Context, text string, params []Param, out Results) (status int64) {
	x.record(text, params)
	x.server.data.seed()
	b := &batch{x: x, ctx: ctx, out: out, vars: map[string]*Param{}}
	for i := range params {
		p := params[i]
		v, err := p.Type.fit(p.Value)
		if err != nil {
			b.fails(err)
			return 0
		}
		p.Name, p.Value = lower(strings.TrimPrefix(p.Name, "@")), v
		b.vars[p.Name] = &p
	}
	b.run(text)
	for i := range params {
		if v := b.vars[lower(strings.TrimPrefix(params[i].Name, "@"))]; v != nil {
			params[i].Value = v.Value // what an OUTPUT parameter gives
		}
	}
	return b.status
}

func (x *Session) record(text string, params []Param) {
	if r := x.server.config.Record; r != nil {
		r(Statement{Time: x.server.now(), Session: x.ID, Login: x.loginName(), Host: x.client.Host, Program: x.client.Program, Database: x.Database(), Text: text, Params: slices.Clone(params)})
	}
}

func (b *batch) run(text string) {
	nodes, err := parse(text)
	if err == nil {
		err = alone(nodes, false)
	}
	if err != nil {
		b.fails(err)
		return
	}
	if err := b.list(nodes, false); err != nil {
		b.fails(err)
	}
}

// fails tells of an error that ended the batch.
func (b *batch) fails(err *Error) {
	b.x.run.lastError = err.Number
	if b.ctx.Err() != nil && err.Number == cancelled().Number {
		b.x.abortOn(b.out, b.x.run.xactAbort)
		return // the client knows: it asked for it
	}
	b.out.Message(err)
	b.x.abortOn(b.out, b.x.run.xactAbort) // before the end of the answer: clients read no further
	b.out.Done(-1, true)
}

// abortOn rolls back what XACT_ABORT says is to be rolled back.
func (x *Session) abortOn(out Results, yes bool) {
	if yes && x.run.depth > 0 {
		id := x.run.tran
		x.rollback()
		out.Transaction(RolledBack, id)
	}
}

// list carries out statements. An error ends them, unless SQL Server goes on after it.
func (b *batch) list(nodes []node, inTry bool) *Error {
	for _, n := range nodes {
		if b.ctx.Err() != nil {
			return cancelled()
		}
		err := b.one(n, inTry)
		if b.returned {
			return err
		}
		if err == nil {
			if n.verb != "IF" && n.verb != "PRINT" {
				b.x.run.lastError = 0
			}
			continue
		}
		if inTry || !goesOn(err.Number) || b.x.run.xactAbort {
			return err
		}
		b.x.run.lastError = err.Number
		b.out.Message(err)
		b.out.Done(-1, true)
	}
	return nil
}

func (b *batch) one(n node, inTry bool) *Error {
	p := &parser{tokens: n.tokens, at: 1}
	switch n.verb {
	case "IF":
		yes, err := b.condition(n.tokens)
		if err != nil {
			return err
		}
		if yes {
			return b.list(n.then, inTry)
		}
		return b.list(n.otherwise, inTry)
	case "WHILE":
		for {
			if yes, err := b.condition(n.tokens); err != nil || !yes || b.returned {
				return err
			}
			if err := b.list(n.then, inTry); err != nil {
				return err
			}
			if b.ctx.Err() != nil {
				return cancelled()
			}
		}
	case "BEGIN":
		if n.tokens == nil {
			return b.list(n.then, inTry)
		}
		return b.beginTransaction(p)
	case "TRY":
		return b.try(n, inTry)
	case "SELECT", "INSERT", "UPDATE", "DELETE":
		return b.query(n)
	}
	err := b.command(n.verb, p)
	if err == nil && p.more() {
		err = p.near()
	}
	return err
}

func (b *batch) try(n node, inTry bool) *Error {
	err := b.list(n.then, true)
	if err == nil || b.returned || err.Number == cancelled().Number && b.ctx.Err() != nil {
		return err
	}
	before := b.x.run.caught
	b.x.run.caught, b.x.run.lastError = err, err.Number
	defer func() { b.x.run.caught = before }()
	return b.list(n.otherwise, inTry)
}

// command carries out everything but queries and the flow.
func (b *batch) command(verb string, p *parser) *Error {
	switch verb {
	case "SET":
		return b.set(p)
	case "DECLARE":
		return b.declare(p)
	case "CREATE":
		return b.quietly(b.create(p))
	case "ALTER":
		return b.quietly(b.alter(p))
	case "DROP":
		return b.quietly(b.drop(p))
	case "GRANT", "DENY", "REVOKE":
		return b.quietly(b.grant(verb, p))
	case "TRUNCATE":
		return b.truncate(p)
	case "EXEC", "EXECUTE":
		return b.execute(p)
	case "USE":
		return b.use(p)
	case "COMMIT":
		return b.commit(p)
	case "ROLLBACK":
		return b.rollback(p)
	case "KILL":
		return b.kill(p)
	case "WAITFOR":
		return b.wait(p)
	case "PRINT":
		v, err := b.value(p.rest())
		if err == nil {
			b.out.Message(classed(0, 1, 0, "%s", text(v)))
		}
		return err
	case "THROW":
		return b.throw(p)
	case "RAISERROR":
		return b.raise(p)
	case "RETURN":
		b.returned = true
		if !p.more() {
			return nil
		}
		v, err := b.value(p.rest())
		b.status, _ = v.(int64)
		return err
	}
	return errUnknown(verb)
}

// quietly ends a statement that has no result.
func (b *batch) quietly(err *Error) *Error {
	if err == nil {
		b.out.Done(-1, false)
	}
	return err
}

// rest takes all that is left of a statement.
func (p *parser) rest() []token {
	from := p.at
	p.at = len(p.tokens)
	return p.since(from)
}
