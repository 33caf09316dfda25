// Package providers connects the reconciler to the world: it knows every kind of secret, and opens the site that a
// document describes.
package providers

import (
	"meshrotate/providers/rotations/license"
	"meshrotate/providers/rotations/relaykey"
	"meshrotate/reconciler"
	"meshrotate/specs"
)

// Kinds are all kinds of secret, in the order in which plans show them. A new one is one line here.
func Kinds() []reconciler.Kind {
	return []reconciler.Kind{
		license.Kind(),
		relaykey.Kind(),
	}
}

// Sections are what the kinds add to the document.
func Sections() []specs.Section {
	var sections []specs.Section
	for _, k := range Kinds() {
		sections = append(sections, k.Section)
	}
	return sections
}

// Rotations are those that a document asks for.
func Rotations(d *specs.Deployment) ([]reconciler.Rotation, error) {
	var all []reconciler.Rotation
	for _, k := range Kinds() {
		spec, declared := d.Secrets[k.Section.Key]
		if !declared {
			continue
		}
		some, err := k.New(d, spec)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}
