// Package tsql writes the statements that change logins. They take no parameters, so names and passwords are quoted
// here, and a statement with a password is a secret.
//
// CHECK_POLICY and CHECK_EXPIRATION are never written, which keeps them as they are, and MUST_CHANGE never either: the
// product could not sign in. QUOTENAME on the server is not used: it is NULL past 128 characters, and a NULL statement
// does nothing without an error.
package tsql

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	mssql "github.com/microsoft/go-mssqldb"

	"meshrotate/reconciler/secret"
)

// Statement is one statement of Transact-SQL. Printed, it shows what it does to whom, and no password.
type Statement struct {
	shown string
	text  secret.Value
}

// Text is the statement itself.
func (s Statement) Text() secret.Value { return s.text }

// String is what may be shown: "ALTER LOGIN [mesh_a] WITH PASSWORD".
func (s Statement) String() string { return s.shown }

// Format writes String for every verb.
func (s Statement) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.shown) }

// SetPassword gives a login a new password. It is for one that may alter any login.
func SetPassword(login string, password secret.Value) (Statement, error) {
	return setPassword("LOGIN", login, password, nil)
}

// ResetPassword is SetPassword for a login that is locked out: that ends.
func ResetPassword(login string, password secret.Value) (Statement, error) {
	s, err := SetPassword(login, password)
	if err == nil {
		s.text = secret.NewString(string(s.text.Expose()) + " UNLOCK")
	}
	return s, err
}

// ChangePassword gives a login a new password by its old one: its own right, without another.
func ChangePassword(login string, password, old secret.Value) (Statement, error) {
	return setPassword("LOGIN", login, password, &old)
}

// SetUserPassword gives a contained user of the session's database a new password.
func SetUserPassword(user string, password secret.Value) (Statement, error) {
	return setPassword("USER", user, password, nil)
}

// ChangeUserPassword is ChangePassword for a contained user.
func ChangeUserPassword(user string, password, old secret.Value) (Statement, error) {
	return setPassword("USER", user, password, &old)
}

// Disable keeps a login from signing in. Its sessions go on.
func Disable(login string) (Statement, error) { return able(login, "DISABLE") }

// Enable lets a login sign in again.
func Enable(login string) (Statement, error) { return able(login, "ENABLE") }

func setPassword(kind, name string, password secret.Value, old *secret.Value) (Statement, error) {
	id, err := identifier(name)
	if err != nil {
		return Statement{}, err
	}
	text := "ALTER " + kind + " " + id + " WITH PASSWORD"
	s := Statement{shown: visible(text)}
	quoted, err := literal(password)
	if err != nil {
		return Statement{}, fmt.Errorf("%s: the new password %w", s.shown, err)
	}
	text += " = " + quoted
	if old != nil {
		if quoted, err = literal(*old); err != nil {
			return Statement{}, fmt.Errorf("%s: the old password %w", s.shown, err)
		}
		text += " OLD_PASSWORD = " + quoted
	}
	s.text = secret.NewString(text)
	return s, nil
}

func able(login, what string) (Statement, error) {
	id, err := identifier(login)
	if err != nil {
		return Statement{}, err
	}
	text := "ALTER LOGIN " + id + " " + what
	return Statement{shown: visible(text), text: secret.NewString(text)}, nil
}

// visible is a text for people: a name may hold what would move their cursor.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, text)
}

// limit is in UTF-16 units, for names (sysname) and for passwords.
const limit = 128

// identifier quotes a name as SQL Server compares it: white space and control characters belong to it.
func identifier(name string) (string, error) {
	if problem := unfit(name); problem != "" {
		return "", fmt.Errorf("the name of the login %s", problem)
	}
	return mssql.TSQLQuoter{}.ID(name), nil
}

func literal(password secret.Value) (string, error) {
	text := string(password.Expose())
	if problem := unfit(text); problem != "" {
		return "", fmt.Errorf("%s", problem)
	}
	return "N" + mssql.TSQLQuoter{}.Value(text), nil
}

func unfit(text string) string {
	switch {
	case text == "":
		return "is empty"
	case !utf8.ValidString(text):
		return "is not UTF-8 text"
	case strings.ContainsRune(text, 0):
		return "holds a NUL character"
	case strings.Contains(text, "\\\n"), strings.Contains(text, "\\\r"):
		return "holds a backslash before a line break, which Transact-SQL leaves out of a text"
	case len(utf16.Encode([]rune(text))) > limit:
		return "has more than 128 characters"
	}
	return ""
}
