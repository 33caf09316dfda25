package specs

import (
	"reflect"
	"slices"
	"strings"
)

// FieldName is how a field is called in the document, and whether its own fields stand in its place.
func FieldName(f reflect.StructField) (name string, inline bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, name == "" && slices.Contains(strings.Split(options, ","), "inline")
}

// eachSource calls yield for every Source in a part of the document: a field that is added is found, too.
func eachSource(v reflect.Value, path []string, yield func(path []string, s *Source)) {
	switch v.Kind() {
	case reflect.Pointer:
		if s, ok := v.Interface().(*Source); ok && s != nil {
			yield(path, s)
		} else if !v.IsNil() {
			eachSource(v.Elem(), path, yield)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch name, inline := FieldName(f); {
			case inline:
				eachSource(v.Field(i), path, yield)
			case name != "" && name != "-":
				eachSource(v.Field(i), under(path, name), yield)
			}
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			eachSource(v.MapIndex(k), under(path, k.String()), yield)
		}
	}
}
