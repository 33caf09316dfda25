package main

import (
	"testing"

	"meshrotate/providers"
	"meshrotate/specs"
	"meshrotate/specs/schemagen"
)

// TestEmbeddedSchema fails when a type or a doc comment changed and go generate was not run.
func TestEmbeddedSchema(t *testing.T) {
	if err := schemagen.Compare(specs.Schema(), providers.Sections()); err != nil {
		t.Error(err)
	}
}
