package sqlserver

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
)

// fit makes of a value what a type holds, or says that it cannot.
func (t Type) fit(v any) (any, *Error) {
	if v == nil {
		return nil, nil
	}
	bad := func() (any, *Error) {
		return nil, fail(8114, "Error converting data type %s to %s.", guess(v), t)
	}
	switch t.Kind {
	case Int, BigInt, SmallInt, TinyInt, Bit:
		return t.whole(v, bad)
	case Float, Decimal:
		switch v := v.(type) {
		case float64:
			return v, nil
		case int64:
			return float64(v), nil
		case string:
			if f, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil {
				return f, nil
			}
		}
		return bad()
	case VarBinary:
		if s, ok := v.(string); ok {
			v = []byte(s)
		}
		b, ok := v.([]byte)
		if !ok {
			return bad()
		}
		return b, nil
	case GUID:
		s, ok := v.(string)
		if b, isBytes := v.([]byte); isBytes && len(b) == 16 {
			return guidText(b), nil
		}
		s = strings.ToUpper(strings.Trim(s, "{}"))
		if !ok || len(s) != 36 {
			return nil, classed(8169, 2, 16, "Conversion failed when converting from a character string to uniqueidentifier.")
		}
		return s, nil
	case DateTime2, DateTime, DateTimeOffset, Date:
		return t.moment(v)
	}
	return text(v), nil
}

func (t Type) whole(v any, bad func() (any, *Error)) (any, *Error) {
	var n int64
	switch v := v.(type) {
	case int64:
		n = v
	case float64:
		n = int64(v)
	case bool:
		if v {
			n = 1
		}
	case string:
		i, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		if err != nil {
			if t.Kind == Bit && (same(v, "true") || same(v, "false")) {
				return whether(same(v, "true")), nil
			}
			return nil, classed(245, 1, 16, "Conversion failed when converting the nvarchar value '%s' to data type %s.", cut(v, 40), t)
		}
		n = i
	default:
		return bad()
	}
	limits := map[Kind][2]int64{Int: {math.MinInt32, math.MaxInt32}, SmallInt: {math.MinInt16, math.MaxInt16}, TinyInt: {0, 255}}
	if l, ok := limits[t.Kind]; ok && (n < l[0] || n > l[1]) {
		return nil, classed(8115, 2, 16, "Arithmetic overflow error converting expression to data type %s.", t)
	}
	if t.Kind == Bit && n != 0 {
		n = 1
	}
	return n, nil
}

func (t Type) moment(v any) (any, *Error) {
	s, ok := v.(string)
	m, good := Time(s)
	if !ok || !good {
		return nil, classed(241, 1, 16, "Conversion failed when converting date and/or time from character string.")
	}
	switch t.Kind {
	case Date:
		return m.Format(dateForm), nil
	case DateTimeOffset:
		return m.Format(offsetForm), nil
	case DateTime:
		return m.Round(time.Second / 300).Format(stampForm), nil
	}
	return m.Round(time.Duration(math.Pow10(9 - t.Scale))).Format(stampForm), nil
}

// text is how T-SQL makes text of a value.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return ""
}

// guidText writes 16 bytes as SQL Server does: the first three groups are little-endian.
func guidText(b []byte) string {
	h := strings.ToUpper(hex.EncodeToString([]byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]}))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func whether(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
