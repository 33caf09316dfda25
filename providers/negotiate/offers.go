package negotiate

import (
	"net/http"
	"slices"
	"strings"
)

// offers reads WWW-Authenticate (RFC 9110, section 11.6.1): each scheme in lower case with its token, which is empty
// in a first offer. Several schemes may stand in one line, and one scheme in each of several lines.
func offers(h http.Header) map[string]string {
	found := map[string]string{}
	for _, line := range h.Values("WWW-Authenticate") {
		for _, part := range splitUnquoted(line) {
			scheme, rest, _ := strings.Cut(strings.TrimSpace(part), " ")
			if scheme == "" || strings.ContainsAny(scheme, `="`) {
				continue // a parameter of the scheme before it
			}
			if scheme = strings.ToLower(scheme); found[scheme] == "" {
				found[scheme] = strings.TrimSpace(rest)
			}
		}
	}
	return found
}

func has(found map[string]string, scheme string) bool {
	_, ok := found[scheme]
	return ok
}

// splitUnquoted splits at commas outside of quoted strings.
func splitUnquoted(s string) []string {
	var parts []string
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// names are the schemes in a stable order, safe to print: anything that is not a token of RFC 9110 is left out.
func names(found map[string]string) []string {
	var out []string
	for scheme := range found {
		if len(scheme) <= 40 && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" {
			out = append(out, scheme)
		}
	}
	slices.Sort(out)
	return out
}
