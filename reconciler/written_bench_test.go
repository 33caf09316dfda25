package reconciler_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// BenchmarkPlan is what a fleet's plan costs without its hosts: to be made, and to be written.
func BenchmarkPlan(b *testing.B) {
	const n = 2000
	fleet := usual("a")
	fleet.steps = nil
	saw := map[string]looked{}
	for i := range n {
		host := fmt.Sprintf("relay-%05d", i)
		fleet.steps = append(fleet.steps, step(reconciler.Prepare, host, "stage file"), step(reconciler.Switch, host, "stop relay"), step(reconciler.Switch, host, "swap file", "stop relay"),
			step(reconciler.Switch, host, "start relay", "swap file"), step(reconciler.Verify, host, "prove relay"))
		saw[host] = looked{"machine=" + host, "key=6"}
	}
	make := func() *reconciler.Plan {
		p, err := reconciler.MakePlan(&specs.Deployment{Name: "test"}, []reconciler.Rotation{fleet}, reconciler.Input{Seen: seen(saw)})
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	p := make()
	for name, work := range map[string]func(){
		"make": func() { make() },
		"write": func() {
			if _, err := json.Marshal(p); err != nil {
				b.Fatal(err)
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				work()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/host")
		})
	}
}
