package providers_test

import (
	"runtime"
	"testing"
	"time"

	"meshrotate/providers/lab"
)

// lookCost is what a look and a plan take, the lab's model of SQL Server included: the least of some tries.
type lookCost struct {
	took    time.Duration
	bytes   uint64
	batches int // how often the tables were read, in one look
}

// costOf looks at a deployment whose database holds so many secrets more than its document declares, on the real clock.
func costOf(t *testing.T, more int) lookCost {
	w := newWorldAt(t, lab.Config{Memory: true, Time: quick, Connectors: 2, MoreSecrets: more}, "connector")
	s := w.process()
	defer s.close()
	s.look() // the lab makes its tables when they are first asked for
	least := lookCost{took: time.Hour, bytes: 1 << 60}
	for range 7 {
		var before, after runtime.MemStats
		batches := 0
		w.lab.Statements(countStored(&batches))
		runtime.GC()
		runtime.ReadMemStats(&before)
		began := time.Now()
		s.look()
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		least = lookCost{min(least.took, took), min(least.bytes, after.TotalAlloc-before.TotalAlloc), max(least.batches, batches)}
	}
	return least
}

// Ten thousand stored secrets are one round trip, as ten are, and cost little more.
func TestTenThousandStoredSecrets(t *testing.T) {
	few, many := costOf(t, 10), costOf(t, 10_000)
	t.Logf("10: %v, %d KB; 10,000: %v, %d KB", few.took, few.bytes>>10, many.took, many.bytes>>10)
	if few.batches != 1 || many.batches != 1 {
		t.Errorf("%d and %d round trips", few.batches, many.batches)
	}
	if more := int64(many.bytes) - int64(few.bytes); more > 20<<20 {
		t.Errorf("%d MB more", more>>20)
	}
	if more := many.took - few.took; more > 300*time.Millisecond {
		t.Errorf("%v longer", more)
	}
}
