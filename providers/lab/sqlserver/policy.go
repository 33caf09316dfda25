package sqlserver

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

// Policy is what Windows demands of passwords, and what the model enforces for logins with CHECK_POLICY.
type Policy struct {
	Length   int // at least; 8
	History  int // so many old passwords are not taken again; 3. Negative: each may be taken again
	Attempts int // failures before a login is locked; 10, as new Windows servers have it. Negative: never locked
	// Lockout is how long a lock lasts, and how long failures are counted; 10 min.
	Lockout time.Duration
	// Age is how old a password of a login with CHECK_EXPIRATION may be; 90 days.
	Age time.Duration
	// Simple takes passwords of one class of characters.
	Simple bool
}

// SetPolicy makes the machine demand something else of passwords from now on. Zeroes are as in Config.
func (s *Server) SetPolicy(p Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Policy = p.orDefault()
}

func (p Policy) orDefault() Policy {
	if p.Length == 0 {
		p.Length = 8
	}
	if p.History == 0 {
		p.History = 3
	}
	if p.Attempts == 0 {
		p.Attempts = 10
	}
	if p.Lockout == 0 {
		p.Lockout = 10 * time.Minute
	}
	if p.Age == 0 {
		p.Age = 90 * 24 * time.Hour
	}
	return p
}

// maxPassword is SQL Server's own limit, in UTF-16 units.
const maxPassword = 128

// check says what is wrong with a new password.
func (p Policy) check(l *Login, password string) *Error {
	units := len(utf16.Encode([]rune(password)))
	const failed = "Password validation failed. The password "
	switch {
	case units > maxPassword:
		return fail(15117, failed+"does not meet the operating system policy requirements because it is too long.")
	case l.NoPolicy:
		return nil
	case units < p.Length:
		return fail(15116, failed+"does not meet the operating system policy requirements because it is too short.")
	case !p.Simple && (classes(password) < 3 || l.Name != "" && strings.Contains(strings.ToLower(password), strings.ToLower(l.Name))):
		return fail(15118, failed+"does not meet the operating system policy requirements because it is not complex enough.")
	case slices.Contains(l.old(max(p.History, 0)), password):
		return fail(15115, failed+"cannot be used at this time.")
	}
	return nil
}

// classes counts the kinds of characters: upper, lower, digits, others.
func classes(s string) int {
	var upper, lower, digit, other int
	for _, r := range s {
		switch {
		case unicode.IsUpper(r):
			upper = 1
		case unicode.IsLower(r):
			lower = 1
		case unicode.IsDigit(r):
			digit = 1
		default:
			other = 1
		}
	}
	return upper + lower + digit + other
}
