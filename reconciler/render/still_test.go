package render

import (
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// An emergency that leaves a place with what others know does not end with the word that nothing is left to do.
func TestNextAfterAnEmergencyThatLeavesAPlace(t *testing.T) {
	for _, c := range []struct {
		still []reconciler.Still
		want  string
	}{
		{nil, "nothing is left to do"},
		{[]reconciler.Still{{Place: "the login x on a", On: "a", Ends: true}}, "nothing is left to do"},
		{[]reconciler.Still{{Place: "the login x on a", On: "a"}}, "could not: the login x on a; "},
		{[]reconciler.Still{{Place: "the login x on a", On: "a"}, {Place: "the login x on b", On: "b"}}, "the login x on a, and 1 more place; "},
	} {
		change := reconciler.Change{Title: "SQL login", Status: reconciler.Rotate, Still: c.still}
		o := OutcomeOf(&reconciler.Plan{Changes: []reconciler.Change{change}}, "run", time.Second, reconciler.Outcome{Secrets: []reconciler.Ended{{Change: change, Ending: state.Proven}}})
		if !o.OK || !strings.Contains(o.Next, c.want) {
			t.Errorf("%+v: %s", c.still, o.Next)
		}
	}
}
