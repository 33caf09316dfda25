package adminapi

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"meshrotate/providers/part"
)

// Object is an object that the Admin API answered, of which nobody here knows what it means.
type Object struct {
	Answer Answer
	fields fields
	own    bool
	places *places // nil: those of no other answer count
}

// Own is the object without what it says in it of its parts, as {"support": {…}} has it.
func (o Object) Own() Object {
	o.own = true
	return o
}

// fields are an object's, by plain name.
type fields map[string]json.RawMessage

// plainName is a field's name as it is looked for: serializers and their settings differ in case, '_' and '-'.
func plainName(name string) string {
	if isPlain(name) {
		return name
	}
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

func isPlain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c == '_' || c == '-' || c > 'z' || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// twoValues is null, and told apart from what an answer has as null.
var twoValues = json.RawMessage("null ")

// plainly sorts what an object says by plain name. What it says in two spellings, and not alike, is unknown.
func plainly(raw map[string]json.RawMessage) fields {
	plain := true
	for name := range raw {
		plain = plain && isPlain(name)
	}
	if plain {
		return raw
	}
	f := make(fields, len(raw))
	for name, v := range raw {
		f.put(plainName(name), v)
	}
	return f
}

func (f fields) put(name string, v json.RawMessage) {
	if was, twice := f[name]; twice && !bytes.Equal(was, v) {
		v = twoValues
	}
	f[name] = v
}

// readObject reads an object.
func readObject(body []byte) (Object, error) {
	var raw map[string]json.RawMessage
	if !startsWith(body, '{') || json.Unmarshal(body, &raw) != nil {
		return Object{}, notJSON(body, "an object")
	}
	return Object{fields: plainly(raw)}, nil
}

// most is how deep objects in objects are looked into.
const most = 4

// within is what stands in the objects of an object, as {"data": {…}} has it. The nearest counts; what two of one depth say
// otherwise is unknown, and what they say alike has no place of its own.
type within struct {
	raw json.RawMessage
	at  string
}

// within finds it. Of its own is what no part of it says.
func (f fields) within(own bool) map[string]within {
	found := map[string]within{}
	type outer struct {
		fields fields
		at     string
	}
	level := []outer{{fields: f}}
	for range most {
		here := map[string]within{}
		var next []outer
		for _, out := range level {
			for name, raw := range out.fields {
				if own && part.Is(name) {
					continue
				}
				if in, err := readObject(raw); err == nil {
					at := out.at + name + between
					next = append(next, outer{in.fields, at})
					for name, v := range in.fields {
						one := within{v, at + name}
						if was, twice := here[name]; twice {
							if one.at = ""; !bytes.Equal(was.raw, v) {
								one.raw = twoValues
							}
						}
						here[name] = one
					}
				}
			}
		}
		for name, v := range here {
			if _, nearer := found[name]; !nearer {
				found[name] = v
			}
		}
		if level = next; len(level) == 0 {
			break
		}
	}
	return found
}

// at is the field of a name, or at the end of a path: `connection.state`.
func (f fields) at(name string) json.RawMessage {
	if raw, own := f[plainName(name)]; own {
		return raw
	}
	if outer, rest, path := strings.Cut(name, "."); path {
		if inner, err := readObject(f[plainName(outer)]); err == nil {
			return inner.fields.at(rest)
		}
	}
	return nil
}

// seek offers these fields until one will do: the object's own, and then those of the objects in it that it has not itself.
func (o Object) seek(names []string, will func(name string, raw json.RawMessage) bool) {
	nested := false
	for _, raw := range o.fields {
		nested = nested || startsWith(raw, '{')
	}
	for _, name := range names {
		if raw := o.fields.at(name); raw != nil && will(name, raw) {
			return
		}
	}
	if !nested {
		return
	}
	in := inner{of: o}
	for _, name := range names {
		if _, own := o.fields[plainName(name)]; own {
			continue
		}
		if raw := in.at(name); raw != nil && will(name, raw) {
			return
		}
	}
}

// Text is the first of these fields that is there, however its name is written: a text, a number as .NET writes an enumeration, or
// the name of an object. "" when there is none.
func (o Object) Text(names ...string) (text string) {
	o.seek(names, func(_ string, raw json.RawMessage) (is bool) {
		if inner, err := readObject(raw); err == nil {
			raw = inner.fields["name"]
		}
		text, is = textOf(raw)
		return is
	})
	return text
}

// Word is Text, or true or false.
func (o Object) Word(names ...string) (word string) {
	if word = o.Text(names...); word != "" {
		return word
	}
	o.seek(names, func(_ string, raw json.RawMessage) bool {
		if is := string(raw); is == "true" || is == "false" {
			word = is
		}
		return word != ""
	})
	return word
}

// Time is the first of these fields that is a moment, UTC; zero when there is none. One that is written without a zone is in this
// one; nil is UTC.
func (o Object) Time(zone *time.Location, names ...string) (at time.Time) {
	o.seek(names, func(_ string, raw json.RawMessage) bool {
		at, _ = momentIn(zone, raw)
		return !at.IsZero()
	})
	return at
}

// Day is the date that Time would read, where it is written without a time of day, as 2006-01-02; else "".
func (o Object) Day(names ...string) (day string) {
	o.seek(names, func(_ string, raw json.RawMessage) bool {
		at, _ := momentIn(nil, raw)
		if text, _ := textOf(raw); !at.IsZero() && strings.TrimSpace(text) == at.Format(time.DateOnly) {
			day = at.Format(time.DateOnly)
		}
		return !at.IsZero()
	})
	return day
}

func startsWith(body []byte, first byte) bool {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == first
}
