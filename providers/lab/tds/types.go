package tds

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"meshrotate/providers/lab/sqlserver"
)

// Types on the wire (MS-TDS 2.2.5.4).
const (
	typNull           = 0x1f
	typGUID           = 0x24
	typIntN           = 0x26
	typDate           = 0x28
	typDateTime2      = 0x2a
	typDateTimeOffset = 0x2b
	typInt1           = 0x30
	typBit            = 0x32
	typInt2           = 0x34
	typInt4           = 0x38
	typFloat4         = 0x3b
	typDateTime       = 0x3d
	typFloat8         = 0x3e
	typBitN           = 0x68
	typDecimalN       = 0x6a
	typNumericN       = 0x6c
	typFloatN         = 0x6d
	typDateTimeN      = 0x6f
	typInt8           = 0x7f
	typVarBinary      = 0xa5
	typVarChar        = 0xa7
	typBinary         = 0xad
	typChar           = 0xaf
	typNVarChar       = 0xe7
	typNChar          = 0xef
	typText           = 0x23
	typNText          = 0x63
	typImage          = 0x22
)

const plpNull = math.MaxUint64

// typeInfo writes what kind of value comes.
func (w *writer) typeInfo(t sqlserver.Type) {
	long := func(kind byte, unit, limit int) {
		size := t.Size * unit
		if t.Size == sqlserver.Max || size > limit {
			size = 0xffff
		}
		w.b = append(w.b, kind)
		w.u16(size)
	}
	switch t.Kind {
	case sqlserver.BigInt:
		w.b = append(w.b, typIntN, 8)
	case sqlserver.SmallInt:
		w.b = append(w.b, typIntN, 2)
	case sqlserver.TinyInt:
		w.b = append(w.b, typIntN, 1)
	case sqlserver.Bit:
		w.b = append(w.b, typBitN, 1)
	case sqlserver.Float:
		w.b = append(w.b, typFloatN, 8)
	case sqlserver.NVarChar:
		long(typNVarChar, 2, 8000)
		w.b = append(w.b, collation()...)
	case sqlserver.VarChar:
		long(typVarChar, 1, 8000)
		w.b = append(w.b, collation()...)
	case sqlserver.VarBinary:
		long(typVarBinary, 1, 8000)
	case sqlserver.GUID:
		w.b = append(w.b, typGUID, 16)
	case sqlserver.DateTime2:
		w.b = append(w.b, typDateTime2, byte(t.Scale))
	case sqlserver.DateTimeOffset:
		w.b = append(w.b, typDateTimeOffset, byte(t.Scale))
	case sqlserver.DateTime:
		w.b = append(w.b, typDateTimeN, 8)
	case sqlserver.Date:
		w.b = append(w.b, typDate)
	case sqlserver.Decimal:
		w.b = append(w.b, typDecimalN, 17, byte(t.Size), byte(t.Scale))
	default:
		w.b = append(w.b, typIntN, 4)
	}
}

// value writes one, NULL included.
func (w *writer) value(t sqlserver.Type, v any) {
	switch t.Kind {
	case sqlserver.NVarChar, sqlserver.VarChar, sqlserver.VarBinary:
		w.long(t, v)
		return
	}
	if v == nil {
		w.b = append(w.b, 0)
		return
	}
	n, _ := v.(int64)
	switch t.Kind {
	case sqlserver.BigInt:
		w.b = append(w.b, 8)
		w.u64(uint64(n))
	case sqlserver.SmallInt:
		w.b = append(w.b, 2)
		w.u16(int(n))
	case sqlserver.TinyInt, sqlserver.Bit:
		w.b = append(w.b, 1, byte(n))
	case sqlserver.Float:
		f, _ := v.(float64)
		w.b = append(w.b, 8)
		w.u64(math.Float64bits(f))
	case sqlserver.Decimal:
		w.decimal(t, v)
	case sqlserver.GUID:
		w.b = append(append(w.b, 16), guidBytes(v)...)
	case sqlserver.DateTime2, sqlserver.DateTimeOffset, sqlserver.DateTime, sqlserver.Date:
		s, _ := v.(string)
		m, _ := sqlserver.Time(s)
		w.moment(t, m)
	default:
		w.b = append(w.b, 4)
		w.u32(uint32(int32(n)))
	}
}

// long writes text and bytes.
func (w *writer) long(t sqlserver.Type, v any) {
	var b []byte
	switch v := v.(type) {
	case string:
		b = []byte(v)
		if t.Kind == sqlserver.NVarChar {
			b = toUTF16(v)
		} else if t.Kind == sqlserver.VarChar {
			b = toLatin1(v)
		}
	case []byte:
		b = v
	}
	unit, limit := 1, 8000
	if t.Kind == sqlserver.NVarChar {
		unit = 2
	}
	if t.Size == sqlserver.Max || t.Size*unit > limit {
		if v == nil {
			w.u64(plpNull)
			return
		}
		w.u64(uint64(len(b)))
		if len(b) > 0 {
			w.u32(uint32(len(b)))
			w.b = append(w.b, b...)
		}
		w.u32(0)
		return
	}
	if v == nil {
		w.u16(0xffff)
		return
	}
	w.u16(len(b))
	w.b = append(w.b, b...)
}

func toLatin1(s string) []byte {
	var b []byte
	for _, r := range s {
		if r > 255 {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return b
}

// decimal writes one with its sign and 16 bytes.
func (w *writer) decimal(t sqlserver.Type, v any) {
	f, _ := new(big.Float).SetString(fmt.Sprint(v))
	if f == nil {
		f = new(big.Float)
	}
	scaled, _ := new(big.Float).Mul(f, big.NewFloat(math.Pow10(t.Scale))).Int(nil)
	sign := byte(1)
	if scaled.Sign() < 0 {
		sign = 0
	}
	digits := scaled.Abs(scaled).FillBytes(make([]byte, 16))
	w.b = append(w.b, 17, sign)
	for i := range digits {
		w.b = append(w.b, digits[len(digits)-1-i])
	}
}

// guidBytes is the order on the wire: the first three groups are little-endian.
func guidBytes(v any) []byte {
	s, _ := v.(string)
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		b = make([]byte, 16)
	}
	return []byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]}
}

func epoch() time.Time { return time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC) }

// epoch1900 is where datetime begins.
func epoch1900() time.Time { return time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC) }

// timeSize is how many bytes a time of a scale takes.
func timeSize(scale int) int { return []int{3, 3, 3, 4, 4, 5, 5, 5}[min(7, scale)] }

// days since the first of January of year 1. A time.Duration would not hold them.
func days(t time.Time) int64 { return (t.Unix() - epoch().Unix()) / 86400 }

func (w *writer) moment(t sqlserver.Type, m time.Time) {
	u := m.UTC()
	midnight := time.Date(u.Year(), u.Month(), u.Day(), 0, 0, 0, 0, time.UTC)
	number := func(v int64, n int) {
		w.b = append(w.b, binary.LittleEndian.AppendUint64(nil, uint64(v))[:n]...)
	}
	ticks := int64(u.Sub(midnight)) / int64(math.Pow10(9-t.Scale))
	switch t.Kind {
	case sqlserver.Date:
		w.b = append(w.b, 3)
		number(days(u), 3)
	case sqlserver.DateTime:
		w.b = append(w.b, 8)
		number(days(u)-days(epoch1900()), 4)
		number((int64(u.Sub(midnight))*3+int64(5*time.Millisecond))/int64(10*time.Millisecond), 4)
	case sqlserver.DateTime2:
		n := timeSize(t.Scale)
		w.b = append(w.b, byte(n+3))
		number(ticks, n)
		number(days(u), 3)
	case sqlserver.DateTimeOffset:
		n := timeSize(t.Scale)
		_, offset := m.Zone()
		w.b = append(w.b, byte(n+5))
		number(ticks, n)
		number(days(u), 3)
		number(int64(offset/60), 2)
	}
}
