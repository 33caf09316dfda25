package adminapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// keyed says that the answer is an object of nothing but objects without a list in them.
func keyed(body []byte) bool {
	o, err := readObject(body)
	for _, raw := range o.fields {
		inner, err := readObject(raw)
		if err != nil || slices.ContainsFunc(slices.Collect(maps.Values(inner.fields)), func(raw json.RawMessage) bool { return startsWith(raw, '[') }) {
			return false
		}
	}
	return err == nil && len(o.fields) > 0
}

// turn is an object on the way to a list, and the field by which the way goes on.
type turn struct {
	Object
	to string
}

// listOf finds an answer's list where an earlier answer had it; of the first one, wherever it is.
func listOf(body []byte, p *places, of string) (list []Object, way []turn, ok bool) {
	thing := "list " + of
	if at := p.of(thing); len(at) > 0 {
		if list, way, ok = listsOn(body, at); ok || len(at) == 1 {
			return list, way, ok
		}
	}
	if list, way, ok = listIn(body, most); ok && len(list) > 0 {
		p.note(thing, wayTo(way))
	}
	return list, way, ok
}

// wayTo is a way to a list, to go it again.
func wayTo(way []turn) (at string) {
	for _, t := range way {
		at += t.to + between
	}
	return at
}

// listOn is the list at the end of a way, and nowhere else.
func listOn(body []byte, at string) (list []Object, way []turn, ok bool) {
	for at != "" {
		var name string
		name, at, _ = strings.Cut(at, between)
		o, err := readObject(body)
		if err != nil {
			return nil, nil, false
		}
		way, body = append(way, turn{o, name}), o.fields[name]
	}
	list, ok = entriesOf(body)
	return list, way, ok
}

// entriesOf reads a list of objects.
func entriesOf(body []byte) (list []Object, ok bool) {
	var entries []map[string]json.RawMessage
	if !startsWith(body, '[') || json.Unmarshal(body, &entries) != nil {
		return nil, false
	}
	list = make([]Object, len(entries))
	for i, raw := range entries {
		list[i].fields = plainly(raw)
	}
	return list, true
}

// listIn finds a list of objects: the answer itself, a field of it by a usual name, or the one in an object in it; with the objects
// on the way.
func listIn(body []byte, depth int) (list []Object, way []turn, ok bool) {
	if startsWith(body, '[') {
		list, ok = entriesOf(body)
		return list, nil, ok
	}
	o, err := readObject(body)
	if err != nil || depth == 0 {
		return nil, nil, false
	}
	only, at, one := onlyList(o)
	for _, name := range listFields {
		if list, ok = entriesOf(o.fields[name]); ok && (len(list) > 0 || !one) {
			return list, []turn{{o, name}}, true
		}
	}
	if one {
		return only, []turn{{o, at}}, true
	}
	list, ok = nil, false
	for name, raw := range o.fields {
		if !startsWith(raw, '{') {
			continue
		}
		if inner, on, found := listIn(raw, depth-1); found {
			if ok {
				return nil, nil, false // nobody knows which
			}
			list, way, ok = inner, append([]turn{{o, name}}, on...), true
		}
	}
	return list, way, ok
}

// listAt is the list at a path, with the objects on the way.
func listAt(body []byte, path string) (list []Object, way []turn, ok bool) {
	for path != "" {
		o, err := readObject(body)
		if err != nil {
			return nil, nil, false
		}
		name := plainName(path)
		if body = o.fields[name]; body == nil {
			name, path, _ = strings.Cut(path, ".")
			name = plainName(name)
			body = o.fields[name]
		} else {
			path = ""
		}
		way = append(way, turn{o, name})
	}
	list, on, ok := listIn(body, most)
	return list, append(way, on...), ok
}

// onlyList is the one list of an object that has objects in it, whatever its name. An empty one could be of anything.
func onlyList(o Object) (list []Object, at string, ok bool) {
	for name, raw := range o.fields {
		if slices.Contains(pagingFields, name) {
			continue
		}
		some, is := entriesOf(raw)
		if !is || len(some) == 0 {
			continue
		}
		if ok {
			return nil, "", false // nobody knows which
		}
		list, at, ok = some, name, true
	}
	return list, at, ok
}

// several says that an answer, or an object in it, holds more lists than one.
func several(body []byte, depth int) bool {
	o, _ := readObject(body)
	n := 0
	for name, raw := range o.fields {
		if slices.Contains(pagingFields, name) {
			continue
		}
		if list, _, ok := listIn(raw, depth); ok && len(list) > 0 {
			n++
		} else if depth > 0 && startsWith(raw, '{') && several(raw, depth-1) {
			return true
		}
	}
	return n > 1
}
