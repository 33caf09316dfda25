//go:build unix

package labcli_test

import (
	"maps"
	"os"
	"slices"
	"testing"

	"meshrotate/providers/lab"
)

// TestLeakedWhileHalfRotated is a value that a run gave out which was cut off: an emergency does not take it for the one that replaces what
// others know. One that was cut off before anything was given out did not, and its version is taken.
func TestLeakedWhileHalfRotated(t *testing.T) {
	t.Parallel()
	inUse := func(l *lab.Lab, secret string) []string {
		if secret == "relaykey" {
			return slices.Collect(maps.Values(l.Keys()))
		}
		return slices.Collect(maps.Values(l.Strings()))
	}
	for _, c := range []struct {
		reason, secret, login, killed string
		next                          bool
	}{
		{"a relay key that is live", "relaykey", "", "verify: began", true},
		{"a relay key that is nowhere yet", "relaykey", "", "prepare: began", false},
		{"a login's password that is live", "sqllogin", "alternating", "verify: began", true},
		{"of a single login", "sqllogin", "single", "verify: began", true},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			w, l := startHere(t, lab.Config{Relays: 1, Login: c.login})
			w.run(0, "apply", "--yes", "--only", "license") // so that there is more to search for
			r := w.start("apply", "--yes", "--only", c.secret)
			r.reaches(c.killed)
			r.signal(os.Kill)
			r.wait()
			before := inUse(l, c.secret)
			rotated := w.run(0, "rotate", "--compromised", c.secret, "--yes", "posted in a ticket")
			for _, v := range inUse(l, c.secret) {
				if c.next && slices.Contains(before, v) {
					t.Errorf("what others know is in use still:\n%s", rotated.out)
				}
			}
			w.run(0, "plan", "--only", c.secret).says(t, "nothing to do")
		})
	}
}
