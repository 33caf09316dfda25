package labcli_test

import (
	"testing"

	"meshrotate/providers/lab"
)

// TestEngineThatMoved is the night after somebody has moved Engine to another machine: drift says what has changed and exits
// with 2, and apply sets every connector's secret again.
func TestEngineThatMoved(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 1, Connectors: 2})
	w.run(0, "apply", "--yes")
	w.run(0, "drift")
	w.breaks("move", "im-engine")
	for _, ref := range l.Refs() {
		if l.Works(ref) {
			t.Errorf("%s works on the other machine", ref)
		}
	}
	w.run(2, "drift").says(t, "re-provision: sealed on another machine", "[connector-sealed-elsewhere]", "MachineGuid was")
	w.run(2, "drift", "-o", "json").says(t, `"connector-sealed-elsewhere"`)
	w.run(2, "plan", "-o", "markdown").says(t, "re-provision")
	w.run(0, "apply", "--yes")
	for _, ref := range l.Refs() {
		if !l.Works(ref) {
			t.Errorf("%s does not work", ref)
		}
	}
	w.run(0, "drift")
}

// TestEngineThatWasRestored is the night after somebody has restored Engine's host from an image: it has the same identity, and the
// sync runs show that it opens nothing. Drift exits with 2, whether Admin says why or not.
func TestEngineThatWasRestored(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 1, Connectors: 2})
	w.run(0, "apply", "--yes")
	w.run(0, "drift")
	l.Reticent(true)
	w.breaks("restore", "im-engine")
	w.eventually("a sync run fails", func() bool { return w.start("drift").wait().code == 2 })
	w.run(2, "drift").says(t, "[connector-syncs-fail]", "ad, hr-source", "its latest sync run failed")
	l.Reticent(false)
	w.run(2, "drift").says(t, "re-provision: what is stored does not open on im-engine", "[connector-sealed-elsewhere]")
	w.run(0, "apply", "--yes", "--only", "connector")
	for _, ref := range l.Refs() {
		if !l.Works(ref) {
			t.Errorf("%s does not work", ref)
		}
	}
	w.run(0, "drift")
}

// TestExplain teaches a finding by its name, as it stands in a plan, and guesses a name that is misspelt.
func TestExplain(t *testing.T) {
	t.Parallel()
	once(t, 0, "explain", "[relay-undeclared]").says(t, "relay-undeclared", "means", "why", "do", "example")
	once(t, 0, "explain").says(t, "file-writable", "connector-sealed-elsewhere", "state-new")
	once(t, 0, "explain", "clock-skew", "-o", "json").says(t, `"meshrotate.lessons/v1"`, `"matters"`)
	once(t, 0, "explain", "-o", "markdown").says(t, "| finding |", "path-unquoted")
	once(t, 1, "explain", "relay-undeclred").says(t, "did you mean `meshrotate explain relay-undeclared`?")
}

// TestSilenced is a finding that the document accepts for a while: it is shown, and counts no more. A name that is misspelt would
// silence nothing, so it is refused before any host is contacted.
func TestSilenced(t *testing.T) {
	t.Parallel()
	w, _ := startHere(t, lab.Config{Relays: 1})
	w.run(0, "apply", "--yes")
	w.breaks("leave", "relay-01")
	w.run(0, "drift").says(t, "warning", "[file-left]", "appsettings.json.bak")
	w.rewrite("secrets:", "policy: {silence: [{finding: file-left, why: known, until: \"2099-12-31\"}]}\nsecrets:")
	w.run(0, "drift").says(t, "silenced", "[file-left]", "until 2099-12-31: known")
	w.rewrite("file-left", "file-lefd")
	w.run(1, "plan").says(t, "policy.silence", "did you mean `meshrotate explain file-left`?")
}
