package mssql

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"
)

// ServerError is what SQL Server answered. Errors come in groups: Numbers are all of them, in the server's order.
type ServerError struct {
	Numbers []int32
	State   uint8  // of the last one; for a refused login it is always 1, the true one is in the server's log
	Text    string // the server's own, empty where it could quote a statement with a secret
}

func (e *ServerError) Error() string {
	var parts []string
	for _, n := range e.Numbers {
		if m, ok := meanings[n]; ok {
			parts = append(parts, fmt.Sprintf("SQL error %d: %s", n, m.text))
		} else {
			parts = append(parts, fmt.Sprintf("SQL error %d", n))
		}
	}
	text := strings.Join(slices.Compact(parts), "; ")
	if e.Text != "" {
		text += " (" + e.Text + ")"
	}
	return text
}

// Hint says what a person can do, and is empty where nothing is known.
func (e *ServerError) Hint() string {
	for _, n := range e.Numbers {
		if m := meanings[n]; m.hint != "" {
			return m.hint
		}
	}
	return ""
}

// Is says whether one of the errors is of a class.
func (e *ServerError) Is(target error) bool {
	if target == TakenBefore {
		return slices.Contains(e.Numbers, 15114) || slices.Contains(e.Numbers, 15115)
	}
	class, ok := target.(Class)
	return ok && slices.ContainsFunc(e.Numbers, func(n int32) bool { return meanings[n].class == class })
}

// Has says whether one of the errors has a number.
func (e *ServerError) Has(number int32) bool { return slices.Contains(e.Numbers, number) }

// Passes says whether the same may do better on a new connection, in a moment: the server restarts, fails over, or was not
// reached. A login that is refused does not pass: to try it again could lock it out.
func Passes(err error) bool {
	var signIn *SignInError
	var server *ServerError
	var lost *LostAnswer
	switch {
	case errors.As(err, &signIn):
		return slices.Contains([]Why{Unreachable, Local, TimedOut, Unavailable, NoDatabase}, signIn.Why)
	case errors.As(err, &server):
		return slices.ContainsFunc(server.Numbers, func(n int32) bool {
			m := meanings[n]
			return m.why == Unavailable || slices.Contains([]Class{LockWait, Moved, Busy, Offline, ReadOnly}, m.class)
		})
	}
	return errors.As(err, &lost)
}

// Class groups the errors that are answered alike: errors.Is(err, Policy).
type Class string

func (c Class) Error() string { return string(c) }

const (
	Login  Class = "login refused"   // number by number, see Why
	Policy Class = "password policy" // another password may pass; the statement did nothing
	// TakenBefore is a part of Policy: the password is, or was lately, the login's own, or was changed too lately.
	TakenBefore Class = "password taken before"

	Permission Class = "permission"           // or the login does not exist: the server does not tell which
	LockWait   Class = "lock wait"            // nothing was done, later it may be
	LogFull    Class = "log full"             // nothing was done until there is room
	Moved      Class = "failover"             // ask again where the primary is now
	Offline    Class = "database not online"  // the server is there, the database is not
	ReadOnly   Class = "read-only"            // a secondary, or a database set so
	Busy       Class = "server busy"          // the service asks to come later
	Mistake    Class = "statement not wanted" // ours: a name that is taken, a syntax that this version lacks
)

// fromDriver keeps the numbers of a group, and the text where it may be shown.
func fromDriver(e mssql.Error, mayShow bool) *ServerError {
	out := &ServerError{State: e.State}
	if mayShow {
		out.Text = strings.Join(strings.Fields(e.Message), " ")
	}
	for _, one := range e.All {
		out.Numbers = append(out.Numbers, one.Number)
	}
	if len(e.All) == 0 {
		out.Numbers = []int32{e.Number}
	}
	return out
}

// Answered is what a server answered to somebody else's sign-in.
func Answered(numbers []int32) *ServerError { return &ServerError{Numbers: numbers} }

// Verdict judges a refused sign-in.
func (e *ServerError) Verdict() Verdict {
	v, _ := e.verdict()
	return v
}

// verdict judges a refused sign-in. What stands beside "login failed" says more than it does: a database that is not
// there, or a server in single-user mode, refuses a right password with both.
func (e *ServerError) verdict() (Verdict, Why) {
	why := WrongPassword
	for _, n := range e.Numbers {
		if said := meanings[n].why; said == "" {
			why = Refused
		} else if said != WrongPassword {
			why = said
			break
		}
	}
	switch why {
	case WrongPassword, Disabled, Expired, MustChange:
		return Rejected, why
	}
	return Unknown, why
}
