package sqlserver

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Kind is a type of T-SQL, without its size.
type Kind int

// The kinds that are modelled.
const (
	Int Kind = iota
	BigInt
	SmallInt
	TinyInt
	Bit
	Float
	NVarChar
	VarChar
	VarBinary
	GUID
	DateTime2
	DateTime
	DateTimeOffset
	Date
	Decimal // kept as a float
)

// Max is the size of NVARCHAR(MAX) and its kin.
const Max = -1

// Type is a type of T-SQL. Size is in characters or bytes, Max for no limit; Scale is that of times and decimals.
type Type struct {
	Kind  Kind
	Size  int
	Scale int
}

// Column is one of a result.
type Column struct {
	Name string
	Type Type
}

// Param is a parameter or a variable. Its value is nil, int64, float64, string, []byte; times are strings as stored.
type Param struct {
	Name   string // without its @
	Type   Type
	Value  any
	Output bool
}

// String is the type as T-SQL writes it.
func (t Type) String() string {
	size := func(name string) string {
		if t.Size == Max {
			return name + "(max)"
		}
		return fmt.Sprintf("%s(%d)", name, t.Size)
	}
	switch t.Kind {
	case Int:
		return "int"
	case BigInt:
		return "bigint"
	case SmallInt:
		return "smallint"
	case TinyInt:
		return "tinyint"
	case Bit:
		return "bit"
	case Float:
		return "float"
	case NVarChar:
		return size("nvarchar")
	case VarChar:
		return size("varchar")
	case VarBinary:
		return size("varbinary")
	case GUID:
		return "uniqueidentifier"
	case DateTime2:
		return fmt.Sprintf("datetime2(%d)", t.Scale)
	case DateTime:
		return "datetime"
	case DateTimeOffset:
		return fmt.Sprintf("datetimeoffset(%d)", t.Scale)
	case Date:
		return "date"
	}
	return fmt.Sprintf("decimal(%d,%d)", t.Size, t.Scale)
}

// bare is the type without its size.
func (t Type) bare() string {
	name, _, _ := strings.Cut(t.String(), "(")
	return name
}

// typeNamed reads a type's name with its numbers; false when it is not modelled.
func typeNamed(name string, numbers []string) (Type, bool) {
	n := func(i, otherwise int) int {
		if i >= len(numbers) {
			return otherwise
		}
		if same(numbers[i], "max") {
			return Max
		}
		v, err := strconv.Atoi(numbers[i])
		if err != nil {
			return otherwise
		}
		return v
	}
	switch strings.ToLower(name) {
	case "int", "integer":
		return Type{Kind: Int}, true
	case "bigint":
		return Type{Kind: BigInt}, true
	case "smallint":
		return Type{Kind: SmallInt}, true
	case "tinyint":
		return Type{Kind: TinyInt}, true
	case "bit":
		return Type{Kind: Bit}, true
	case "float", "real":
		return Type{Kind: Float}, true
	case "nvarchar", "nchar", "sysname", "ntext":
		if same(name, "sysname") {
			return Type{Kind: NVarChar, Size: 128}, true
		}
		if same(name, "ntext") {
			return Type{Kind: NVarChar, Size: Max}, true
		}
		return Type{Kind: NVarChar, Size: n(0, 1)}, true
	case "varchar", "char":
		return Type{Kind: VarChar, Size: n(0, 1)}, true
	case "varbinary", "binary":
		return Type{Kind: VarBinary, Size: n(0, 1)}, true
	case "rowversion", "timestamp":
		return Type{}, false
	case "uniqueidentifier":
		return Type{Kind: GUID}, true
	case "datetime2":
		return Type{Kind: DateTime2, Scale: n(0, 7)}, true
	case "datetime":
		return Type{Kind: DateTime, Scale: 3}, true
	case "datetimeoffset":
		return Type{Kind: DateTimeOffset, Scale: n(0, 7)}, true
	case "date":
		return Type{Kind: Date}, true
	case "decimal", "numeric":
		return Type{Kind: Decimal, Size: n(0, 18), Scale: n(1, 0)}, true
	}
	return Type{}, false
}

// guess is the type of a value whose type nothing says.
func guess(v any) Type {
	switch v := v.(type) {
	case int64:
		if v > math.MaxInt32 || v < math.MinInt32 {
			return Type{Kind: BigInt}
		}
	case float64:
		return Type{Kind: Float}
	case string:
		return Type{Kind: NVarChar, Size: sized(len(v), 4000)}
	case []byte:
		return Type{Kind: VarBinary, Size: sized(len(v), 8000)}
	}
	return Type{Kind: Int}
}

func sized(n, limit int) int {
	if n > limit {
		return Max
	}
	return limit
}

// The forms of times, as T-SQL makes text of them and as they are stored.
const (
	stampForm  = "2006-01-02 15:04:05.0000000"
	dateForm   = "2006-01-02"
	offsetForm = "2006-01-02 15:04:05.0000000 -07:00"
)

// Stamp is a time as datetime2 is stored.
func Stamp(t time.Time) string { return t.UTC().Format(stampForm) }

// Time reads a stored time.
func Time(s string) (time.Time, bool) {
	for _, form := range []string{"2006-01-02 15:04:05.999999999", offsetForm, "2006-01-02 15:04:05.999999999 -07:00", dateForm, "2006-01-02T15:04:05.999999999", time.RFC3339Nano, "20060102", "2006-01-02 15:04"} {
		if t, err := time.Parse(form, strings.TrimSpace(s)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
