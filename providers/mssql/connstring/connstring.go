// Package connstring reads and edits ADO.NET connection strings and keeps every byte that was not to change.
//
// The judge of what a string says is the product's own driver, Microsoft.Data.SqlClient 7.1: what it refuses is refused
// here, and what it reads is read here. Of its habits these matter most:
//
//   - A keyword has synonyms, in any case. The last one counts; one with nothing after its equals sign unsets the others.
//   - A value with a semicolon, an equals sign, a quote or white space stands in quotes. Braces and backslashes quote
//     nothing. A password that should have been quoted is cut at its semicolon, and its tail is read as a keyword.
//   - White space around a value that is not quoted is cut off. A newline separates nothing.
//   - The builder of connection strings and the connection itself disagree on some strings. One that either refuses is
//     refused here: a program may use both.
//
// What the driver for Go makes of the same string is another matter, and often wrong: it is never given one.
//
// A String shows nothing of itself when it is printed, and no error holds a value or a keyword that is not the library's.
package connstring

import (
	"fmt"
	"io"
	"log/slog"
	"unicode/utf8"

	"meshrotate/reconciler/secret"
)

// String is a connection string that the product could open. The zero String says nothing.
type String struct {
	reveal func() *content // behind a func, where no printer finds it
}

// content is what a text says.
type content struct {
	text  string
	pairs []pair
	end   int               // where its pairs end: NUL characters may follow
	set   map[string]string // by canonical keyword: the values in force, as .NET writes them
}

// Error says why a connection string is refused. It shows no text of the string.
type Error struct {
	Position int    // in characters, from 1; 0 when the whole string is meant
	Keyword  string // the canonical name of the keyword, empty where there is none or it is not known
	Reason   string
}

func (e *Error) Error() string {
	text := e.Reason
	if e.Keyword != "" {
		text = e.Keyword + ": " + text
	}
	if e.Position > 0 {
		text = fmt.Sprintf("character %d: %s", e.Position, text)
	}
	return "connection string: " + text
}

// Parse reads a connection string. An error is an *Error: the product could not open a connection with it.
func Parse(text secret.Value) (String, error) {
	c, err := read(string(text.Expose()))
	if err != nil {
		return String{}, err
	}
	if err := c.openable(); err != nil {
		return String{}, err
	}
	return String{reveal: func() *content { return c }}, nil
}

const unknown = "a keyword that Microsoft.Data.SqlClient does not know or support; it may be the rest of a value that should be quoted"

// read is what SqlConnectionStringBuilder does.
func read(text string) (*content, error) {
	if !utf8.ValidString(text) {
		return nil, &Error{Reason: "not UTF-8 text"}
	}
	pairs, end, err := scan(text)
	if err != nil {
		return nil, err
	}
	c := &content{text: text, pairs: pairs, end: end, set: map[string]string{}}
	for _, p := range pairs {
		k := bySpelling[p.name]
		switch {
		case p.absent && k != nil:
			delete(c.set, k.name)
		case p.absent: // the builder takes it, a connection does not
		case k == nil:
			return nil, c.refuse(p, unknown)
		default:
			value, ok := k.read(p.value)
			if !ok {
				return nil, c.refuse(p, "a value that Microsoft.Data.SqlClient refuses")
			}
			c.set[k.name] = value
		}
	}
	return c, nil
}

func (c *content) refuse(p pair, reason string) error {
	return (&scanner{text: c.text}).refuse(p.at, known(p.name), reason)
}

// Get is the value in force for a keyword, by its name or a synonym; the zero Value where the string does not say.
// Truths, numbers and names of choices are as .NET writes them: "True" for yes.
func (s String) Get(spelling string) secret.Value {
	if v, ok := s.get(spelling); ok {
		return secret.NewString(v)
	}
	return secret.Value{}
}

func (s String) get(spelling string) (string, bool) {
	if s.reveal == nil {
		return "", false
	}
	v, ok := s.reveal().set[known(lower(spelling))]
	return v, ok
}

// Shown is Get for what may be shown to people: anything but a password. It is empty where the string does not say.
func (s String) Shown(spelling string) string {
	if known(lower(spelling)) == Password {
		return secret.Redacted
	}
	v, _ := s.get(spelling)
	return v
}

// Integrated says that Windows signs in, and not a login with a password: a user and a password beside it count nothing.
func (s String) Integrated() bool { return s.Shown(IntegratedSecurity) == "True" }

// Keywords are the canonical names of the keywords that are set, in the library's order.
func (s String) Keywords() []string {
	var names []string
	for _, k := range keywords {
		if _, ok := s.get(k.name); ok {
			names = append(names, k.name)
		}
	}
	return names
}

// Text is the string itself.
func (s String) Text() secret.Value {
	if s.reveal == nil {
		return secret.Value{}
	}
	return secret.NewString(s.reveal().text)
}

// Format writes secret.Redacted for every verb.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, secret.Redacted) }

// String returns secret.Redacted.
func (s String) String() string { return secret.Redacted }

// GoString returns secret.Redacted.
func (s String) GoString() string { return secret.Redacted }

// LogValue returns secret.Redacted.
func (s String) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }

// MarshalText returns secret.Redacted.
func (s String) MarshalText() ([]byte, error) { return []byte(secret.Redacted), nil }
