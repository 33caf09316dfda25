// Command write generates specs/schema.json. It is run in the specs folder by go generate.
package main

import (
	"fmt"
	"os"

	"meshrotate/providers/rotations/license"
	"meshrotate/providers/rotations/relaykey"
	"meshrotate/specs"
	"meshrotate/specs/schemagen"
)

func main() {
	schema, err := schemagen.Generate([]specs.Section{license.Kind().Section, relaykey.Kind().Section})
	if err == nil {
		err = os.WriteFile("schema.json", schema, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
