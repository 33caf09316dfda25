package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What the policy forbids now, apply does not do: before anything is changed, and with nobody asked. The plan says it and stays what
// it is. Who breaks the glass says why, and the ledger keeps it.
func TestWhenChangesAreAllowed(t *testing.T) {
	farDay := time.Now().UTC().AddDate(0, 0, 3).Format("Mon")
	tomorrow := time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	for _, c := range []struct {
		policy  string
		id      string // "" is allowed
		refused []string
	}{
		{"window: [" + farDay + " 10:00-11:00 UTC]", "window-closed", []string{"nothing was changed: changes are allowed at " + farDay + " 10:00-11:00 UTC only", "the next time begins on " + farDay}},
		{"window: [daily 00:00-24:00 UTC]", "", nil},
		{"suspend: {why: year-end closing, until: \"" + tomorrow + "\"}", "suspended", []string{"nothing was changed: changes are suspended until " + tomorrow, "year-end closing"}},
		{`suspend: {why: over, until: "2020-01-01"}`, "", nil},
		{"maxOutage: 1s", "outage-too-long", []string{"nothing was changed: service would be down for about 2s, and policy.maxOutage allows 1s"}},
		{"maxOutage: 2s", "", nil},
	} {
		t.Run(c.policy, func(t *testing.T) {
			d := deploy(t)
			must(t, os.WriteFile(filepath.Join(d.dir, "meshrotate.yaml"), []byte(document+"policy:\n  "+c.policy+"\n"), 0o600))
			if c.id == "" {
				r := d.run(t.Context(), "", "plan")
				r.expect(t, 2)
				for _, id := range []string{"window-closed", "suspended", "outage-too-long"} {
					if strings.Contains(r.out, id) {
						t.Errorf("%s:\n%s", id, r.out)
					}
				}
				d.run(t.Context(), "", "apply", "--yes").expect(t, 0)
				return
			}
			d.run(t.Context(), "", "plan", "--out", "{}/plan.json").expect(t, 2, "["+c.id+"]", "--break-glass")
			d.run(t.Context(), "never", "apply").expect(t, 1, c.refused...)
			d.run(t.Context(), "", "apply", "{}/plan.json").expect(t, 1, c.refused...)
			if d.entries(t) > 0 || d.w.Hosts["relay-1.example"]["alpha"] != "6" {
				t.Error("something was changed")
			}
			d.unlocked(t)
			d.run(t.Context(), "", "apply", "--yes", "--break-glass", " ").expect(t, 1, "--break-glass is empty")
			d.run(t.Context(), "", "apply", "{}/plan.json", "--break-glass", "the key has leaked").expect(t, 0)
			d.run(t.Context(), "", "history").expect(t, 0, "glass broken ("+c.id+"): the key has leaked")
			d.run(t.Context(), "", "apply", "--yes").expect(t, 0, "nothing to do") // which is always allowed
		})
	}
}
