package sqlserver

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// declare carries out DECLARE @a type = value, ….
func (b *batch) declare(p *parser) *Error {
	for {
		v := p.peek()
		if v.kind != variable {
			return p.near()
		}
		p.at++
		p.take("AS")
		from, depth := p.at, 0
		for p.more() && (depth > 0 || !p.peek().is(",", "=")) {
			depth += int(whether(p.peek().is("("))) - int(whether(p.peek().is(")")))
			p.at++
		}
		kind, err := typeOf(p.since(from))
		if err != nil {
			return err
		}
		b.vars[v.text] = &Param{Name: v.text, Type: kind}
		if p.take("=") {
			value, err := b.value(p.item())
			if err != nil {
				return err
			}
			if err := b.put(v.text, value); err != nil {
				return err
			}
		}
		if !p.take(",") {
			return nil
		}
	}
}

// item takes the tokens up to a comma that is in no bracket.
func (p *parser) item() []token {
	from, depth := p.at, 0
	for p.more() && (depth > 0 || !p.peek().is(",")) {
		depth += int(whether(p.peek().is("("))) - int(whether(p.peek().is(")")))
		p.at++
	}
	return p.since(from)
}

// harmless are options of SET that change nothing here.
func harmless() []string {
	return []string{"ANSI_NULLS", "ANSI_NULL_DFLT_ON", "ANSI_PADDING", "ANSI_WARNINGS", "ANSI_DEFAULTS", "ARITHABORT", "ARITHIGNORE", "CONCAT_NULL_YIELDS_NULL", "CURSOR_CLOSE_ON_COMMIT",
		"QUOTED_IDENTIFIER", "NUMERIC_ROUNDABORT", "TEXTSIZE", "LANGUAGE", "DATEFORMAT", "DATEFIRST", "DEADLOCK_PRIORITY", "TRANSACTION", "NO_BROWSETABLE", "QUERY_GOVERNOR_COST_LIMIT", "STATISTICS"}
}

// set carries out SET.
func (b *batch) set(p *parser) *Error {
	name := p.peek()
	p.at++
	switch {
	case name.kind == variable:
		if !p.take("=") {
			return p.near()
		}
		v, err := b.value(p.rest())
		if err != nil {
			return err
		}
		return b.put(name.text, v)
	case name.is("XACT_ABORT"), name.is("NOCOUNT"), name.is("IMPLICIT_TRANSACTIONS"):
		on := p.peek().is("ON")
		if !p.take("ON", "OFF") {
			return p.near()
		}
		switch {
		case name.is("XACT_ABORT"):
			b.x.run.xactAbort = on
		case name.is("NOCOUNT"):
			b.x.run.noCount = on
		case on:
			return errUnknown("SET IMPLICIT_TRANSACTIONS ON")
		}
		return nil
	case name.is("LOCK_TIMEOUT"):
		v, err := b.value(p.rest())
		n, ok := v.(int64)
		if err == nil && !ok {
			err = errSyntax("LOCK_TIMEOUT")
		}
		b.x.run.lockTimeout = time.Duration(n) * time.Millisecond
		return err
	case name.is("ROWCOUNT") && p.peek().text == "0", name.is(harmless()...):
		p.rest()
		return nil
	}
	return classed(195, 7, 15, "'%s' is not a recognized SET option.", name.text)
}

func (b *batch) use(p *parser) *Error {
	name, err := b.named(p)
	if err != nil {
		return err
	}
	if e, ok := b.x.enter(name).(*Error); ok {
		return e
	}
	b.out.Using(b.x.Database())
	b.out.Message(classed(5701, 2, 0, "Changed database context to '%s'.", b.x.Database()))
	return b.quietly(nil)
}

func (b *batch) truncate(p *parser) *Error {
	if !p.take("TABLE") {
		return p.near()
	}
	db, t, err := b.altered(p)
	if err != nil {
		return err
	}
	return b.quietly(b.change("DELETE FROM "+bracket(db.Name+".dbo."+t.name), func() {}))
}

// transactionName reads TRAN or TRANSACTION and a name, which is not needed.
func transactionName(p *parser) {
	if p.take("TRAN", "TRANSACTION", "WORK") && (p.peek().name() || p.peek().kind == variable) {
		p.at++
	}
}

func (b *batch) beginTransaction(p *parser) *Error {
	transactionName(p)
	if id, began := b.x.Begin(); began {
		b.out.Transaction(Began, id)
	}
	return b.quietly(nil)
}

func (b *batch) commit(p *parser) *Error {
	transactionName(p)
	id := b.x.run.tran
	ended, err := b.x.Commit()
	if ended {
		b.out.Transaction(Committed, id)
	}
	return b.quietly(err)
}

func (b *batch) rollback(p *parser) *Error {
	transactionName(p)
	id := b.x.run.tran
	err := b.x.Rollback()
	if err == nil {
		b.out.Transaction(RolledBack, id)
	}
	return b.quietly(err)
}

func (b *batch) kill(p *parser) *Error {
	n, err := strconv.Atoi(p.peek().text)
	if err != nil || p.peek().kind != number {
		return p.near()
	}
	p.at++
	if !b.x.mayServer("ALTER ANY CONNECTION") {
		return fail(6102, "User does not have permission to use the KILL statement.")
	}
	if n == b.x.ID {
		return fail(6104, "Cannot use KILL to kill your own process.")
	}
	s := b.x.server
	s.mu.Lock()
	victim := s.sessions[n]
	s.mu.Unlock()
	if victim == nil {
		return fail(6106, "Process ID %d is not an active process ID.", n)
	}
	victim.end()
	return b.quietly(nil)
}

// wait carries out WAITFOR DELAY 'hh:mm:ss.fff'.
func (b *batch) wait(p *parser) *Error {
	if !p.take("DELAY") {
		return errUnknown("WAITFOR " + p.peek().text)
	}
	v, err := b.value(p.rest())
	if err != nil {
		return err
	}
	parts := strings.Split(text(v), ":")
	for len(parts) < 3 {
		parts = append(parts, "0")
	}
	var seconds float64
	for i, part := range parts {
		f, err := strconv.ParseFloat(part, 64)
		if err != nil || len(parts) > 3 {
			return classed(148, 1, 15, "Incorrect time syntax in time string '%s' used with WAITFOR.", text(v))
		}
		seconds += f * math.Pow(60, float64(2-i))
	}
	timer := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return b.quietly(nil)
	case <-b.ctx.Done():
		return cancelled()
	}
}

// throw carries out THROW [number, message, state].
func (b *batch) throw(p *parser) *Error {
	if !p.more() {
		if b.x.run.caught == nil {
			return classed(10704, 1, 15, "To rethrow an error, a THROW statement must be used inside a CATCH block.")
		}
		return b.x.run.caught
	}
	values, err := b.items(p)
	if err != nil {
		return err
	}
	if len(values) != 3 {
		return errSyntax("THROW")
	}
	n, _ := values[0].(int64)
	state, _ := values[2].(int64)
	return classed(int(n), uint8(state), 16, "%s", text(values[1]))
}

// raise carries out RAISERROR (message, severity, state).
func (b *batch) raise(p *parser) *Error {
	if !p.take("(") || !p.tokens[len(p.tokens)-1].is(")") && !p.tokens[len(p.tokens)-1].is("NOWAIT") {
		return p.near()
	}
	end := len(p.tokens) - 1
	for end > p.at && !p.tokens[end].is(")") {
		end--
	}
	inner := &parser{tokens: p.tokens[p.at:end]}
	p.rest()
	values, err := b.items(inner)
	if err != nil {
		return err
	}
	if len(values) != 3 {
		return errUnknown("RAISERROR")
	}
	class, _ := values[1].(int64)
	state, _ := values[2].(int64)
	e := classed(50000, uint8(state), uint8(class), "%s", text(values[0]))
	if class <= 10 {
		b.out.Message(e)
		return nil
	}
	return e
}

func (b *batch) items(p *parser) ([]any, *Error) {
	var all []any
	for {
		v, err := b.value(p.item())
		if err != nil {
			return nil, err
		}
		all = append(all, v)
		if !p.take(",") {
			return all, nil
		}
	}
}
