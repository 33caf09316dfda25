package appsettings

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"

	"meshrotate/reconciler/secret"
)

// Edit gives a key a new value.
type Edit struct {
	Key   string
	Value secret.Value
}

// Set returns the file with a new value for one key. See SetAll.
func Set(file []byte, key string, v secret.Value) ([]byte, error) {
	return SetAll(file, []Edit{{key, v}})
}

// SetAll returns the file with new values for keys that it holds. Only the bytes of those values differ; a value that .NET
// already reads as asked keeps its bytes. A new value is written as a JSON string, whatever scalar was there before: to
// .NET's configuration everything is text.
//
// The result is read again before it is returned: .NET will read the new values from it, and every other key as before.
//
// An error means that nothing may be written. It is a *RefusedError when .NET would not read the file;
// otherwise a key is not there, holds an object or an array, is named twice, or its value cannot be written: a zero
// Value, or bytes that are not UTF-8.
func SetAll(file []byte, edits []Edit) ([]byte, error) {
	d, err := read(file)
	if err != nil {
		return nil, err
	}
	changes, err := d.plan(edits)
	if err != nil {
		return nil, err
	}
	after := d.splice(changes)
	if err := d.prove(after, changes); err != nil {
		return nil, fmt.Errorf("the edit was not made, it would not read back: %w", err)
	}
	return after, nil
}

// GetSettable is Get and Settable of one key. Refused is why Set could not replace its value.
func GetSettable(file []byte, key string) (s Setting, refused, err error) {
	d, err := read(file)
	if err != nil {
		return s, nil, err
	}
	_, refused = d.settable(key)
	return d.setting(key), refused, nil
}

// Settable says whether Set would find the keys in a file and could replace their values, without any value at hand.
func Settable(file []byte, keys ...string) error {
	d, err := read(file)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, err := d.settable(key); err != nil {
			return err
		}
	}
	return nil
}

// change replaces the value of a node.
type change struct {
	node  int32
	value []byte
}

// plan finds the nodes to change, in the order of the file.
func (d *document) plan(edits []Edit) ([]change, error) {
	var changes []change
	seen := map[int32]bool{}
	for _, e := range edits {
		i, err := d.settable(e.Key)
		if err != nil {
			return nil, err
		}
		value := e.Value.Expose()
		switch {
		case seen[i]:
			return nil, fmt.Errorf("%s: two edits of one key", show(e.Key))
		case e.Value.IsZero():
			return nil, fmt.Errorf("%s: no value given", show(e.Key))
		case !utf8.Valid(value):
			return nil, fmt.Errorf("%s: the new value is not UTF-8 text", show(e.Key))
		}
		seen[i] = true
		if now, ok := d.value(d.nodes[i]); !ok || !bytes.Equal(now, value) {
			changes = append(changes, change{i, value})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return d.nodes[a.node].from - d.nodes[b.node].from })
	return changes, nil
}

// settable finds the node of a key whose value is a scalar.
func (d *document) settable(key string) (int32, error) {
	i, ok := d.find(key)
	n := d.nodes[i]
	line, column := position(d.utf8, n.at)
	switch {
	case !ok && i == 0:
		return 0, fmt.Errorf("%s: not in the file, and no section of it", show(key))
	case !ok:
		return 0, fmt.Errorf("%s: not in the file; its place would be in %s, which starts at line %d, column %d", show(key), d.key(i), line, column)
	case n.kind == absent || n.kind == emptyObject || n.kind == emptyArray:
		return 0, fmt.Errorf("%s: holds an object or an array, not a value, at line %d, column %d", show(key), line, column)
	}
	return i, nil
}

// splice writes the file with the changes made. They are in the order of the file.
func (d *document) splice(changes []change) []byte {
	after, done := make([]byte, 0, len(d.file)+64), 0
	for _, c := range changes {
		n := d.nodes[c.node]
		from, to := d.offset(n.from), d.offset(n.to)
		after = append(after, d.file[done:from]...)
		after = append(after, d.encode(quote(c.value))...)
		done = to
	}
	return append(after, d.file[done:]...)
}

// prove reads the edited file and compares: the same keys in the same order, the new values, and all others untouched.
func (d *document) prove(file []byte, changes []change) error {
	after, err := read(file)
	if err != nil {
		return err
	}
	if len(after.nodes) != len(d.nodes) {
		return fmt.Errorf("it would hold %d keys and sections, not %d", len(after.nodes), len(d.nodes))
	}
	wanted := map[int32][]byte{}
	for _, c := range changes {
		wanted[c.node] = c.value
	}
	for i, was := range d.nodes {
		is := after.nodes[i]
		if is.parent != was.parent || is.name != was.name {
			return fmt.Errorf("%s: not where it was", d.key(int32(i)))
		}
		if want, changed := wanted[int32(i)]; changed {
			if now, ok := after.value(is); !ok || !bytes.Equal(now, want) {
				return fmt.Errorf("%s: not the new value", d.key(int32(i)))
			}
			continue
		}
		if is.kind != was.kind || !bytes.Equal(after.utf8[is.from:is.to], d.utf8[was.from:was.to]) {
			return fmt.Errorf("%s: changed unasked", d.key(int32(i)))
		}
	}
	return nil
}
