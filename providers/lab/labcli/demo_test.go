package labcli

import (
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/reconciler/cli"
)

// The saved plan of the demo is made of what Admin lists: so its list has to have settled, which is late, and not only the relays.
func TestTheDemoWaitsForAdminsList(t *testing.T) {
	l, err := lab.Start(lab.Config{Relays: 3, Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := demo{json: true, lab: l}
	if err := d.drift(t.Context()); err != nil || l.Listed() != 1 {
		t.Errorf("%d relays are listed as connected: %v", l.Listed(), err)
	}
}

// What a verb said that failed is the cause, for who reads the JSON too.
func TestTheDemoTellsWhy(t *testing.T) {
	r := Demo{Secrets: []DemoSecret{{Kind: "license", Lab: "Admin runs without a license"}}}
	if err := r.cause(); !strings.Contains(err.Error(), "license: the lab says: Admin runs without a license") || reconciler.HintOf(err) == "" {
		t.Error(err)
	}
	r.Failed = []DemoFailure{{Verb: "apply", Code: cli.ExitError, Want: cli.ExitOK, Said: "the plan is no longer true"}}
	if err := r.cause(); !strings.Contains(err.Error(), "apply ended with 1 instead of 0: the plan is no longer true") {
		t.Error(err)
	}
}
