package specs

import (
	"slices"
	"strings"
)

// Nearest is the name that was probably meant, empty when none is near.
func Nearest(written string, names []string) string {
	best, least := "", 2
	if len(written) > 3 {
		least = 3 // two letters exchanged are two changes
	}
	if len(written) > 64 {
		return ""
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		if d := distance(strings.ToLower(written), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is how many letters must be added, removed or changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
