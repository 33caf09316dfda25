package trust

import "testing"

// A part of a path is none that leads upwards, unless it is written so.
func TestWhatAStarStandsFor(t *testing.T) {
	for _, c := range []struct {
		pattern, text, star string
		allowed             bool
	}{
		{"/state/allowed/*", "/state/allowed/one", part, true},
		{"/state/allowed/*", "/state/allowed/..", part, false},
		{"/opt/im/*/run", "/opt/im/2/run", argument, true},
		{"/opt/im/*/run", "/opt/im/../run", argument, false},
		{`D:\Relay\*\x`, `D:\Relay\one\x`, part, true},
		{`D:\Relay\*\x`, `D:\Relay\..\x`, part, false},
		{"../state", "../state", part, true},
		{"*.contoso.example", "a..contoso.example", label, false},
		{"IM_*", "IM_..", exact, true},
	} {
		if got := matches([]string{c.pattern}, c.text, c.star); got != c.allowed {
			t.Errorf("%s for %s: %v", c.text, c.pattern, got)
		}
	}
}
