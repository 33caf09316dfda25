package sqlserver

import (
	"crypto/rand"
	"database/sql/driver"
	"encoding/hex"
	"strings"
	"sync"
	"time"
)

// function is one of T-SQL's that SQLite does not have.
type function struct {
	name string
	args int32 // -1: any number
	call func(x *Session, a []driver.Value) (driver.Value, error)
}

// known says whether a function may be called: ours, and those of SQLite that T-SQL has, too.
func known(name string) bool { return names()[lower(name)] }

var names = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for _, n := range strings.Fields(`count sum min max avg coalesce nullif lower upper ltrim rtrim trim replace substr ifnull abs round sign iif if concat concat_ws
		string_agg row_number rank dense_rank floor ceiling power like unicode length lag lead first_value last_value`) {
		all[n] = true
	}
	for _, f := range functions() {
		all[f.name] = true
	}
	return all
})

func arg(a []driver.Value, i int) string {
	if i < len(a) {
		return text(a[i])
	}
	return ""
}

// plainly makes a function of one that needs no arguments and cannot fail.
func plainly(name string, value func(x *Session) driver.Value) function {
	return function{name, -1, func(x *Session, _ []driver.Value) (driver.Value, error) { return value(x), nil }}
}

func functions() []function {
	all := []function{
		plainly("suser_name", func(x *Session) driver.Value { return x.loginName() }),
		plainly("original_login", func(x *Session) driver.Value { return x.loginName() }),
		plainly("host_name", func(x *Session) driver.Value { return x.client.Host }),
		plainly("app_name", func(x *Session) driver.Value { return x.client.Program }),
		plainly("getutcdate", func(x *Session) driver.Value { return Stamp(x.server.now().Truncate(time.Millisecond)) }),
		plainly("getdate", func(x *Session) driver.Value { return Stamp(x.server.now().Truncate(time.Millisecond)) }),
		plainly("sysutcdatetime", func(x *Session) driver.Value { return Stamp(x.server.now()) }),
		plainly("sysdatetime", func(x *Session) driver.Value { return Stamp(x.server.now()) }),
		plainly("sysdatetimeoffset", func(x *Session) driver.Value { return x.server.now().Format(offsetForm) }),
		plainly("newid", func(*Session) driver.Value { return newGUID() }),
		plainly("newsequentialid", func(*Session) driver.Value { return newGUID() }),
		plainly("scope_identity", func(x *Session) driver.Value { return x.run.identity }),
		plainly("xact_state", func(x *Session) driver.Value { return whether(x.run.depth > 0) }),
		plainly("error_number", func(x *Session) driver.Value {
			return x.caughtOr(func(e *Error) driver.Value { return int64(e.Number) })
		}),
		plainly("error_message", func(x *Session) driver.Value { return x.caughtOr(func(e *Error) driver.Value { return e.Message }) }),
		plainly("error_state", func(x *Session) driver.Value {
			return x.caughtOr(func(e *Error) driver.Value { return int64(e.State) })
		}),
		plainly("error_severity", func(x *Session) driver.Value {
			return x.caughtOr(func(e *Error) driver.Value { return int64(e.Class) })
		}),
		plainly("error_line", func(x *Session) driver.Value { return x.caughtOr(func(e *Error) driver.Value { return int64(e.Line) }) }),
		{"global", 1, globalValue},
		{"cast_to", 3, castTo},
		{"convert_styled", 3, convertStyled},
		{"len", 1, func(_ *Session, a []driver.Value) (driver.Value, error) {
			return orNull(a[0], func(s string) driver.Value { return int64(len([]rune(strings.TrimRight(s, " ")))) })
		}},
		{"datalength", 1, func(_ *Session, a []driver.Value) (driver.Value, error) {
			if b, ok := a[0].([]byte); ok {
				return int64(len(b)), nil
			}
			return orNull(a[0], func(s string) driver.Value { return int64(2 * len([]rune(s))) })
		}},
		{"charindex", -1, func(_ *Session, a []driver.Value) (driver.Value, error) {
			return int64(strings.Index(lower(arg(a, 1)), lower(arg(a, 0))) + 1), nil
		}},
		{"left", 2, func(_ *Session, a []driver.Value) (driver.Value, error) {
			return orNull(a[0], func(s string) driver.Value { n, _ := a[1].(int64); return cut(s, int(n)) })
		}},
		{"right", 2, func(_ *Session, a []driver.Value) (driver.Value, error) {
			return orNull(a[0], func(s string) driver.Value {
				n, _ := a[1].(int64)
				r := []rune(s)
				return string(r[max(0, len(r)-int(n)):])
			})
		}},
		{"char", 1, func(_ *Session, a []driver.Value) (driver.Value, error) {
			n, _ := a[0].(int64)
			return string(rune(n)), nil
		}},
		{"nchar", 1, func(_ *Session, a []driver.Value) (driver.Value, error) {
			n, _ := a[0].(int64)
			return string(rune(n)), nil
		}},
		{"quotename", -1, func(_ *Session, a []driver.Value) (driver.Value, error) {
			if len([]rune(arg(a, 0))) > 128 {
				return nil, nil
			}
			if len(a) > 1 && arg(a, 1) == "'" {
				return "'" + strings.ReplaceAll(arg(a, 0), "'", "''") + "'", nil
			}
			return quoteName(arg(a, 0)), nil
		}},
		{"dateadd", 3, dateAdd},
		{"datediff", 3, dateDiff},
	}
	return append(all, identityFunctions()...)
}

func orNull(v driver.Value, then func(string) driver.Value) (driver.Value, error) {
	if v == nil {
		return nil, nil
	}
	return then(text(v)), nil
}

func newGUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[7], b[8] = b[7]&0x0f|0x40, b[8]&0x3f|0x80
	return guidText(b)
}

func (x *Session) caughtOr(value func(*Error) driver.Value) driver.Value {
	if x.run.caught == nil {
		return nil
	}
	return value(x.run.caught)
}

func (x *Session) loginName() string {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	return x.name()
}

// globalValue is @@name.
func globalValue(x *Session, a []driver.Value) (driver.Value, error) {
	switch arg(a, 0) {
	case "version":
		return Version + " (lab) - " + build + " (X64) \n\tDeveloper Edition (64-bit) on a model", nil
	case "servername":
		return x.server.config.Name, nil
	case "servicename":
		return "MSSQLSERVER", nil
	case "spid":
		return int64(x.ID), nil
	case "rowcount":
		return x.run.rows, nil
	case "error":
		return int64(x.run.lastError), nil
	case "trancount":
		return int64(x.run.depth), nil
	case "identity":
		return x.run.identity, nil
	case "lock_timeout":
		if x.run.lockTimeout < 0 {
			return int64(-1), nil
		}
		return x.run.lockTimeout.Milliseconds(), nil
	case "options":
		return whether(x.run.xactAbort)*16384 + whether(x.run.noCount)*512 + 5432, nil
	case "language":
		return "us_english", nil
	case "microsoftversion":
		return int64(0x10001005), nil
	case "max_precision":
		return int64(38), nil
	}
	return nil, encodeError(classed(137, 2, 15, "Must declare the scalar variable \"@@%s\".", arg(a, 0)))
}

// Version is what the instance calls itself.
const (
	Version = "Microsoft SQL Server 2022 (RTM-CU14)"
	build   = "16.0.4135.4"
)

func castTo(_ *Session, a []driver.Value) (driver.Value, error) {
	to := parseType(arg(a, 1))
	v, err := to.fit(a[0])
	if err != nil {
		if try, _ := a[2].(int64); try == 1 {
			return nil, nil
		}
		return nil, encodeError(err)
	}
	if s, ok := v.(string); ok && to.Size > 0 && (to.Kind == NVarChar || to.Kind == VarChar) {
		return cut(s, to.Size), nil
	}
	return v, nil
}

func parseType(s string) Type {
	tokens, err := lex(s)
	if err != nil {
		return Type{Kind: NVarChar, Size: Max}
	}
	t, _ := typeOf(tokens)
	return t
}

func convertStyled(_ *Session, a []driver.Value) (driver.Value, error) {
	to, style := parseType(arg(a, 1)), text(a[2])
	if a[0] == nil {
		return nil, nil
	}
	if b, ok := a[0].([]byte); ok && (style == "1" || style == "2") && to.Kind != VarBinary {
		h := upper(hex.EncodeToString(b))
		if style == "1" {
			h = "0x" + h
		}
		return h, nil
	}
	if s, ok := a[0].(string); ok && (style == "1" || style == "2") && to.Kind == VarBinary {
		b, err := hex.DecodeString(strings.TrimPrefix(lower(s), "0x"))
		if err != nil {
			return nil, encodeError(fail(8114, "Error converting data type varchar to varbinary."))
		}
		return b, nil
	}
	if m, ok := Time(text(a[0])); ok && to.Kind != VarBinary {
		form := map[string]string{"120": "2006-01-02 15:04:05", "121": "2006-01-02 15:04:05.000", "126": "2006-01-02T15:04:05.9999999", "127": "2006-01-02T15:04:05.9999999Z"}[style]
		if to.Kind == NVarChar || to.Kind == VarChar {
			return cut(m.Format(form), 40), nil
		}
		return Stamp(m), nil
	}
	return castTo(nil, []driver.Value{a[0], a[1], int64(0)})
}

// units are the parts of dates that last the same everywhere.
func units() map[string]time.Duration {
	return map[string]time.Duration{"day": 24 * time.Hour, "dd": 24 * time.Hour, "d": 24 * time.Hour, "week": 7 * 24 * time.Hour, "hour": time.Hour, "hh": time.Hour,
		"minute": time.Minute, "mi": time.Minute, "n": time.Minute, "second": time.Second, "ss": time.Second, "s": time.Second,
		"millisecond": time.Millisecond, "ms": time.Millisecond, "microsecond": time.Microsecond, "mcs": time.Microsecond}
}

func dateAdd(_ *Session, a []driver.Value) (driver.Value, error) {
	unit, ok := units()[arg(a, 0)]
	t, good := Time(arg(a, 2))
	n, number := a[1].(int64)
	if a[1] == nil || a[2] == nil {
		return nil, nil
	}
	if !ok || !good || !number {
		return nil, encodeError(errUnknown("DATEADD"))
	}
	return Stamp(t.Add(time.Duration(n) * unit)), nil
}

func dateDiff(_ *Session, a []driver.Value) (driver.Value, error) {
	unit, ok := units()[arg(a, 0)]
	from, good := Time(arg(a, 1))
	to, fine := Time(arg(a, 2))
	if a[1] == nil || a[2] == nil {
		return nil, nil
	}
	if !ok || !good || !fine {
		return nil, encodeError(errUnknown("DATEDIFF"))
	}
	return int64(to.Truncate(unit).Sub(from.Truncate(unit)) / unit), nil // it counts the borders that were crossed
}
