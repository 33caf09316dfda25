package reconciler_test

import (
	"fmt"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/specs"
)

// Ten thousand relays are planned, passed, and taken back: neither the order nor the books are quadratic.
func BenchmarkFleet(b *testing.B) {
	for _, fails := range []string{"", "prove key", "stop relay-000"} {
		for _, n := range []int{1000, 4000, 16000} {
			b.Run(fmt.Sprintf("failing=%s/%d", fails, n), func(b *testing.B) {
				r := canary(n)
				b.ReportAllocs()
				for b.Loop() {
					p, err := reconciler.MakePlan(&specs.Deployment{Name: "test"}, []reconciler.Rotation{r}, reconciler.Input{})
					if err != nil {
						b.Fatal(err)
					}
					w := &silent{but: fails}
					o := reconciler.Run{ID: "r", Site: w, Ledger: w, Lease: w, Plan: p, Parallel: 200, Now: w.now}.Apply(b.Context())
					if (o.Err != nil) != (fails != "") || len(o.Down) > 0 {
						b.Fatal(o.Err, o.Down)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/relay")
			})
		}
	}
}
