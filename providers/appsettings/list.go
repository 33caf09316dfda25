package appsettings

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// List is what a file says of a key that holds several texts. They are no secrets.
type List struct {
	// Found says that the key is there, be it without a member.
	Found bool
	// Members are the texts, in the order in which .NET binds them: by number, then by name.
	Members []string
	// Text says that they stand in one text, with commas or semicolons between them: .NET itself makes no list of that.
	Text bool
}

// GetList reads an array, an object with a member for each text, the same spelled flat, or one text. A key that the file does
// not hold is no error. An error is a *RefusedError, or says that the key holds something else.
func GetList(file []byte, key string) (List, error) {
	d, err := read(file)
	if err != nil {
		return List{}, err
	}
	l, err := d.list(key)
	return l.List, err
}

// Array is how many members a key has in a file that has an array there, be it an empty one: a stronger file's array with as many takes the
// place of them all. ok is false where the file has something else there.
func Array(file []byte, key string) (n int, ok bool) {
	d, err := read(file)
	if err != nil {
		return 0, false
	}
	l, err := d.list(key)
	if err != nil || l.Text {
		return 0, false
	}
	for i, m := range l.members {
		if n := d.nodes[m]; n.at != n.from || n.name != strconv.Itoa(i) { // what has a name may lose its number
			return 0, false
		}
	}
	return len(l.members), true
}

// list is a List with its place.
type list struct {
	List
	node    int32   // of the key
	members []int32 // their nodes, in the order of Members
	whole   string  // the one text
}

func (d *document) list(key string) (list, error) {
	i, ok := d.find(key)
	l := list{node: i}
	if !ok {
		return l, nil
	}
	for j, n := range d.nodes {
		if j > 0 && n.parent == i {
			l.members = append(l.members, int32(j))
		}
	}
	slices.SortStableFunc(l.members, func(a, b int32) int { return byNumber(d.nodes[a].name, d.nodes[b].name) })
	own := d.nodes[i]
	line, column := position(d.utf8, own.at)
	scalar := own.kind != absent && own.kind != emptyArray && own.kind != emptyObject && own.kind != null
	if scalar && len(l.members) > 0 {
		return l, fmt.Errorf("%s: holds a text and a list at once, at line %d, column %d", show(key), line, column)
	}
	for _, m := range l.members {
		text, ok := d.value(d.nodes[m])
		if !ok {
			return l, fmt.Errorf("%s: member %s is no text, at line %d, column %d", show(key), show(d.nodes[m].name), line, column)
		}
		l.Members = append(l.Members, string(text))
	}
	if l.Found = true; scalar {
		text, _ := d.value(own)
		l.Text, l.whole = true, string(text)
		for _, part := range parts(l.whole) {
			if part = strings.TrimSpace(part); part != "" { // the blanks are the text's: an edit keeps them
				l.Members = append(l.Members, part)
			}
		}
	}
	return l, nil
}

// byNumber is the order of .NET's ConfigurationKeyComparer, for one segment.
func byNumber(a, b string) int {
	n, errA := strconv.Atoi(a)
	m, errB := strconv.Atoi(b)
	switch {
	case errA == nil && errB == nil:
		return cmp.Compare(n, m)
	case errA == nil:
		return -1
	case errB == nil:
		return 1
	}
	return strings.Compare(fold(a), fold(b))
}

func parts(text string) []string { return strings.FieldsFunc(text, isSeparator) }

func isSeparator(r rune) bool { return r == ',' || r == ';' }
