package codesigning

import (
	"slices"
	"strings"
	"unicode"

	"meshrotate/specs"
)

// found is the certificate that .NET finds by a member of a relay's list: one mark at the very front (U+200E) and white space are
// passed over, and case does not matter. What else people paste is not found, though it can be read.
func found(member string) (thumbprint string, ok bool) {
	bare := strings.Join(strings.Fields(strings.TrimPrefix(member, "\u200e")), "")
	if strings.Trim(bare, "0123456789abcdefABCDEF") != "" {
		return "", false
	}
	t, err := specs.ParseThumbprint(bare)
	return string(t), err == nil
}

// meant is the thumbprint that somebody meant, be it of 40 or 64 digits; "" when it is none.
func meant(member string) string {
	digits := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || r == ':' {
			return -1
		}
		return unicode.ToUpper(r)
	}, member)
	if strings.Trim(digits, "0123456789ABCDEF") != "" || len(digits) != 40 && len(digits) != 64 {
		return ""
	}
	return digits
}

// short is what people call a certificate.
func short(thumbprint string) string { return thumbprint[:min(4, len(thumbprint))] + "…" }

// shorts are several, in an order that does not depend on how they were written.
func shorts(thumbprints []string) string {
	all := slices.Clone(thumbprints)
	slices.Sort(all)
	for i, t := range all {
		all[i] = short(t)
	}
	switch n := len(all); n {
	case 0:
		return "none"
	case 1:
		return all[0]
	default:
		return strings.Join(all[:n-1], ", ") + " and " + all[n-1]
	}
}

// versionOf makes a version of thumbprints: the first digits of each, as many as tell them apart.
func versionOf(thumbprints []string) string {
	all := slices.Clone(thumbprints)
	slices.Sort(all)
	all = slices.Compact(all)
	for digits := 4; ; digits++ {
		var parts []string
		for _, t := range all {
			parts = append(parts, t[:min(digits, len(t))])
		}
		if digits >= 40 || len(slices.Compact(slices.Clone(parts))) == len(parts) {
			return strings.Join(parts, "+")
		}
	}
}
