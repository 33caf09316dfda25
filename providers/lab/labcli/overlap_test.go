package labcli_test

import (
	"slices"
	"testing"

	"meshrotate/providers/lab"
)

// TestOverlap is a certificate that is to be retired: status and drift say when that may be, and what keeps it. Then its key is
// stolen, and it goes at once, with the connectors that are still signed with it.
func TestOverlap(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 2, Signing: true})
	old, _ := lab.Certificates()
	w.run(0, "apply", "--yes")
	w.rewrite(old.SHA1, old.SHA1+`, retireAfter: "2099-01-15"`)
	w.run(0, "status").says(t, "overlap", "░", "code signing: "+old.SHA1[:4]+"…", "may end on 2099-01-16", "connectors signed with it")
	w.run(0, "drift", "-o", "markdown").says(t, "**overlap** code signing")
	w.run(0, "drift", "-o", "html").says(t, "<progress", "may end on 2099-01-16")
	w.run(0, "drift", "-o", "json").says(t, `"overlaps"`, `"ends": "2099-01-16T00:00:00Z"`, "signed with it")

	w.rewrite("      - {sha1: "+old.SHA1+`, retireAfter: "2099-01-15"}`+"\n", "")
	w.run(1, "apply", "--yes").says(t, "[thumbprint-in-use]")
	w.run(0, "rotate", "--compromised", "codesigning", "--yes", "its key was stolen").says(t,
		"[thumbprint-in-use]", "[secret-compromised]", "1 secret rotated and proven", "evidence in evidence-codesigning-")
	for _, h := range l.Relays {
		if slices.Contains(l.Accepting(h), old.SHA1) || len(l.Rejected()[h.Name]) == 0 {
			t.Errorf("%s accepts %v, and refuses %v", h.Name, l.Accepting(h), l.Rejected()[h.Name])
		}
	}
	w.run(0, "history", "--evidence", "codesigning").says(t, "its key was stolen", "relay-01.lab.example and relay-02.lab.example", "taken out at")
}
