package adminapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Object is an object that the Admin API answered, of which nobody here knows what it means.
type Object struct {
	Answer Answer
	fields map[string]json.RawMessage // by lower-case name
}

// Text is the first of these fields that is there, whatever its name's case: a text, or a number as .NET writes an
// enumeration. "" when there is none.
func (o Object) Text(names ...string) string {
	for _, n := range names {
		if text, ok := textOf(o.fields[strings.ToLower(n)]); ok {
			return text
		}
	}
	return ""
}

// Time is the first of these fields that is a moment, UTC; zero when there is none.
func (o Object) Time(names ...string) time.Time {
	for _, n := range names {
		if at, _ := momentOf(o.fields[strings.ToLower(n)]); !at.IsZero() {
			return at
		}
	}
	return time.Time{}
}

// readObject reads an object. Names are matched whatever their case, as encoding/json does.
func readObject(body []byte) (Object, error) {
	var raw map[string]json.RawMessage
	if !startsWith(body, '{') || json.Unmarshal(body, &raw) != nil {
		return Object{}, notJSON(body, "an object")
	}
	o := Object{fields: make(map[string]json.RawMessage, len(raw))}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		o.fields[strings.ToLower(name)] = raw[name]
	}
	return o, nil
}

// within adds what stands in the one object of an object, as {"data": {…}} has it, unless the outer one has such a field itself.
func (o Object) within() Object {
	var inner []Object
	for _, raw := range o.fields {
		if i, err := readObject(raw); err == nil {
			inner = append(inner, i)
		}
	}
	if len(inner) != 1 {
		return o
	}
	for name, raw := range inner[0].fields {
		if _, own := o.fields[name]; !own {
			o.fields[name] = raw
		}
	}
	return o
}

// readList reads an array of objects, or an object with exactly one array in it.
func readList(body []byte) ([]Object, error) {
	bad := notJSON(body, "a list of objects")
	if startsWith(body, '{') {
		var fields map[string]json.RawMessage
		if json.Unmarshal(body, &fields) != nil {
			return nil, bad
		}
		body = nil
		for _, raw := range fields {
			if !startsWith(raw, '[') {
				continue
			}
			if body != nil {
				return nil, bad
			}
			body = raw
		}
	}
	var raw []json.RawMessage
	if !startsWith(body, '[') || json.Unmarshal(body, &raw) != nil {
		return nil, bad
	}
	list := make([]Object, 0, len(raw))
	for _, r := range raw {
		o, err := readObject(r)
		if err != nil {
			return nil, bad
		}
		list = append(list, o)
	}
	return list, nil
}

func readDashboard(body []byte) error {
	if !json.Valid(body) || !(startsWith(body, '{') || startsWith(body, '[')) {
		return notJSON(body, "a dashboard")
	}
	return nil
}

func startsWith(body []byte, first byte) bool {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == first
}

func notJSON(body []byte, want string) error {
	return &Error{Kind: WrongContent, Detail: "the answer is not " + want, otherwise: json.Valid(body)}
}
