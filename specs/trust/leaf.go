// Package trust says what of a document is believed. Whoever may propose a document may say what is wanted: versions, cadence,
// policy that tightens, longer waits. Who is contacted, with which credential, program and state, is taken from the trusted side: the
// base revision, an operator's file, or both.
//
// What a field is, its type says with the tag `trust`. A field without one belongs to the trusted side, and a test demands a
// tag of every field.
package trust

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"meshrotate/specs"
)

// Class is what a field of the document decides.
type Class string

// The classes. Of the trusted side are all but Wanted, and Less and Guard where they tighten.
const (
	Wanted     Class = "wanted"
	Less       Class = "less"       // policy: a smaller number, or fewer names, is tighter
	More       Class = "more"       // how long something is waited for: who shortens it may have it cut off in its middle, who lengthens it keeps services down
	Guard      Class = "guard"      // what refuses a value: it may be added by anybody, a span made shorter, and a day (guard,later) put off
	Either     Class = "either"     // how long something old stays good: who lengthens it keeps what may be known, who shortens it takes it from whoever needs it
	Signer     Class = "signer"     // files with keys
	Value      Class = "value"      // where a rotated value comes from: wanted if it is generated, or a file of the revision
	Deployment Class = "deployment" // whose ledger it is
	Host       Class = "host"
	URL        Class = "url"
	SignIn     Class = "signIn"     // as whom, and how
	Credential Class = "credential" // a source
	Variable   Class = "variable"   // of the environment, given to a program
	Keep       Class = "keep"       // a place in a store that is written to
	File       Class = "file"       // what is trusted, read from the trusted side
	Local      Class = "local"      // as File, but always of the machine
	Program    Class = "program"
	State      Class = "state"
	Target     Class = "target" // what is looked at and changed on the hosts
)

// Classes are those that a tag may name.
func Classes() []Class {
	return []Class{Wanted, Less, More, Guard, Either, Signer, Value, Deployment, Host, URL, SignIn, Credential, Variable, Keep, File, Local, Program, State, Target}
}

// tagOf reads a field's tag: its class, and whether it tells the items of a list apart.
func tagOf(f reflect.StructField) (c Class, key bool) {
	class, rest, _ := strings.Cut(f.Tag.Get("trust"), ",")
	return Class(class), rest == "key"
}

// leaf is one thing that a document says.
type leaf struct {
	path  string
	class Class
	text  string
	from  *specs.Source // of a source
	items []string      // of a list whose order counts
	much  *float64      // of a span or a number: a name may look like one
}

// leaves are all that a part of a document says, in its order.
func leaves(v reflect.Value, path string, class Class) []leaf {
	if one, ok := whole(v); ok {
		if v.IsZero() {
			return nil
		}
		text := one.String()
		from, source := v.Interface().(specs.Source)
		if source && class == Value {
			text = from.Where() // which of a store's versions is wanted, a request may say
		}
		if place, keep := v.Interface().(specs.Place); keep {
			from.Item.Place = place
		}
		return []leaf{{path: path, class: class, text: text, from: &from, much: much(v)}}
	}
	var all []leaf
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return leaves(v.Elem(), path, class)
		}
	case reflect.Struct:
		for f, field := range fields(v) {
			own, _ := tagOf(f)
			if own == "" {
				own = class
			}
			if left := leftOut(f); left != "" && field.IsZero() {
				all = append(all, leaf{path: join(path, f), class: own, text: left})
			}
			found := leaves(field, join(path, f), own)
			if _, more, _ := strings.Cut(f.Tag.Get("trust"), ","); more == "later" {
				for i := range found {
					found[i].much = early(found[i].text)
				}
			}
			all = append(all, found...)
		}
	case reflect.Map:
		for _, k := range sorted(v) {
			all = append(all, leaves(v.MapIndex(k), in(path, k.String()), class)...)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String {
			return texts(v, path, class)
		}
		for i, name := range names(v) {
			all = append(all, leaves(v.Index(i), in(path, name), class)...)
		}
	default:
		if !v.IsZero() {
			return []leaf{{path: path, class: class, text: fmt.Sprint(v.Interface()), much: much(v)}}
		}
	}
	return all
}

// much is how much a span or a number is.
func much(v reflect.Value) *float64 {
	if d, span := v.Interface().(specs.Duration); span {
		return &d.Seconds
	}
	if v.CanInt() {
		n := float64(v.Int())
		return &n
	}
	return nil
}

// early is more for an earlier day.
func early(day string) *float64 {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil
	}
	n := -float64(at.Unix())
	return &n
}

// leftOut is what a field says that is left out, where that is something: to write it is to change it.
func leftOut(f reflect.StructField) string {
	switch _, more, _ := strings.Cut(f.Tag.Get("trust"), ","); more {
	case "all":
		return "all"
	case "live":
		return "as the live one has it"
	}
	return ""
}

// joined is one text for several: no other items have the same.
func joined(items []string) string {
	quoted := make([]string, len(items))
	for i, item := range items {
		if quoted[i] = item; strings.Contains(item, ", ") || strings.HasPrefix(item, `"`) {
			quoted[i] = strconv.Quote(item)
		}
	}
	return strings.Join(quoted, ", ")
}

// texts are the items of a list: hosts one by one, whatever ranges they are written in. Of a guard, and of a program's arguments, the order counts.
func texts(v reflect.Value, path string, class Class) []leaf {
	var items []string
	for i := range v.Len() {
		items = append(items, v.Index(i).String())
	}
	switch {
	case (class == Guard || class == Program) && len(items) > 0:
		return []leaf{{path: path, class: class, text: joined(items), items: items}}
	case class == Host || class == Less:
		var hosts []string
		for _, item := range items {
			if expanded, err := specs.Expand(item); err == nil {
				hosts = append(hosts, expanded...)
			} else {
				hosts = append(hosts, item)
			}
		}
		items = hosts
	}
	all := make([]leaf, len(items))
	for i, item := range items {
		all[i] = leaf{path: path, class: class, text: item}
	}
	return all
}

// whole says that a struct is one thing to the reader: a source, a span.
func whole(v reflect.Value) (fmt.Stringer, bool) {
	if v.Kind() != reflect.Struct {
		return nil, false
	}
	one, ok := v.Interface().(fmt.Stringer)
	return one, ok
}

// fields are those of a struct that stand in the document; what is inline is a field without a name.
func fields(v reflect.Value) func(yield func(reflect.StructField, reflect.Value) bool) {
	return func(yield func(reflect.StructField, reflect.Value) bool) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, inline := specs.FieldName(f)
			if (inline || name != "" && name != "-") && !yield(f, v.Field(i)) {
				return
			}
		}
	}
}

// join is the path of a field.
func join(path string, f reflect.StructField) string {
	name, _ := specs.FieldName(f)
	return strings.Trim(path+"."+name, ".")
}

func sorted(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// in is the path of what stands under a key.
func in(path, key string) string {
	if key == "" || strings.ContainsFunc(key, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
		return fmt.Sprintf("%s[%q]", path, key)
	}
	return path + "." + key
}

// names tells the items of a list apart, whatever their order: by the field that is tagged as the key, else by their place.
func names(list reflect.Value) []string {
	all, seen := make([]string, list.Len()), map[string]int{}
	for i := range all {
		if all[i] = keyOf(list.Index(i)); all[i] == "" {
			all[i] = strconv.Itoa(i)
		}
		if seen[all[i]]++; seen[all[i]] > 1 {
			all[i] += fmt.Sprintf(" (%d)", seen[all[i]])
		}
	}
	return all
}

func keyOf(item reflect.Value) string {
	if item.Kind() != reflect.Struct {
		return ""
	}
	for f, v := range fields(item) {
		if _, key := tagOf(f); key {
			return v.String()
		}
	}
	return ""
}

// paths are the full paths that a program and its arguments name: alone, behind a flag (-f/path, --flag=/path), or in a list. It runs in
// its own folder: what is not a full path is one from there.
func (l leaf) paths(folder string) (all []string) {
	add := func(path string) {
		switch {
		case filepath.IsAbs(path):
			all = append(all, path)
		case folder != "":
			all = append(all, filepath.Join(folder, path))
		}
	}
	for _, item := range append(slices.Clone(l.items), l.text) {
		for i := range item {
			begins := i == 0 || !inPath(item[i-1]) || i == 2 && item[0] == '-'
			if !begins {
				continue
			}
			add(item[i:])
			if end := strings.IndexAny(item[i+1:], ",;\"'` \t\r\n)}]<>|&="+string(filepath.ListSeparator)); end >= 0 {
				add(item[i : i+1+end])
			}
		}
	}
	return all
}

// orWord is the way on where a word of an argument is no path, and is taken for one.
func (l leaf) orWord(path string) string {
	if slices.ContainsFunc(l.items, func(item string) bool { return strings.Contains(item, path) }) || !strings.HasSuffix(l.path, ".args") {
		return ""
	}
	return fmt.Sprintf("; a word counts as a path from the program's folder: where %q is none, keep the program in another folder", filepath.Base(path))
}

// inPath says that a path goes on behind such a letter; behind others one may begin.
func inPath(c byte) bool {
	return c >= 0x80 || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("/\\._-+~%", c) >= 0
}
