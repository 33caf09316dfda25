package tds

import (
	"context"

	"meshrotate/providers/lab/sqlserver"
)

// call is one of a procedure (MS-TDS 2.2.6.6).
type call struct {
	name   string
	params []sqlserver.Param
}

// procedures have numbers.
func procedures() map[int]string {
	return map[int]string{10: "sp_executesql", 11: "sp_prepare", 12: "sp_execute", 13: "sp_prepexec", 14: "sp_prepexecrpc", 15: "sp_unprepare"}
}

const (
	paramOutput  = 1
	paramDefault = 2
)

// parseCalls reads the calls of a message: a client may send several in one.
func parseCalls(r *reader) []call {
	var all []call
	for r.more() {
		var c call
		if n := r.u16(); n == 0xffff {
			c.name = procedures()[r.u16()]
		} else {
			c.name = fromUTF16(r.bytes(2 * n))
		}
		r.u16() // flags
		for r.more() && r.peek() < 0xfd && r.peek() != 0x80 {
			p := sqlserver.Param{Name: r.text8()}
			flags := r.u8()
			p.Output = flags&paramOutput != 0
			p.Type, p.Value = r.param()
			if flags&paramDefault == 0 && r.err == nil {
				c.params = append(c.params, p)
			}
		}
		if r.more() {
			r.u8() // what stands between calls
		}
		all = append(all, c)
	}
	return all
}

func (c *conn) call(ctx context.Context, calls []call, w *writer) {
	w.procedure = true
	for i, k := range calls {
		status := c.session.Call(ctx, k.name, k.params, w)
		if ctx.Err() != nil {
			return
		}
		w.finishCall(status, k.params, i+1 < len(calls))
	}
}
