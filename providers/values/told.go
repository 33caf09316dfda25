package values

import (
	"errors"
	"strings"
)

// joined is errors.Join on one line: a finding has no lines.
func joined(all []error) error {
	if len(all) < 2 {
		return errors.Join(all...)
	}
	var texts []string
	for _, err := range all {
		texts = append(texts, err.Error())
	}
	return oneLine{errors.Join(all...), strings.Join(texts, "; ")}
}

type oneLine struct {
	error
	text string
}

func (o oneLine) Error() string { return o.text }
func (o oneLine) Unwrap() error { return o.error }

// at is where a kept value is, for people: not every place is a folder.
func (k *Keep) at(name string) string {
	if a, knows := k.blobs.(interface{ At(name string) string }); knows {
		return a.At(name)
	}
	return k.blobs.Place() + "/" + name
}
