package live

import (
	"iter"
	"slices"
)

// few is a map with an entry or two, as a host has of its services and files. A Go map has room for eight from the first on: for ten
// thousand hosts that is ten megabytes.
type few[V any] []named[V]

type named[V any] struct {
	name  string
	value V
}

func (f few[V]) find(name string) (value V, ok bool) {
	for _, e := range f {
		if e.name == name {
			return e.value, true
		}
	}
	return value, false
}

// of is the value, zero where there is none.
func (f few[V]) of(name string) V {
	value, _ := f.find(name)
	return value
}

func (f *few[V]) put(name string, value V) {
	for i, e := range *f {
		if e.name == name {
			(*f)[i].value = value
			return
		}
	}
	*f = append(*f, named[V]{name, value})
}

// all are the entries by name, sorted.
func (f few[V]) all() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, name := range f.names() {
			if !yield(name, f.of(name)) {
				return
			}
		}
	}
}

// names are those of all entries, sorted.
func (f few[V]) names() []string {
	all := make([]string, len(f))
	for i, e := range f {
		all[i] = e.name
	}
	slices.Sort(all)
	return all
}
