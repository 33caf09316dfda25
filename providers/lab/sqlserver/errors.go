package sqlserver

import (
	"errors"
	"fmt"
)

// Error is a message of the server. A class of 10 or less only informs.
type Error struct {
	Number  int
	State   uint8
	Class   uint8
	Message string
	Line    int
	// Fatal says that the connection ends with it.
	Fatal bool
}

func (e *Error) Error() string {
	return fmt.Sprintf("Msg %d, Level %d, State %d: %s", e.Number, e.Class, e.State, e.Message)
}

// Errors are several messages of one failure, in the order in which they are sent.
type Errors []*Error

func (e Errors) Error() string { return errors.Join(e.list()...).Error() }

func (e Errors) Unwrap() []error { return e.list() }

func (e Errors) list() []error {
	var all []error
	for _, x := range e {
		all = append(all, x)
	}
	return all
}

// fail makes an error of class 16 and state 1, which most are.
func fail(number int, format string, args ...any) *Error {
	return &Error{Number: number, State: 1, Class: 16, Message: fmt.Sprintf(format, args...)}
}

func classed(number int, state, class uint8, format string, args ...any) *Error {
	return &Error{Number: number, State: state, Class: class, Message: fmt.Sprintf(format, args...)}
}

// The texts are those of sys.messages.
func errSyntax(near string) *Error { return classed(102, 1, 15, "Incorrect syntax near '%s'.", near) }

// errUnknown is for what SQL Server understands and this model does not.
func errUnknown(what string) *Error {
	return classed(102, 99, 15, "Incorrect syntax near '%s'. (The lab does not model it.)", what)
}

func errNoObject(name string) *Error { return fail(208, "Invalid object name '%s'.", name) }

func errCannot(verb, kind, name string) *Error {
	return fail(15151, "Cannot %s the %s '%s', because it does not exist or you do not have permission.", verb, kind, name)
}

func errPermission(permission, object, database string) *Error {
	return classed(229, 5, 14, "The %s permission was denied on the object '%s', database '%s', schema 'dbo'.", permission, object, database)
}

func errDatabasePermission(permission, database string) *Error {
	return classed(262, 1, 14, "%s permission denied in database '%s'.", permission, database)
}

func errLogin(name string) *Error {
	return classed(18456, 1, 14, "Login failed for user '%s'.", name)
}

func errOpen(database string) *Error {
	return classed(4060, 1, 11, `Cannot open database "%s" requested by the login. The login failed.`, database)
}

// goesOn says whether a batch goes on after an error of one of its statements.
func goesOn(number int) bool {
	switch number {
	case 515, 547, 1222, 2601, 2627, 2628, 15151, 15115, 15116, 15117, 15118, 15025, 15023, 15007:
		return true
	}
	return false
}
