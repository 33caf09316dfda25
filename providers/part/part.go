// Package part tells a thing from what it comes with, in a file as in an answer.
package part

import "regexp"

// of matches the name of something that another thing comes with.
var of = regexp.MustCompile(`(?i)^((module|feature|add ?on|product|option|component|update|upgrade|plugin|connector|service|entitlement|extension|integration)s?|maintenance|support|trial|telemetry|evaluation|certificate|cert|signer|signing ?certificate|key ?info|grace|grace ?period|previous|history|renewal|warranty)$`)

// Is says that an object of this plain name is about a part: when that ends, and whether it is good, is its own matter.
func Is(name string) bool { return of.MatchString(name) }
