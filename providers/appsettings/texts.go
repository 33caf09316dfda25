package appsettings

import "meshrotate/reconciler/secret"

// Text is a text of a file, with its key as .NET names it.
type Text struct {
	Key   string
	Value secret.Value
}

// Texts are all texts of a file that are not empty.
func Texts(file []byte) (all []Text, err error) {
	d, err := read(file)
	if err != nil {
		return nil, err
	}
	for i, n := range d.nodes {
		if n.kind != quoted {
			continue
		}
		if value := unquote(d.utf8[n.from:n.to]); len(value) > 0 {
			all = append(all, Text{d.path(int32(i)), secret.New(value)})
		}
	}
	return all, nil
}
