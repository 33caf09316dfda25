package sqlserver

import (
	"context"
	"strings"
)

// arguments are those of a procedure, by name or by place.
type arguments struct {
	named map[string]*Param
	list  []*Param
}

func (a arguments) get(name string, place int) *Param {
	if p := a.named[lower(name)]; p != nil {
		return p
	}
	if place < len(a.list) && a.list[place].Name == "" {
		return a.list[place]
	}
	return nil
}

func (a arguments) text(name string, place int) string {
	if p := a.get(name, place); p != nil {
		return text(p.Value)
	}
	return ""
}

func (a arguments) number(name string, place int) (int64, bool) {
	p := a.get(name, place)
	if p == nil || p.Value == nil {
		return 0, false
	}
	v, err := (Type{Kind: BigInt}).fit(p.Value)
	n, ok := v.(int64)
	return n, ok && err == nil
}

// prepared is a statement with a handle.
type prepared struct {
	text   string
	params []Param // their names and types
}

// Call carries out a procedure. What it changes of its parameters stands in them afterwards. Its caller brackets it with
// Request.
func (x *Session) Call(ctx context.Context, name string, params []Param, out Results) (status int64) {
	name = lower(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(lower(strings.NewReplacer("[", "", "]", "").Replace(name)), "master."), "sys."), "dbo."))
	name = strings.TrimPrefix(name, ".")
	switch name {
	case "sp_executesql":
		if len(params) == 0 {
			break
		}
		return x.Batch(ctx, text(params[0].Value), rest(params, 2), out)
	case "sp_prepare", "sp_prepexec":
		return x.prepare(ctx, name == "sp_prepexec", params, out)
	case "sp_execute":
		if len(params) == 0 {
			break
		}
		return x.executePrepared(ctx, params[0].Value, params[1:], out)
	case "sp_unprepare":
		if n, ok := first(params).(int64); ok {
			delete(x.prepared, int32(n))
		}
		return 0
	case "sp_reset_connection":
		return 0
	}
	x.record("EXEC "+name, params)
	a := arguments{named: map[string]*Param{}}
	for i := range params {
		a.named[lower(strings.TrimPrefix(params[i].Name, "@"))] = &params[i]
		a.list = append(a.list, &params[i])
	}
	delete(a.named, "")
	var n int
	err := classed(2812, 62, 16, "Could not find stored procedure '%s'.", name)
	switch name {
	case "sp_getapplock":
		n, err = x.getAppLock(ctx, a)
	case "sp_releaseapplock":
		n, err = x.releaseAppLock(a)
	}
	if err != nil {
		out.Message(err)
		x.abortOn(out, x.run.xactAbort)
		out.Done(-1, true)
	}
	return int64(n)
}

func first(params []Param) any {
	if len(params) == 0 {
		return nil
	}
	v, _ := (Type{Kind: BigInt}).fit(params[0].Value)
	return v
}

func rest(params []Param, from int) []Param {
	if from >= len(params) {
		return nil
	}
	return params[from:]
}

// prepare is sp_prepare and sp_prepexec: handle OUTPUT, parameters, statement, values.
func (x *Session) prepare(ctx context.Context, execute bool, params []Param, out Results) int64 {
	if len(params) < 3 {
		out.Message(fail(201, "Procedure or function 'sp_prepare' expects parameter '@stmt', which was not supplied."))
		out.Done(-1, true)
		return 0
	}
	declared, err := declarations(text(params[1].Value))
	if err == nil {
		_, err = parse(text(params[2].Value))
	}
	if err != nil {
		out.Message(err)
		out.Done(-1, true)
		return 0
	}
	x.handles++
	x.prepared[x.handles] = prepared{text(params[2].Value), declared}
	params[0].Value, params[0].Type, params[0].Output = int64(x.handles), Type{Kind: Int}, true
	if !execute {
		return 0
	}
	return x.executePrepared(ctx, params[0].Value, rest(params, 3), out)
}

// declarations reads "@a int, @b nvarchar(10)".
func declarations(s string) ([]Param, *Error) {
	tokens, err := lex(s)
	if err != nil {
		return nil, err
	}
	var all []Param
	for p := (&parser{tokens: tokens}); p.more(); p.take(",") {
		item := p.item()
		if len(item) < 2 || item[0].kind != variable {
			return nil, errSyntax(s)
		}
		output := item[len(item)-1].is("OUT", "OUTPUT")
		if output {
			item = item[:len(item)-1]
		}
		kind, err := typeOf(item[1:])
		if err != nil {
			return nil, err
		}
		all = append(all, Param{Name: item[0].text, Type: kind, Output: output})
	}
	return all, nil
}

func (x *Session) executePrepared(ctx context.Context, handle any, values []Param, out Results) int64 {
	n, _ := (Type{Kind: BigInt}).fit(handle)
	id, _ := n.(int64)
	p, ok := x.prepared[int32(id)]
	if !ok {
		out.Message(fail(8179, "Could not find prepared statement with handle %d.", id))
		out.Done(-1, true)
		return 0
	}
	for i := range values {
		if values[i].Name == "" && i < len(p.params) {
			values[i].Name = p.params[i].Name
		}
	}
	return x.Batch(ctx, p.text, values, out)
}

// execute carries out EXEC [@status =] procedure [@name =] value [OUTPUT], ….
func (b *batch) execute(p *parser) *Error {
	into := ""
	if p.peek().kind == variable && p.ahead(1).is("=") {
		into = p.peek().text
		p.at += 2
	}
	if p.peek().is("(") {
		return errUnknown("EXEC (")
	}
	t := translation{in: p.tokens, at: p.at}
	parts, err := t.parts()
	if err != nil {
		return err
	}
	p.at = t.at
	var params []Param
	var back []string // the variables that get what OUTPUT gives
	for p.more() {
		v, to, err := b.argument(p)
		if err != nil {
			return err
		}
		params, back = append(params, v), append(back, to)
		if !p.take(",") {
			break
		}
	}
	status := b.x.Call(b.ctx, strings.Join(parts, "."), params, b.out)
	for i, to := range back {
		if to != "" {
			if err := b.put(to, params[i].Value); err != nil {
				return err
			}
		}
	}
	if into != "" {
		return b.put(into, status)
	}
	return nil
}

func (b *batch) argument(p *parser) (v Param, to string, err *Error) {
	if p.peek().kind == variable && p.ahead(1).is("=") {
		v.Name = p.peek().text
		p.at += 2
	}
	t := p.peek()
	sign := ""
	if t.is("-") {
		sign, t = "-", p.ahead(1)
		p.at++
	}
	p.at++
	switch {
	case t.kind == variable:
		own := b.vars[t.text]
		if own == nil {
			return v, "", classed(137, 2, 15, "Must declare the scalar variable \"@%s\".", t.text)
		}
		v.Type, v.Value = own.Type, own.Value
		if p.take("OUTPUT", "OUT") {
			v.Output, to = true, t.text
		}
	case t.is("NULL"):
	case t.kind == literal, t.name():
		v.Type, v.Value = Type{Kind: NVarChar, Size: Max}, t.text
	case t.kind == number || t.kind == hexed || t.kind == global:
		tokens := []token{t}
		if sign != "" {
			tokens = append(words("-"), t)
		}
		if v.Value, err = b.value(tokens); err == nil {
			v.Type = guess(v.Value)
		}
	default:
		p.at--
		return v, "", p.near()
	}
	return v, to, err
}
