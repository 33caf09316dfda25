package providers_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"meshrotate/providers/lab"
	"meshrotate/providers/live"
	"meshrotate/providers/rotations/connector"
	"meshrotate/specs"
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

// hooks lets a program of the operator change the sources, before the secrets are set or after: "connector/after". What a source
// took before is good there for a while.
func (w *world) hooks(kinds []string) {
	for _, k := range kinds {
		mode, _ := strings.CutPrefix(k, "connector/")
		if mode == k {
			continue
		}
		spec := w.connectorSpec()
		spec.Hook = connector.Hook{Program: os.Args[0], Timeout: specs.MustDuration("1m")} // a program that is there
		for i := range spec.Secrets {
			ref := spec.Secrets[i].Ref
			spec.Secrets[i].Source = connector.Source{Changed: mode, By: "hook"}
			old, _ := w.lab.ConnectorSecrets(ref)
			w.lab.Accept(ref, old)
		}
		w.program = func(_ context.Context, p live.Program) ([]byte, error) {
			ref := refOf(p)
			old, _ := w.lab.ConnectorSecrets(ref)
			w.lab.Accept(ref, old, string(p.Input.Expose()))
			return p.Input.Expose(), nil
		}
	}
}

// refOf is the reference that a program is told.
func refOf(p live.Program) string {
	for _, e := range p.Env {
		if ref, ok := strings.CutPrefix(e, "MESHROTATE_REF="); ok {
			return ref
		}
	}
	return ""
}
