package adminapi

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"
)

// lenient is a field that is unknown, not an error, when it is absent, null or of another type: one odd relay must
// not hide the other thousands.
type lenient[T any] struct {
	value T
	known bool
}

// UnmarshalJSON never fails: what cannot be read stays unknown.
func (f *lenient[T]) UnmarshalJSON(b []byte) error {
	*f = lenient[T]{} // of a key given twice the last one counts, also when it is null
	var v *T
	if err := json.Unmarshal(b, &v); err == nil && v != nil {
		f.value, f.known = *v, true
	}
	return nil
}

// label is a text, or a number: .NET writes an enumeration as a number unless told otherwise.
type label string

func (l *label) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err == nil {
		*l = label(strings.Map(printable, s))
		return nil
	}
	var n json.Number
	err := json.Unmarshal(b, &n)
	*l = label(n)
	return err
}

// printable keeps terminal escapes out of names that end up on a terminal.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

// moment is a point in time as ASP.NET writes it: ISO 8601, with or without a fraction, with Z, an offset or
// nothing. Nothing means UTC: the fields are documented as UTC, and a DateTime of kind Unspecified has no zone.
type moment time.Time

func (m *moment) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	t, err := parseMoment(s)
	*m = moment(t)
	return err
}

func parseMoment(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	var t time.Time
	err := errors.New("no time")
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} { // Parse takes a fraction, too
		if t, err = time.Parse(layout, s); err == nil {
			break
		}
	}
	if err != nil || t.Year() <= 1 { // .NET's DateTime.MinValue stands for "never"
		return time.Time{}, err
	}
	return t.UTC(), nil
}
