package trust

import (
	"reflect"
	"slices"
	"strings"

	"meshrotate/specs"
)

// below says that something at the path or under it is in doubt.
func (b *binder) below(path string) bool {
	for p := range b.doubted {
		if rest, found := strings.CutPrefix(p, path); found && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// revert gives what is in doubt the value of the trusted side. What is whole there, or not there at all, is taken or left out as a
// whole: half a thing is none.
func (b *binder) revert(is, was reflect.Value, path string) {
	if !b.below(path) && path != "" {
		return
	}
	switch is.Kind() {
	case reflect.Struct:
		b.revertFields(is, was, path)
	case reflect.Map:
		b.revertMap(is, was, path)
	case reflect.Slice:
		if is.Type().Elem().Kind() == reflect.Struct {
			b.revertList(is, was, path)
		} else {
			is.Set(was)
		}
	case reflect.Pointer:
		if _, source := is.Interface().(*specs.Source); source || is.IsNil() || was.IsNil() {
			is.Set(was)
		} else {
			b.revert(is.Elem(), was.Elem(), path)
		}
	default:
		is.Set(was)
	}
}

func (b *binder) revertFields(is, was reflect.Value, path string) {
	if _, one := whole(is); one {
		is.Set(was)
		return
	}
	for f := range fields(is) { // a version whose source is in doubt is not wanted
		if class, _ := tagOf(f); class == Value && b.below(join(path, f)) {
			is.Set(was)
			return
		}
	}
	for f, field := range fields(is) {
		b.revert(field, was.FieldByIndex(f.Index), join(path, f))
	}
}

func (b *binder) revertMap(is, was reflect.Value, path string) {
	if is.IsNil() {
		is.Set(was)
		return
	}
	for _, k := range slices.Concat(sorted(is), sorted(was)) {
		at, now, then := in(path, k.String()), is.MapIndex(k), was.MapIndex(k)
		switch {
		case !b.below(at):
		case !now.IsValid() || !then.IsValid(): // an invalid value deletes
			is.SetMapIndex(k, then)
		case now.Kind() == reflect.Interface: // a section: a pointer to its own type
			b.revert(now.Elem().Elem(), then.Elem().Elem(), at)
		default:
			copied := reflect.New(now.Type()).Elem()
			copied.Set(now)
			b.revert(copied, then, at)
			is.SetMapIndex(k, copied)
		}
	}
	if is.Len() == 0 {
		is.Set(was)
	}
}

// revertList keeps the order of the trusted side, and what the request adds at the end.
func (b *binder) revertList(is, was reflect.Value, path string) {
	asked, agreed := names(is), names(was)
	all := reflect.MakeSlice(is.Type(), 0, is.Len()+was.Len())
	for i, name := range agreed {
		j := slices.Index(asked, name)
		if j < 0 {
			all = reflect.Append(all, was.Index(i))
			continue
		}
		b.revert(is.Index(j), was.Index(i), in(path, name))
		all = reflect.Append(all, is.Index(j))
	}
	for j, name := range asked {
		if !slices.Contains(agreed, name) && !b.below(in(path, name)) {
			all = reflect.Append(all, is.Index(j))
		}
	}
	is.Set(all)
}
