package cli_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler/cli"
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

// late answers a question after a while.
type late struct {
	now *time.Time
	io.Reader
}

func (l late) Read(b []byte) (int, error) {
	*l.now = l.now.Add(time.Minute)
	return l.Reader.Read(b)
}

// A window that closes while somebody thinks about the answer is closed; and who is let in by it has broken no glass.
func TestTheWindowClosesAtThePrompt(t *testing.T) {
	for text, code := range map[string]int{"daily 10:00-11:00 UTC": 1, "daily 10:00-12:00 UTC": 0} {
		d := deploy(t)
		must(t, os.WriteFile(filepath.Join(d.dir, "meshrotate.yaml"), []byte(document+"policy:\n  window: ["+text+"]\n"), 0o600))
		now := time.Date(2026, 11, 28, 10, 59, 30, 0, time.UTC)
		app := d.app
		app.Now = func() time.Time { return now }
		var out, said bytes.Buffer
		got := cli.Main(t.Context(), []string{"apply", "-f", filepath.Join(d.dir, "meshrotate.yaml")}, cli.Stdio{In: late{&now, strings.NewReader("yes\n")}, Out: &out, Err: &said, InTerminal: true}, app)
		if got != code || code == 1 && (!strings.Contains(said.String(), "changes are allowed at "+text+" only") || d.w.Hosts["relay-1.example"]["alpha"] != "6") {
			t.Errorf("%s: %d\n%s%s", text, got, out.String(), said.String())
		}
		if r := d.run(t.Context(), "", "history"); strings.Contains(r.out, "glass broken") {
			t.Errorf("nobody has broken it:\n%s", r.out)
		}
	}
}
