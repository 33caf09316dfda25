package reconciler_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// A silence hides no finding: it says that it is accepted, why, and until when. What refuses is never silenced, and after its last
// day everything is back.
func TestSilence(t *testing.T) {
	day := time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC)
	say := func(s reconciler.Severity, code reconciler.FindingID, hosts ...string) reconciler.Finding {
		return reconciler.Finding{Severity: s, Code: code, Text: "it is so", Hint: "mend it", Hosts: hosts}
	}
	silence := func(finding, host string) specs.Silence {
		return specs.Silence{Finding: finding, Host: host, Why: "it is known", Until: "2026-12-31"}
	}
	for _, c := range []struct {
		name    string
		finding reconciler.Finding
		silence []specs.Silence
		now     time.Time
		want    reconciler.Severity
	}{
		{"on all hosts", say(reconciler.Warning, "dusty", "a"), []specs.Silence{silence("dusty", "")}, day, reconciler.Silenced},
		{"about no host", say(reconciler.Warning, "dusty"), []specs.Silence{silence("dusty", "")}, day, reconciler.Silenced},
		{"of this host, in other letters", say(reconciler.Warning, "dusty", "A.example"), []specs.Silence{silence("dusty", "a.example")}, day, reconciler.Silenced},
		{"of a range", say(reconciler.Warning, "dusty", "r01", "r02"), []specs.Silence{silence("dusty", "r[01..02]")}, day, reconciler.Silenced},
		{"of each host by its own", say(reconciler.Warning, "dusty", "a", "b"), []specs.Silence{silence("dusty", "a"), silence("dusty", "b")}, day, reconciler.Silenced},
		{"a note", say(reconciler.Note, "dusty", "a"), []specs.Silence{silence("dusty", "")}, day, reconciler.Silenced},
		{"of one of two hosts", say(reconciler.Warning, "dusty", "a", "b"), []specs.Silence{silence("dusty", "a")}, day, reconciler.Warning},
		{"of a host, where it is about none", say(reconciler.Warning, "dusty"), []specs.Silence{silence("dusty", "a")}, day, reconciler.Warning},
		{"of another finding", say(reconciler.Warning, "dusty", "a"), []specs.Silence{silence("rusty", "")}, day, reconciler.Warning},
		{"of what refuses", say(reconciler.Error, "dusty", "a"), []specs.Silence{silence("dusty", "")}, day, reconciler.Error},
		{"of the record of the state", say(reconciler.Warning, "state-new"), []specs.Silence{silence("state-new", "")}, day, reconciler.Warning},
		{"of what others know", say(reconciler.Warning, "secret-compromised"), []specs.Silence{silence("secret-compromised", "")}, day, reconciler.Warning},
		{"of what others know, on a host where it was left", say(reconciler.Warning, "secret-compromised", "a"), []specs.Silence{silence("secret-compromised", "a")}, day, reconciler.Silenced},
		{"of what others know, on every host", say(reconciler.Warning, "secret-compromised", "a"), []specs.Silence{silence("secret-compromised", "")}, day, reconciler.Warning},
		{"of what is down", say(reconciler.Warning, "still-down", "a"), []specs.Silence{silence("still-down", "")}, day, reconciler.Warning},
		{"after its last day", say(reconciler.Warning, "dusty", "a"), []specs.Silence{silence("dusty", "")}, day.Add(time.Hour), reconciler.Warning},
		{"in an emergency", say(reconciler.Warning, "dusty", "a"), []specs.Silence{silence("dusty", "a")}, day, reconciler.Warning},
		{"in an emergency: of what others know, on a host where it was left", say(reconciler.Warning, "secret-compromised", "a"), []specs.Silence{silence("secret-compromised", "a")}, day, reconciler.Silenced},
	} {
		d := &specs.Deployment{Name: "x", Policy: specs.Policy{Silence: c.silence}}
		r := rotation{name: "spare", with: func(change *reconciler.Change) {
			change.Status, change.Rounds, change.Findings = reconciler.AsDeclared, nil, []reconciler.Finding{c.finding}
		}}
		in := reconciler.Input{Now: c.now}
		if strings.HasPrefix(c.name, "in an emergency") {
			in.Emergency = &reconciler.Emergency{Secret: "spare", Why: "leaked"}
		}
		p, err := reconciler.MakePlan(d, []reconciler.Rotation{r}, in)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Changes[0].Findings[0]
		if got.Severity != c.want || got.Text != "it is so" || (got.Hint == "until 2026-12-31: it is known") != (c.want == reconciler.Silenced) {
			t.Errorf("%s: %+v", c.name, got)
		}
		ended := slices.ContainsFunc(p.Fleet, func(f reconciler.Finding) bool { return f.Code == "silence-ended" && strings.Contains(f.Text, "dusty") })
		if ended != c.now.After(day) {
			t.Errorf("%s: %+v", c.name, p.Fleet)
		}
	}
}

// follower is a rotation that tells what it was told.
type follower struct {
	rotation
	heard *[]reconciler.Coming
}

func (f follower) Plan(in reconciler.Input) reconciler.Change {
	*f.heard = in.Coming
	return f.rotation.Plan(in)
}

// What one secret will alter is known to all others, whichever comes first in the document.
func TestComing(t *testing.T) {
	coming := reconciler.Coming{Target: reconciler.Target{Kind: reconciler.HostTarget, Name: "a"}, Fact: reconciler.Fact{Field: "colour", Value: "red"}, Round: 1}
	var first, last []reconciler.Coming
	alters := rotation{name: "b", with: func(c *reconciler.Change) { c.Alters = []reconciler.Coming{coming} }}
	all := []reconciler.Rotation{follower{rotation{name: "a"}, &first}, alters, follower{rotation{name: "c"}, &last}}
	p, err := reconciler.MakePlan(&specs.Deployment{Name: "x"}, all, reconciler.Input{})
	if err != nil || len(p.Changes) != 3 || !slices.Equal(first, []reconciler.Coming{coming}) || !slices.Equal(last, first) {
		t.Errorf("%v, %v, %v", first, last, err)
	}
}
