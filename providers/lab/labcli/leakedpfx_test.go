package labcli_test

import (
	"strings"
	"testing"

	"meshrotate/providers/lab"
)

// TestLeakedPFX is a PFX that was stolen with its password. The document names neither any more; the state keeps both. The evidence names
// them, `values` shows them, and they can be forgotten. Who types the password as the reason has it nowhere on record.
func TestLeakedPFX(t *testing.T) {
	t.Parallel()
	w, _ := startHere(t, lab.Config{Relays: 1, Signing: true, Build: true})
	old, next := lab.Certificates()
	w.run(0, "apply", "--yes")
	w.rewrite(old.SHA1+"}", old.SHA1+", use: signing}")
	w.rewrite("      - {sha1: "+next.SHA1+", use: signing}\n", "")
	w.rewrite("      pfx: {file: secrets/codesign-2026.pfx}\n      password: {env: IM_LAB_PFX_PASSWORD}\n", "")
	password := ""
	for _, e := range w.env {
		if v, is := strings.CutPrefix(e, "IM_LAB_PFX_PASSWORD="); is {
			password = v
		}
	}
	pfx, word := "codesigning:build "+next.SHA1[:8], "codesigning:password "+next.SHA1[:8]
	w.run(0, "rotate", "--compromised", "codesigning", "--yes", "PFX password "+password+" was in the wiki").says(t, "PFX password [secret] was in the wiki", "evidence in")
	w.run(0, "history", "--evidence", "codesigning").says(t, "[secret] was in the wiki", pfx+": kept, sealed in the state", word+": kept, sealed in the state")
	w.run(0, "history", "--evidence", "codesigning", "-o", "json").says(t, `"sealed"`, word)
	w.run(0, "values").says(t, pfx, word, "opens")
	w.run(0, "values", "forget", "codesigning:build", next.SHA1[:8], "--yes").says(t, "1 kept value forgotten")
	w.run(0, "values", "forget", "codesigning:password", next.SHA1[:8], "--yes").says(t, "1 kept value forgotten")
	if got := w.run(0, "history", "--evidence", "codesigning"); strings.Contains(got.out, word) || strings.Contains(got.out, pfx) {
		t.Errorf("they are forgotten, and named still: %s", got.out)
	}
	w.run(1, "values", "forget", "codesigning:password").says(t, "declares no secret codesigning:password")
}
