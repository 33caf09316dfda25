package specs

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// explain turns what the schema refuses into a problem. It repeats keys, never values.
func (r *reader) explain(s *schema, f refusal) {
	if r.full() {
		return
	}
	switch f.keyword {
	case "required":
		if at := under(f.path, f.key); !r.isBroken(at...) {
			r.refuseAt(at, "is missing", f.part.describe(f.key))
		}
	case "additionalProperties":
		r.unknownKey(s, f.part, under(f.path, f.key))
	case "$ref":
		r.explainValue(f.key, f.path)
	default:
		if !r.isBroken(f.path...) {
			text, hint := sentence(f)
			r.refuseAt(f.path, text, hint)
		}
	}
}

func (r *reader) unknownKey(s *schema, p *part, path []string) {
	if r.isBroken(path...) {
		return
	}
	if n, is := neverOf(r.sections, path[len(path)-1]); is && len(path) == 2 && path[0] == "secrets" {
		r.refuseAt(path, n.Why, n.Hint)
		return
	}
	names := p.properties()
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

// isOwnType says of a part that there are words for what it wants: it is a type of this package that reads itself.
func isOwnType(name string) bool { return name == "Version" || name == "Duration" || name == "Source" }

// explainValue has its own words for the types of this package that read themselves: what is wrong inside them says
// less than what was wanted.
func (r *reader) explainValue(name string, path []string) {
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
	}
	if !r.isBroken(path...) {
		r.refuseAt(path, text, hint)
	}
}

// sentence says in plain words what a schema keyword refused.
func sentence(f refusal) (text, hint string) {
	p, hint := f.part, f.part.describe()
	switch f.keyword {
	case "type":
		return typeSentence(typeOf(f.got), p.Type, hint)
	case "enum":
		return enumSentence(f.got, p.Enum)
	case "const":
		return enumSentence(f.got, []constant{*p.Const})
	case "minLength":
		return atLeast(*p.MinLength, "characters"), hint
	case "maxLength":
		return fmt.Sprintf("must have at most %d characters", *p.MaxLength), hint
	case "minItems":
		return atLeast(*p.MinItems, "entries"), hint
	case "maxItems":
		return fmt.Sprintf("must have at most %d entries", *p.MaxItems), hint
	case "minimum":
		return fmt.Sprintf("must be at least %d", *p.Minimum), hint
	case "maximum":
		return fmt.Sprintf("must be at most %d", *p.Maximum), hint
	case "uniqueItems":
		return "the same entry stands here twice", ""
	}
	return "does not have the right form", hint
}

func atLeast(n int, what string) string {
	if n == 1 {
		return "must not be empty"
	}
	return fmt.Sprintf("must have at least %d %s", n, what)
}

func typeSentence(got, want, description string) (text, hint string) {
	switch {
	case got == "null":
		return "is empty", "write " + word(want) + " here, or leave the key out"
	case want == "string" && (got == "integer" || got == "boolean"):
		return "must be " + word(want), "write it in quotes"
	case got == "integer":
		got = "number"
	}
	return "must be " + word(want) + ", not " + word(got), description
}

func enumSentence(got any, want []constant) (text, hint string) {
	names := make([]string, len(want))
	for i, w := range want {
		names[i] = fmt.Sprint(w.value)
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
