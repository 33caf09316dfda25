package appsettings

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// kind is what stands at a node. The zero kind is no value: a section, or a name on the way to one.
type kind byte

const (
	absent kind = iota
	null
	quoted
	number
	yes
	no
	emptyObject
	emptyArray
)

// node is one segment of a key, "Setting" of "Some:Setting".
type node struct {
	parent   int32
	kind     kind
	name     string // as first spelled
	at       int    // where it first stands
	from, to int    // the value's bytes, unless the kind is absent
}

// tree holds the keys of a file by segment, so that nested and flat spellings meet at one node and no path is ever held
// whole: its size stays in proportion to the file's. Node 0 is the root.
type tree struct {
	nodes []node
	index map[edge]int32
}

// edge leads from a node to its child. The name is folded.
type edge struct {
	parent int32
	name   string
}

func newTree() tree {
	return tree{nodes: make([]node, 1), index: map[edge]int32{}}
}

// descend goes from a node to the one that a name leads to, and makes what is missing on the way.
func (t *tree) descend(i int32, name string, at int) int32 {
	for segment := range strings.SplitSeq(name, ":") {
		e := edge{i, fold(segment)}
		child, ok := t.index[e]
		if !ok {
			child = int32(len(t.nodes))
			t.nodes = append(t.nodes, node{parent: i, name: segment, at: at})
			t.index[e] = child
		}
		i = child
	}
	return i
}

// find goes where a key leads. When it is not there, it returns the deepest section that is.
func (t *tree) find(key string) (int32, bool) {
	var i int32
	for segment := range strings.SplitSeq(key, ":") {
		child, ok := t.index[edge{i, fold(segment)}]
		if !ok {
			return i, false
		}
		i = child
	}
	return i, true
}

// key is a node's whole key, quoted, and cut when it is too long to show.
func (t *tree) key(i int32) string { return show(t.path(i)) }

// path is a node's whole key.
func (t *tree) path(i int32) string {
	var segments []string
	for ; i != 0; i = t.nodes[i].parent {
		segments = append(segments, t.nodes[i].name)
	}
	slices.Reverse(segments)
	return strings.Join(segments, ":")
}

// show quotes a key for a message. A key can be as long as a file; a message cannot.
func show(key string) string {
	const most = 200
	if len(key) > most {
		return strconv.Quote(key[:most]) + "…"
	}
	return strconv.Quote(key)
}

// fold makes names equal that .NET's StringComparer.OrdinalIgnoreCase takes for equal: each character in upper case by
// Unicode's simple mapping. .NET leaves two characters alone that would otherwise become ASCII letters.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r == 'ı' || r == 'ſ' {
			return r
		}
		return unicode.ToUpper(r)
	}, name)
}
