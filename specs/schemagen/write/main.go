// Command write generates specs/schema.json. It is run in the specs folder by go generate.
package main

import (
	"fmt"
	"os"

	"meshrotate/providers"
	"meshrotate/specs/schemagen"
)

func main() {
	schema, err := schemagen.Generate(providers.Sections())
	if err == nil {
		err = os.WriteFile("schema.json", schema, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
