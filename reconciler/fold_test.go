package reconciler_test

import (
	"fmt"
	"reflect"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// What is found alike on many hosts is one finding, in whatever format it is shown and compared; what differs stays apart.
func TestFindingsOfManyHostsAreOne(t *testing.T) {
	found := func(host, what string) reconciler.Finding {
		return reconciler.Finding{Severity: reconciler.Error, Code: "odd", Text: host + ": " + what, Hosts: []string{host}, Hint: "mend it"}
	}
	var all []reconciler.Finding
	for i := range 300 {
		all = append(all, found(fmt.Sprintf("r%03d", i), "it is overridden"))
	}
	all = append(all, found("r299", "it is overridden"), found("r300", "its file is read-only"))
	p, err := plan(t, rotation{name: "a", with: func(c *reconciler.Change) { c.Status, c.Findings = reconciler.Refused, all }})
	if err != nil {
		t.Fatal(err)
	}
	got := p.Changes[0].Findings
	if len(got) != 2 || len(got[0].Hosts) != 300 || got[0].Text != "it is overridden" || !reflect.DeepEqual(got[1], all[301]) {
		t.Fatalf("%d findings: %+v", len(got), got)
	}
	if said := got[0].Said() + "; " + got[1].Said(); said != "it is overridden (on r000 and 299 more); r300: its file is read-only" {
		t.Error(said)
	}
	if again, err := reconciler.MakePlan(&specs.Deployment{Name: "test"}, []reconciler.Rotation{rotation{name: "a", with: func(c *reconciler.Change) { c.Findings = got }}}, reconciler.Input{}); err != nil || !reflect.DeepEqual(again.Changes[0].Findings, got) {
		t.Errorf("folded twice: %+v, %v", again.Changes[0].Findings, err)
	}
}
