package specs

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// FieldName is how a field is called in the document, and whether its own fields stand in its place.
func FieldName(f reflect.StructField) (name string, inline bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, name == "" && slices.Contains(strings.Split(options, ","), "inline")
}

// rootPath is the path of a part of the document, with room below.
func rootPath(part ...string) []string { return append(make([]string, 0, 16), part...) }

// eachSource calls yield for every Source in a part of the document: a field that is added is found, too. Paths below
// are written one over the other, as far as path has room: ten thousand hosts would have dozens each.
func eachSource(v reflect.Value, path []string, yield func(path []string, s *Source)) {
	switch v.Kind() {
	case reflect.Interface:
		eachSource(v.Elem(), path, yield)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String {
			return // ten thousand hosts
		}
		for i := range v.Len() {
			eachSource(v.Index(i), append(path, strconv.Itoa(i)), yield)
		}
	case reflect.Pointer:
		if s, ok := v.Interface().(*Source); ok && s != nil {
			yield(slices.Clone(path), s)
		} else if !v.IsNil() {
			eachSource(v.Elem(), path, yield)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[Source]() {
			s := v.Interface().(Source)
			yield(slices.Clone(path), &s)
			return
		}
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				continue // nothing is said there: so it is of most of ten thousand hosts
			}
			f := v.Type().Field(i)
			switch name, inline := FieldName(f); {
			case inline:
				eachSource(v.Field(i), path, yield)
			case name != "" && name != "-":
				eachSource(v.Field(i), append(path, name), yield)
			}
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			eachSource(v.MapIndex(k), append(path, k.String()), yield)
		}
	}
}

// Credentials are the sources of all that is signed in with.
func (d *Deployment) Credentials() (all []Source) {
	for _, v := range []any{d.Connect, d.State} {
		eachSource(reflect.ValueOf(v), rootPath(), func(_ []string, s *Source) { all = append(all, *s) })
	}
	return all
}

// eachKept calls yield for every place in which a value is kept besides, with the source of that value, which stands beside it.
func eachKept(v reflect.Value, path []string, yield func(path []string, from Source, keep Place)) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			eachKept(v.Elem(), path, yield)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String {
			return
		}
		for i := range v.Len() {
			eachKept(v.Index(i), append(path, strconv.Itoa(i)), yield)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			eachKept(v.MapIndex(k), append(path, k.String()), yield)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				continue
			}
			f := v.Type().Field(i)
			name, inline := FieldName(f)
			if f.Type == reflect.TypeFor[*Place]() {
				from, _ := v.FieldByName("From").Interface().(Source)
				yield(under(path, name), from, *v.Field(i).Interface().(*Place))
			} else if inline {
				eachKept(v.Field(i), path, yield)
			} else if name != "" && name != "-" {
				eachKept(v.Field(i), append(path, name), yield)
			}
		}
	}
}
