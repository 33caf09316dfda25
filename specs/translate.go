package specs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"
)

// explain turns what the validator found into problems. It repeats keys, never values.
func (r *reader) explain(s *schema, e *jsonschema.ValidationError) {
	if r.full() {
		return
	}
	path := e.InstanceLocation
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			if at := under(path, name); !r.isBroken(at...) {
				r.refuseAt(at, "is missing", s.describe(e.SchemaURL, name))
			}
		}
		return
	case *kind.AdditionalProperties:
		slices.Sort(k.Properties)
		for _, name := range k.Properties[:min(len(k.Properties), maxShown)] {
			r.unknownKey(s, e, under(path, name))
		}
		return
	case *kind.Reference:
		if special := r.explainValue(k.URL, path); special {
			return
		}
	}
	if len(e.Causes) > 0 && !isChoice(e.ErrorKind) {
		for _, cause := range e.Causes {
			r.explain(s, cause)
		}
		return
	}
	if text, hint := sentence(e.ErrorKind, s.describe(e.SchemaURL)); !r.isBroken(path...) {
		r.refuseAt(path, text, hint)
	}
}

func isChoice(k jsonschema.ErrorKind) bool {
	switch k.(type) {
	case *kind.AnyOf, *kind.OneOf:
		return true
	}
	return false
}

func (r *reader) unknownKey(s *schema, e *jsonschema.ValidationError, path []string) {
	if r.isBroken(path...) {
		return
	}
	if n, is := neverOf(r.sections, path[len(path)-1]); is && len(path) == 2 && path[0] == "secrets" {
		r.refuseAt(path, n.Why, n.Hint)
		return
	}
	names := s.properties(e.SchemaURL)
	hint := ""
	if name := Nearest(path[len(path)-1], names); name != "" {
		hint = "did you mean " + name + "?"
	} else if own := s.owner(path); own != "" {
		hint = "what belongs to one secret stands in its section: secrets." + own + " may hold " + strings.Join(s.sectionKeys(own), ", ")
	} else if len(names) > 0 && len(names) <= 12 {
		slices.Sort(names)
		hint = "here may stand: " + strings.Join(names, ", ")
	}
	r.refuseAt(path, "unknown key", hint)
}

// explainValue has its own words for the types of this package that read themselves: what is wrong inside them says
// less than what was wanted.
func (r *reader) explainValue(url string, path []string) bool {
	_, name, _ := strings.Cut(url, "#/$defs/")
	place := r.find(path)
	text, hint := "", ""
	switch name {
	case "Version":
		text, hint = "must be a whole number, or a text of 1 to 64 letters, digits, dots, hyphens and underscores", ""
	case "Duration":
		text, hint = "must be a duration", "a number and a unit: 30s, 5m, 12h, 90d, 1y"
	case "Source":
		text, hint = "must say where the value comes from", "write generated, {env: NAME}, {file: PATH} or {store: NAME, path: PATH}"
		if place.value != nil && place.value.Kind == yaml.ScalarNode && place.value.ShortTag() != "!!null" {
			text, hint = "a value stands here where only its source may stand", sourceHint+". If this was a real secret, it is in this file's history: rotate it"
		}
	default:
		return false
	}
	if !r.isBroken(path...) {
		r.refuseAt(path, text, hint)
	}
	return true
}

// sentence says in plain words what a schema keyword refused.
func sentence(k jsonschema.ErrorKind, description string) (text, hint string) {
	switch k := k.(type) {
	case *kind.Type:
		if k.Got == "null" {
			return "is empty", "write " + words(k.Want) + " here, or leave the key out"
		}
		if slices.Contains(k.Want, "string") && (k.Got == "number" || k.Got == "boolean") {
			return "must be " + words(k.Want), "write it in quotes"
		}
		return "must be " + words(k.Want) + ", not " + word(k.Got), description
	case *kind.Enum:
		return enumSentence(k.Got, k.Want)
	case *kind.Const:
		return enumSentence(k.Got, []any{k.Want})
	case *kind.MinLength:
		if k.Want == 1 {
			return "must not be empty", description
		}
		return fmt.Sprintf("must have at least %d characters", k.Want), description
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters", k.Want), description
	case *kind.MinItems:
		if k.Want == 1 {
			return "must not be empty", description
		}
		return fmt.Sprintf("must have at least %d entries", k.Want), description
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d entries", k.Want), description
	case *kind.Minimum:
		return "must be at least " + k.Want.RatString(), description
	case *kind.Maximum:
		return "must be at most " + k.Want.RatString(), description
	case *kind.UniqueItems:
		return "the same entry stands here twice", ""
	case *kind.Pattern, *kind.Format:
		return "does not have the right form", description
	}
	return "does not have the right form", description
}

func enumSentence(got any, want []any) (text, hint string) {
	names := make([]string, len(want))
	for i, w := range want {
		names[i] = fmt.Sprint(w)
	}
	if written, ok := got.(string); ok {
		if name := Nearest(written, names); name != "" {
			hint = "did you mean " + name + "?"
		}
	}
	if len(names) == 1 {
		return "must be " + names[0], hint
	}
	return "must be one of " + strings.Join(names, ", "), hint
}

func words(types []string) string {
	out := make([]string, len(types))
	for i, t := range types {
		out[i] = word(t)
	}
	return strings.Join(out, " or ")
}

// word is what a document's writer calls a JSON type.
func word(jsonType string) string {
	switch jsonType {
	case "object":
		return "a mapping (key: value)"
	case "array":
		return "a list"
	case "string":
		return "a text"
	case "integer":
		return "a whole number"
	case "number":
		return "a number"
	case "boolean":
		return "true or false"
	}
	return "nothing"
}
