package reconciler_test

import (
	"fmt"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// Ten thousand relays are planned and passed: neither the order nor the books are quadratic.
func BenchmarkFleet(b *testing.B) {
	for _, n := range []int{1000, 4000, 16000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := canary(n)
			b.ReportAllocs()
			for b.Loop() {
				p, err := reconciler.MakePlan(&specs.Deployment{Name: "test"}, []reconciler.Rotation{r}, reconciler.Input{})
				if err != nil {
					b.Fatal(err)
				}
				w := &silent{}
				if o := (reconciler.Run{ID: "r", Site: w, Ledger: w, Lease: w, Plan: p, Parallel: 200, Now: w.now}).Apply(b.Context()); o.Err != nil {
					b.Fatal(o.Err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/relay")
		})
	}
}
