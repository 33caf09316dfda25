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

// enough is how many digits tell a few certificates apart by eye, where nobody has made another that begins alike.
const enough = 4

// short is what people call a certificate.
func short(thumbprint string) string { return shortTo(enough, thumbprint) }

func shortTo(digits int, thumbprint string) string {
	if digits >= len(thumbprint) {
		return thumbprint
	}
	return thumbprint[:digits] + "…"
}

// shorts are several, in an order that does not depend on how they were written.
func shorts(thumbprints []string) string { return shortsTo(enough, thumbprints) }

func shortsTo(digits int, thumbprints []string) string {
	all := slices.Clone(thumbprints)
	slices.Sort(all)
	for i, t := range all {
		all[i] = shortTo(digits, t)
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
func versionOf(thumbprints []string) string { return versionTo(telling(thumbprints), thumbprints) }

func versionTo(digits int, thumbprints []string) string {
	var parts []string
	for _, t := range slices.Compact(slices.Sorted(slices.Values(thumbprints))) {
		parts = append(parts, t[:min(digits, len(t))])
	}
	return strings.Join(parts, "+")
}

// telling is how many digits tell these apart.
func telling(thumbprints []string) int {
	all := slices.Compact(slices.Sorted(slices.Values(thumbprints)))
	for digits := enough; digits < 64; digits++ {
		if len(slices.CompactFunc(slices.Clone(all), func(a, b string) bool { return a[:min(digits, len(a))] == b[:min(digits, len(b))] })) == len(all) {
			return digits
		}
	}
	return 64
}
