// Package providers knows every kind of secret.
package providers

import (
	"meshrotate/providers/rotations/codesigning"
	"meshrotate/providers/rotations/connector"
	"meshrotate/providers/rotations/license"
	"meshrotate/providers/rotations/relaykey"
	"meshrotate/providers/rotations/serviceaccount"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/reconciler"
	"meshrotate/specs"
)

// Kinds are all kinds of secret, in the order in which plans show them. A new one is one line here.
func Kinds() []reconciler.Kind {
	return []reconciler.Kind{
		license.Kind(),
		relaykey.Kind(),
		sqllogin.Kind(),
		connector.Kind(),
		serviceaccount.Kind(),
		codesigning.Kind(),
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
