package tds

import (
	"encoding/binary"
	"strconv"

	"meshrotate/providers/lab/sqlserver"
)

// Tokens (MS-TDS 2.2.7).
const (
	tokReturnStatus = 0x79
	tokColumns      = 0x81
	tokError        = 0xaa
	tokInfo         = 0xab
	tokReturnValue  = 0xac
	tokLoginAck     = 0xad
	tokFeatureAck   = 0xae
	tokRow          = 0xd1
	tokNBCRow       = 0xd2
	tokEnvChange    = 0xe3
	tokSSPI         = 0xed
	tokDone         = 0xfd
	tokDoneProc     = 0xfe
	tokDoneInProc   = 0xff
)

// Bits of DONE's status.
const (
	doneMore  = 1
	doneError = 2
	doneXact  = 4
	doneCount = 0x10
	doneAttn  = 0x20
)

// Kinds of ENVCHANGE.
const (
	envDatabase  = 1
	envLanguage  = 2
	envPacket    = 4
	envCollation = 7
	envBegin     = 8
	envCommit    = 9
	envRollback  = 10
	envReset     = 18
)

const cmdSelect = 0xc1

// collation is SQL_Latin1_General_CP1_CI_AS.
func collation() []byte { return []byte{0x09, 0x04, 0xd0, 0x00, 0x34} }

// writer makes the tokens of an answer. It is the Results of a request.
type writer struct {
	b         []byte
	server    string
	version   uint32
	session   *sqlserver.Session
	procedure bool // DONEs are those in a procedure
	columns   []sqlserver.Column
	pending   []byte // the last DONE: only the next one tells whether more comes
	selected  bool
}

func (w *writer) u16(v int)       { w.b = binary.LittleEndian.AppendUint16(w.b, uint16(v)) }
func (w *writer) u32(v uint32)    { w.b = binary.LittleEndian.AppendUint32(w.b, v) }
func (w *writer) u64(v uint64)    { w.b = binary.LittleEndian.AppendUint64(w.b, v) }
func (w *writer) text8(s string)  { b := toUTF16(s); w.b = append(append(w.b, byte(len(b)/2)), b...) }
func (w *writer) text16(s string) { b := toUTF16(s); w.u16(len(b) / 2); w.b = append(w.b, b...) }

// sized writes a token with its length before it.
func (w *writer) sized(token byte, body func()) {
	w.flush()
	w.b = append(w.b, token, 0, 0)
	at := len(w.b)
	body()
	binary.LittleEndian.PutUint16(w.b[at-2:], uint16(len(w.b)-at))
}

// Message writes ERROR or INFO.
func (w *writer) Message(e *sqlserver.Error) {
	token := byte(tokError)
	if e.Class <= 10 {
		token = tokInfo
	}
	w.sized(token, func() {
		w.u32(uint32(e.Number))
		w.b = append(w.b, e.State, e.Class)
		w.text16(e.Message)
		w.text8(w.server)
		w.text8("")
		w.u32(uint32(max(1, e.Line)))
	})
}

func (w *writer) env(kind byte, body func()) {
	w.sized(tokEnvChange, func() { w.b = append(w.b, kind); body() })
}

// Using tells of another database.
func (w *writer) Using(database string) {
	w.env(envDatabase, func() { w.text8(database); w.text8("") })
}

// Transaction tells of a transaction's begin or end.
func (w *writer) Transaction(change sqlserver.Transaction, id uint64) {
	kind := map[sqlserver.Transaction]byte{sqlserver.Began: envBegin, sqlserver.Committed: envCommit, sqlserver.RolledBack: envRollback}[change]
	w.env(kind, func() {
		number := append([]byte{8}, binary.LittleEndian.AppendUint64(nil, id)...)
		if kind == envBegin {
			w.b = append(append(w.b, number...), 0)
		} else {
			w.b = append(append(w.b, 0), number...)
		}
	})
}

// Columns begins a result.
func (w *writer) Columns(all []sqlserver.Column) {
	w.flush()
	w.columns, w.selected = all, true
	w.b = append(w.b, tokColumns)
	w.u16(len(all))
	for _, c := range all {
		w.u32(0)
		w.u16(9) // nullable, and it may be written
		w.typeInfo(c.Type)
		w.text8(c.Name)
	}
}

// Row writes one; with NULLs in it, in the form that has a bit for each.
func (w *writer) Row(values []any) {
	nulls := false
	for _, v := range values {
		nulls = nulls || v == nil
	}
	nulls = nulls && (w.version >= version73B || w.version == version80)
	if !nulls {
		w.b = append(w.b, tokRow)
	} else {
		w.b = append(w.b, tokNBCRow)
		bits := make([]byte, (len(values)+7)/8)
		for i, v := range values {
			if v == nil {
				bits[i/8] |= 1 << (i % 8)
			}
		}
		w.b = append(w.b, bits...)
	}
	for i, v := range values {
		if v != nil || !nulls {
			w.value(w.columns[i].Type, v)
		}
	}
}

// Done ends a statement.
func (w *writer) Done(count int64, failed bool) {
	w.flush()
	token, status, command := byte(tokDone), 0, 0
	if w.procedure {
		token = tokDoneInProc
	}
	if failed {
		status |= doneError
	}
	if count >= 0 {
		status |= doneCount
	}
	if w.selected {
		command, w.selected = cmdSelect, false
	}
	w.pending = w.done(token, status, command, count)
}

func (w *writer) done(token byte, status, command int, count int64) []byte {
	if w.session != nil && w.session.InTransaction() {
		status |= doneXact
	}
	b := []byte{token}
	b = binary.LittleEndian.AppendUint16(b, uint16(status))
	b = binary.LittleEndian.AppendUint16(b, uint16(command))
	return binary.LittleEndian.AppendUint64(b, uint64(max(0, count)))
}

// flush writes the DONE that was held back, as one after which more comes.
func (w *writer) flush() {
	if w.pending == nil {
		return
	}
	w.pending[1] |= doneMore
	w.b = append(w.b, w.pending...)
	w.pending = nil
}

// finish ends an answer.
func (w *writer) finish(status int) {
	if w.pending == nil || status != 0 {
		w.flush()
		w.pending = w.done(tokDone, status, 0, -1)
	}
	w.b = append(w.b, w.pending...)
	w.pending = nil
}

// finishCall ends the answer to a call: its status and what it gives back.
func (w *writer) finishCall(status int64, params []sqlserver.Param, more bool) {
	w.flush()
	w.b = append(w.b, tokReturnStatus)
	w.u32(uint32(int32(status)))
	for i, p := range params {
		if p.Output {
			w.b = append(w.b, tokReturnValue)
			w.u16(i)
			name := p.Name
			if name != "" && name[0] != '@' {
				name = "@" + name
			}
			w.text8(name)
			w.b = append(w.b, 1)
			w.u32(0)
			w.u16(0)
			w.typeInfo(p.Type)
			w.value(p.Type, p.Value)
		}
	}
	bits := 0
	if more {
		bits = doneMore
	}
	w.b = append(w.b, w.done(tokDoneProc, bits, 0, -1)...)
}

// loginAck is what a client that was let in is told.
func (w *writer) loginAck(l *login, packet int, database string) {
	w.Using(database)
	w.Message(&sqlserver.Error{Number: 5701, State: 2, Class: 0, Message: "Changed database context to '" + database + "'."})
	w.env(envCollation, func() { w.b = append(append(append(w.b, 5), collation()...), 0) })
	w.env(envLanguage, func() { w.text8("us_english"); w.text8("") })
	w.Message(&sqlserver.Error{Number: 5703, State: 1, Class: 0, Message: "Changed language setting to us_english."})
	w.sized(tokLoginAck, func() {
		w.b = append(w.b, 1)
		w.b = binary.BigEndian.AppendUint32(w.b, l.version)
		w.text8("Microsoft SQL Server")
		w.b = append(w.b, 16, 0, 0x10, 0x27)
	})
	if packet != int(l.packet) || packet != defaultPacket {
		w.env(envPacket, func() { w.text8(strconv.Itoa(packet)); w.text8(strconv.Itoa(defaultPacket)) })
	}
	if l.extended {
		w.b = append(w.b, tokFeatureAck)
		if l.token != "" {
			w.b = append(w.b, featureFedAuth, 0, 0, 0, 0)
		}
		w.b = append(w.b, 0xff) // no other is had
	}
	w.finish(0)
}
