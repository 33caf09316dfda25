//go:build unix

package labcli_test

import (
	"maps"
	"os"
	"slices"
	"strings"
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

// TestLeakedAgain are emergencies in a row: each has its own evidence, of what leaked, and takes a version that no run has had.
func TestLeakedAgain(t *testing.T) {
	t.Parallel()
	w, _ := startHere(t, lab.Config{Relays: 2})
	w.run(0, "apply", "--yes") // 7
	r := w.start("rotate", "--compromised", "relaykey", "--yes", "first leak")
	r.reaches("verify: began")
	r.signal(os.Kill)
	r.wait()
	w.rewrite("version: 8\n", "version: 7\n")
	w.run(0, "apply", "--yes")
	w.run(0, "rotate", "--compromised", "relaykey", "--yes", "second leak").says(t, "7 → 9", "evidence in evidence-relaykey-9.json")
	two := w.run(0, "history", "--evidence", "relaykey")
	two.says(t, "second leak", "emergencies before this one began with")
	_, first, _ := strings.Cut(two.out, "--run ")
	first, _, _ = strings.Cut(first, "`")
	w.run(0, "history", "--evidence", "relaykey", "--run", first).says(t, "first leak", "7 → 8", "again")

	r = w.start("rotate", "--compromised", "relaykey", "--yes", "third leak") // to 10
	r.reaches("verify: began")
	r.signal(os.Kill)
	r.wait()
	w.rewrite("version: 10\n", "version: 11\n")
	w.run(0, "apply", "--yes")
	w.run(0, "history", "--evidence", "relaykey").says(t, "relaykey 9 → 11", "third leak", "what held 9", first)
	w.run(1, "history", "--evidence", "relaykey", "--run", "none").says(t, "emergencies began with", first)
	w.run(1, "history", "--run", "none").says(t, "--run goes with --evidence")
	w.rewrite("version: 11\n", "version: 12\n")
	r = w.start("apply", "--yes", "--only", "relaykey")
	r.reaches("verify: began")
	r.signal(os.Kill)
	r.wait()
	w.run(0, "rotate", "--compromised", "relaykey", "--yes", "fourth leak").says(t, "→ 13")
	w.run(0, "history", "--evidence", "relaykey").says(t, "relaykey 12 or 11 → 13", "what held 12 or 11", "relaykey 11: kept")
	w.rewrite("version: 13\n", "version: 11\n")
	w.run(0, "apply", "--yes", "--only", "relaykey").says(t, "secret-compromised")
	w.run(2, "drift", "--only", "relaykey").says(t, "secret-compromised")
	w.rewrite("version: 11\n", "version: 9\n") // a checkout that is not up to date
	w.run(0, "rotate", "--compromised", "relaykey", "--yes", "fifth leak").says(t, "11 → 14")
}
