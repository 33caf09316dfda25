package rotationtest

import (
	"strings"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// Document reads a document whose secrets are of one kind. Frame is what stands before its section and ends with the section's key;
// the section is written as at the left margin.
func Document(kind reconciler.Kind, frame, section string) (*specs.Deployment, error) {
	text := frame
	for line := range strings.Lines(section) {
		text += "    " + line
	}
	return specs.Load("meshrotate.yaml", []byte(text+"\n"), []specs.Section{kind.Section})
}
