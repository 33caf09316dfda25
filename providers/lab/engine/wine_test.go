package engine_test

import (
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/engine"
	"meshrotate/reconciler/rotationtest"
)

// Beside what TestPwshRotates shows, here services are real ones of a service manager, and nothing of the script is
// replaced. What Wine is not like Windows in is not shown: access rules are Unix modes, no password of a service
// account is ever checked, and a process that dies is still called running.
func TestWineRotates(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: Wine is not tried")
	}
	need(t, "pwsh-windows", "wine")
	e, err := engine.OpenWine()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, e, 1, "")
	old := w.key(lab.OldKey)
	hosts := []*lab.Host{w.lab.Admin, w.lab.Relays[0]}
	before := [][]byte{w.read(hosts[0], lab.AdminSettings), w.read(hosts[1], lab.RelaySettings)}
	w.rotate(2)
	w.wantNewKey(old)
	for i, h := range hosts {
		w.wantEdited(h, before[i], old)
	}
	wantNoLeftovers(t, e.Root())
	for _, s := range []string{lab.AdminService, lab.EngineService, lab.RelayService} {
		if got := states(e.Log(s)); got != "START_PENDING RUNNING STOP_PENDING STOPPED START_PENDING RUNNING" {
			t.Errorf("%s: %s: one restart was due", s, got)
		}
	}
	rotationtest.Search(t, w.values(old), w.everything())

	// The product refuses a broken file: the real service must not be said to run.
	for _, what := range []string{"file", "stop"} {
		if _, err := w.lab.Break(what, "relay-01"); err != nil {
			t.Fatal(err)
		}
	}
	w.await("the relay stops", func() bool { return strings.HasSuffix(states(e.Log(lab.RelayService)), "STOPPED") })
	if _, err := w.lab.Break("start", "relay-01"); err != nil {
		t.Fatal(err)
	}
	w.await("the relay is stopped again", func() bool {
		return strings.HasSuffix(states(e.Log(lab.RelayService)), "STOPPED START_PENDING RUNNING STOP_PENDING STOPPED")
	})

	w.lab.Close()
	for _, s := range []string{lab.AdminService, lab.EngineService, lab.RelayService} {
		if e.Query(s) == nil {
			t.Errorf("%s is still installed", s)
		}
	}
}

// states are a real service's, in the order in which it had them.
func states(log string) string {
	var all []string
	for line := range strings.Lines(log) {
		if words := strings.Fields(line); len(words) == 3 {
			all = append(all, words[1])
		}
	}
	return strings.Join(all, " ")
}

func TestWineHasOneRelay(t *testing.T) {
	e := &engine.Wine{}
	for i, host := range []string{"im-admin", "im-engine", "relay-01", "relay-02"} {
		if _, err := e.Disk(host); (err != nil) != (i == 3) {
			t.Errorf("%s: %v", host, err)
		}
	}
}
