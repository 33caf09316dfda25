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

// listIn finds a list of objects: the answer itself, a field of it by a usual name, or the one in an object in it; with the objects
// on the way.
func listIn(body []byte, depth int) (list []Object, way []Object, ok bool) {
	if startsWith(body, '[') {
		var entries []map[string]json.RawMessage
		if json.Unmarshal(body, &entries) != nil {
			return nil, nil, false
		}
		list = make([]Object, len(entries))
		for i, raw := range entries {
			list[i].fields = plainly(raw)
		}
		return list, nil, true
	}
	o, err := readObject(body)
	if err != nil || depth == 0 {
		return nil, nil, false
	}
	for _, name := range listFields {
		if raw := o.fields[name]; startsWith(raw, '[') {
			if list, _, ok = listIn(raw, depth); ok {
				return list, []Object{o}, true
			}
		}
	}
	if list, ok = onlyList(o); ok {
		return list, []Object{o}, true
	}
	for _, raw := range o.fields {
		if !startsWith(raw, '{') {
			continue
		}
		if inner, on, found := listIn(raw, depth-1); found {
			if ok {
				return nil, nil, false // nobody knows which
			}
			list, way, ok = inner, append([]Object{o}, on...), true
		}
	}
	return list, way, ok
}

// listAt is the list at a path, with the objects on the way.
func listAt(body []byte, path string) (list []Object, way []Object, ok bool) {
	for path != "" {
		o, err := readObject(body)
		if err != nil {
			return nil, nil, false
		}
		var name string
		if body = o.fields[plainName(path)]; body == nil {
			name, path, _ = strings.Cut(path, ".")
			body = o.fields[plainName(name)]
		} else {
			path = ""
		}
		way = append(way, o)
	}
	list, on, ok := listIn(body, most)
	return list, append(way, on...), ok
}

// onlyList is the one list of an object that has objects in it, whatever its name. An empty one could be of anything.
func onlyList(o Object) (list []Object, ok bool) {
	for name, raw := range o.fields {
		if !startsWith(raw, '[') || slices.Contains(pagingFields, name) {
			continue
		}
		some, _, is := listIn(raw, most)
		if !is || len(some) == 0 {
			continue
		}
		if ok {
			return nil, false // nobody knows which
		}
		list, ok = some, true
	}
	return list, ok
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
