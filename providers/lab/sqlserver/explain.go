package sqlserver

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// unknownType is that of a column whose type nothing says.
const unknownType = Kind(-1)

var patterns = []struct {
	match *regexp.Regexp
	make  func(m []string) *Error
}{
	{regexp.MustCompile(`UNIQUE constraint failed: (.+?\.dbo\.\S+)\.\w+`), func(m []string) *Error {
		_, name, _ := strings.Cut(m[1], ".dbo.")
		return classed(2627, 1, 14, "Violation of PRIMARY KEY or UNIQUE KEY constraint. Cannot insert duplicate key in object 'dbo.%s'.", name)
	}},
	{regexp.MustCompile(`NOT NULL constraint failed: (.+?)\.dbo\.(.+)\.(\w+)`), func(m []string) *Error {
		return classed(515, 2, 16, "Cannot insert the value NULL into column '%s', table '%s.dbo.%s'; column does not allow nulls. The statement fails.", m[3], m[1], m[2])
	}},
	{regexp.MustCompile(`CHECK constraint failed: length of (\w+)`), func(m []string) *Error {
		return fail(2628, "String or binary data would be truncated in column '%s'.", m[1])
	}},
	{regexp.MustCompile(`CHECK constraint failed: (.+?)(?: \(\d+\))?$`), func(m []string) *Error {
		return classed(547, 0, 16, "The statement conflicted with the CHECK constraint \"%s\".", m[1])
	}},
	{regexp.MustCompile(`FOREIGN KEY constraint failed`), func(m []string) *Error {
		return classed(547, 0, 16, "The statement conflicted with a FOREIGN KEY constraint.")
	}},
	{regexp.MustCompile(`no such column: (\S+)`), func(m []string) *Error { return fail(207, "Invalid column name '%s'.", m[1]) }},
	{regexp.MustCompile(`has no column named (\S+)`), func(m []string) *Error { return fail(207, "Invalid column name '%s'.", m[1]) }},
	{regexp.MustCompile(`no such table: (?:.+\.dbo\.)?(\S+)`), func(m []string) *Error { return errNoObject(m[1]) }},
	{regexp.MustCompile(`no such function: (\S+)`), func(m []string) *Error {
		return classed(195, 10, 15, "'%s' is not a recognized built-in function name.", m[1])
	}},
	{regexp.MustCompile(`near "(.*?)": syntax error`), func(m []string) *Error { return errSyntax(m[1]) }},
}

// explain makes SQL Server's error of SQLite's.
func (e *engine) explain(err error) *Error {
	if e.denied != nil {
		denied := e.denied
		e.denied = nil
		return denied
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	text := err.Error()
	if at := strings.Index(text, fail18); at >= 0 {
		return decodeError(text[at+len(fail18):])
	}
	for _, p := range patterns {
		if m := p.match.FindStringSubmatch(text); m != nil {
			return p.make(m)
		}
	}
	var s *sqlite.Error
	if errors.As(err, &s) && s.Code()&0xff == sqlite3.SQLITE_FULL {
		return fail(1105, "Could not allocate space.")
	}
	return errUnknown(text)
}

// fail18 marks an error of SQL Server that a function made: SQLite hands on its text only.
const fail18 = "sqlserver-error:"

func encodeError(e *Error) error {
	return fmt.Errorf("%s%d,%d,%d,%s", fail18, e.Number, e.State, e.Class, e.Message)
}

func decodeError(s string) *Error {
	e := &Error{}
	parts := strings.SplitN(s, ",", 4)
	if len(parts) == 4 {
		_, _ = fmt.Sscan(parts[0], &e.Number)
		_, _ = fmt.Sscan(parts[1], &e.State)
		_, _ = fmt.Sscan(parts[2], &e.Class)
		e.Message = strings.TrimSuffix(parts[3], " (1)")
	}
	return e
}
