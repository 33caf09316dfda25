package reconciler_test

import (
	"testing"

	"meshrotate/reconciler"
)

// serving is an op that a service stops with.
type serving struct{ op }

func (s serving) Serves() (what, service string)             { return s.Host, "relay" }
func (s serving) Merge(reconciler.Op) (reconciler.Op, error) { return s, nil }

// Who was down for long last time is not also to begin late.
func TestTheSlowestGoFirst(t *testing.T) {
	r := rotation{name: "key"}
	for _, host := range []string{"relay-1", "relay-2", "relay-3", "relay-4"} {
		stop := step(reconciler.Switch, host, "stop "+host)
		stop.Op = serving{stop.Op.(op)}
		r.steps = append(r.steps, step(reconciler.Prepare, host, "stage "+host), stop)
	}
	r.steps = append(r.steps, step(reconciler.Verify, "", "prove key"))
	b := newBench(t, r) // one host at a time
	b.last = map[string]float64{"relay-2": 3, "relay-4": 9, "gone": 20}
	if o := b.run(t.Context()); o.Err != nil {
		t.Fatal(o.Err)
	}
	b.order("stage relay-4", "stage relay-2", "stage relay-1", "stage relay-3")
}
