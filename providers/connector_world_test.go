package providers_test

import (
	"fmt"
	"slices"

	"meshrotate/providers/lab"
)

// connectors is how many connectors' secrets a document of these kinds declares.
func connectors(kinds []string) int {
	if slices.ContainsFunc(kinds, func(k string) bool { return kindOf(k) == "connector" }) {
		return 2
	}
	return 0
}

// connects: this version of every connector's secret is stored, opens on the Engine host, and is taken by its source.
func (w *world) connects(version string) error {
	for _, ref := range w.lab.Refs() {
		old, next := w.lab.ConnectorSecrets(ref)
		want := map[string]string{lab.OldConnector: old, lab.NewConnector: next}[version]
		got, _, ok := w.lab.Stored(ref)
		switch {
		case !ok:
			return fmt.Errorf("%s is not stored, or does not open", ref)
		case got != want:
			return fmt.Errorf("%s is stored with another value than that of version %s", ref, version)
		case !w.lab.Works(ref):
			return fmt.Errorf("%s is not taken by its source", ref)
		}
	}
	return nil
}
