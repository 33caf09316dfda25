package connstring

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"meshrotate/reconciler/secret"
)

// Edit gives a keyword a new value. Keyword is its name or a synonym.
type Edit struct {
	Keyword string
	Value   secret.Value
}

// Set returns the string with new values. Every value token of a keyword is replaced, so that a reader for which the
// first counts sees the same and no old value stays behind; a keyword that is not there is added at the end. All other
// bytes are kept.
//
// The result is read again before it is returned. An error means that nothing may be written: a keyword is not known or
// given twice, a value cannot be written (zero, not UTF-8, with a NUL character), or the product could not open the result.
func (s String) Set(edits ...Edit) (String, error) {
	if s.reveal == nil {
		return String{}, &Error{Reason: "no string to edit"}
	}
	c := s.reveal()
	want := map[string]string{}
	for _, e := range edits {
		name := known(lower(e.Keyword))
		value := string(e.Value.Expose())
		_, twice := want[name]
		switch {
		case name == "":
			return String{}, &Error{Reason: "an edit of a keyword that Microsoft.Data.SqlClient does not know"}
		case twice:
			return String{}, &Error{Keyword: name, Reason: "two edits of one keyword"}
		case e.Value.IsZero():
			return String{}, &Error{Keyword: name, Reason: "no new value given"}
		case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
			return String{}, &Error{Keyword: name, Reason: "the new value is not UTF-8 text, or holds a NUL character"}
		}
		want[name] = value
	}
	after, err := Parse(secret.NewString(c.splice(edits, want)))
	if err != nil {
		return String{}, fmt.Errorf("the edit was not made, the product could not open the result: %w", err)
	}
	if err := c.prove(after.reveal(), want); err != nil {
		return String{}, err
	}
	return after, nil
}

// splice writes the text with the values in place.
func (c *content) splice(edits []Edit, want map[string]string) string {
	var after strings.Builder
	done := 0
	found := map[string]bool{}
	for _, p := range c.pairs {
		name := known(p.name)
		if value, ok := want[name]; ok {
			after.WriteString(c.text[done:p.from])
			after.WriteString(quote(value))
			done, found[name] = p.to, true
		}
	}
	after.WriteString(c.text[done:c.end])
	for _, e := range edits {
		if name := known(lower(e.Keyword)); !found[name] {
			add(&after, name, want[name])
		}
	}
	after.WriteString(c.text[c.end:])
	return after.String()
}

// add appends a pair, as AppendKeyValuePair does.
func add(text *strings.Builder, keyword, value string) {
	if text.Len() > 0 && !strings.HasSuffix(text.String(), ";") {
		text.WriteByte(';')
	}
	text.WriteString(strings.ReplaceAll(keyword, "=", "=="))
	text.WriteByte('=')
	text.WriteString(quote(value))
}

// quote writes a value as .NET does, and better in two cases that .NET cannot read back: an empty value, and one that
// ends in a newline, are quoted too.
func quote(value string) string {
	plain := value != "" && !strings.ContainsFunc(value, func(r rune) bool {
		return strings.ContainsRune(`"'=;`, r) || unicode.IsSpace(r) || unicode.IsControl(r)
	})
	switch {
	case plain:
		return value
	case strings.Contains(value, `"`) && !strings.Contains(value, `'`):
		return `'` + value + `'`
	}
	return `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
}

// prove compares what the string said and what it says: the new values are in force, and nothing else changed.
func (c *content) prove(after *content, want map[string]string) error {
	for _, k := range keywords {
		was, had := c.set[k.name]
		is, has := after.set[k.name]
		if value, edited := want[k.name]; edited {
			was, _ = k.read(value)
			had = true
		}
		if was != is || had != has {
			return &Error{Keyword: k.name, Reason: "the edit was not made, it would not read back"}
		}
	}
	return nil
}
