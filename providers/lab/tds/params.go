package tds

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"meshrotate/providers/lab/sqlserver"
)

// param reads a parameter's type and value.
func (r *reader) param() (sqlserver.Type, any) {
	switch kind := r.u8(); kind {
	case typNull:
		return sqlserver.Type{Kind: sqlserver.NVarChar, Size: 1}, nil
	case typInt1, typBit, typInt2, typInt4, typInt8, typFloat4, typFloat8, typDateTime:
		return r.fixed(kind)
	case typIntN, typBitN, typFloatN, typGUID, typDateTimeN:
		r.u8() // the size, which stands before the value again
		n := int(r.u8())
		return r.nullable(kind, n)
	case typDecimalN, typNumericN:
		r.u8()
		t := sqlserver.Type{Kind: sqlserver.Decimal, Size: int(r.u8()), Scale: int(r.u8())}
		return t, r.decimal(t.Scale, int(r.u8()))
	case typDate:
		return r.moment(typDate, 0)
	case typDateTime2, typDateTimeOffset:
		return r.moment(kind, int(r.u8()))
	case typNVarChar, typNChar, typVarChar, typChar, typVarBinary, typBinary:
		return r.long(kind)
	case typText, typNText, typImage:
		return r.lob(kind)
	default:
		if r.err == nil {
			r.err = fmt.Errorf("a parameter of type 0x%02x", kind)
		}
		return sqlserver.Type{}, nil
	}
}

func (r *reader) fixed(kind byte) (sqlserver.Type, any) {
	switch kind {
	case typInt1:
		return sqlserver.Type{Kind: sqlserver.TinyInt}, int64(r.u8())
	case typBit:
		return sqlserver.Type{Kind: sqlserver.Bit}, int64(r.u8())
	case typInt2:
		return sqlserver.Type{Kind: sqlserver.SmallInt}, int64(int16(r.u16()))
	case typInt4:
		return sqlserver.Type{Kind: sqlserver.Int}, int64(int32(r.u32()))
	case typInt8:
		return sqlserver.Type{Kind: sqlserver.BigInt}, r.i64()
	case typFloat4:
		return sqlserver.Type{Kind: sqlserver.Float}, float64(math.Float32frombits(r.u32()))
	case typFloat8:
		return sqlserver.Type{Kind: sqlserver.Float}, math.Float64frombits(r.number(8))
	}
	return r.dateTime(8)
}

func (r *reader) nullable(kind byte, n int) (sqlserver.Type, any) {
	fixed := map[byte]map[int]byte{typIntN: {1: typInt1, 2: typInt2, 4: typInt4, 8: typInt8}, typBitN: {1: typBit}, typFloatN: {4: typFloat4, 8: typFloat8}}
	null := map[byte]sqlserver.Kind{typIntN: sqlserver.BigInt, typBitN: sqlserver.Bit, typFloatN: sqlserver.Float, typGUID: sqlserver.GUID, typDateTimeN: sqlserver.DateTime}
	if n == 0 {
		return sqlserver.Type{Kind: null[kind]}, nil
	}
	switch kind {
	case typGUID:
		b := r.bytes(16)
		if b == nil || n != 16 {
			r.err = errShort
			return sqlserver.Type{}, nil
		}
		return sqlserver.Type{Kind: sqlserver.GUID}, append([]byte(nil), b...)
	case typDateTimeN:
		return r.dateTime(n)
	}
	return r.fixed(fixed[kind][n])
}

// dateTime reads a datetime, or a smalldatetime of 4 bytes.
func (r *reader) dateTime(n int) (sqlserver.Type, any) {
	t := sqlserver.Type{Kind: sqlserver.DateTime, Scale: 3}
	if n == 4 {
		return t, sqlserver.Stamp(epoch1900().AddDate(0, 0, r.u16()).Add(time.Duration(r.u16()) * time.Minute))
	}
	day, ticks := int32(r.u32()), r.u32()
	return t, sqlserver.Stamp(epoch1900().AddDate(0, 0, int(day)).Add(time.Duration(ticks) * time.Second / 300))
}

func (r *reader) decimal(scale, n int) any {
	if n == 0 {
		return nil
	}
	sign := r.u8()
	b := append([]byte(nil), r.bytes(n-1)...)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	f, _ := new(big.Float).SetInt(new(big.Int).SetBytes(b)).Float64()
	f /= math.Pow10(scale)
	if sign == 0 {
		f = -f
	}
	return f
}

// moment reads a date, a datetime2 or a datetimeoffset.
func (r *reader) moment(kind byte, scale int) (sqlserver.Type, any) {
	t := sqlserver.Type{Kind: map[byte]sqlserver.Kind{typDate: sqlserver.Date, typDateTime2: sqlserver.DateTime2, typDateTimeOffset: sqlserver.DateTimeOffset}[kind], Scale: scale}
	n := int(r.u8())
	if n == 0 {
		return t, nil
	}
	var ticks int64
	if kind != typDate {
		ticks = int64(r.number(timeSize(scale))) * int64(math.Pow10(9-min(7, scale)))
	}
	m := epoch().AddDate(0, 0, int(r.number(3))).Add(time.Duration(ticks))
	switch kind {
	case typDate:
		return t, m.Format("2006-01-02")
	case typDateTimeOffset:
		offset := int(int16(r.u16()))
		return t, m.In(time.FixedZone("", offset*60)).Format("2006-01-02 15:04:05.0000000 -07:00")
	}
	return t, sqlserver.Stamp(m)
}

// long reads text and bytes.
func (r *reader) long(kind byte) (sqlserver.Type, any) {
	size := r.u16()
	t := sqlserver.Type{Kind: sqlserver.VarBinary, Size: size}
	if kind != typVarBinary && kind != typBinary {
		r.bytes(5) // collation
		t.Kind = sqlserver.VarChar
	}
	if kind == typNVarChar || kind == typNChar {
		t.Kind, t.Size = sqlserver.NVarChar, size/2
	}
	var b []byte
	if size == 0xffff {
		t.Size = sqlserver.Max
		var null bool
		if b, null = r.chunks(); null {
			return t, nil
		}
	} else {
		n := r.u16()
		if n == 0xffff {
			return t, nil
		}
		b = r.bytes(n)
	}
	return t, content(t.Kind, b)
}

// content is the value of a text or of bytes.
func content(k sqlserver.Kind, b []byte) any {
	switch k {
	case sqlserver.NVarChar:
		return fromUTF16(b)
	case sqlserver.VarChar:
		var s strings.Builder
		for _, c := range b {
			s.WriteRune(rune(c))
		}
		return s.String()
	}
	return append([]byte{}, b...)
}

// chunks reads a value that comes in parts.
func (r *reader) chunks() (b []byte, null bool) {
	if n := r.number(8); n == plpNull {
		return nil, true
	}
	for r.err == nil {
		n := int(r.u32())
		if n == 0 {
			break
		}
		b = append(b, r.bytes(n)...)
	}
	return b, false
}

// lob reads the old types of long values.
func (r *reader) lob(kind byte) (sqlserver.Type, any) {
	r.u32()
	t := sqlserver.Type{Kind: sqlserver.VarBinary, Size: sqlserver.Max}
	if kind != typImage {
		r.bytes(5)
		t.Kind = sqlserver.VarChar
	}
	if kind == typNText {
		t.Kind = sqlserver.NVarChar
	}
	n := r.u32()
	if n == math.MaxUint32 {
		return t, nil
	}
	return t, content(t.Kind, r.bytes(int(n)))
}
