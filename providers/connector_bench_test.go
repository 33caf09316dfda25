package providers_test

import (
	"runtime"
	"strconv"
	"testing"

	"meshrotate/providers/lab"
)

// manyStored is a deployment whose database holds so many secrets more than its document declares, on the real clock.
func manyStored(t testing.TB, more int) *process {
	w := newWorldAt(t, lab.Config{Memory: true, Time: quick, Connectors: 2, MoreSecrets: more}, "connector")
	s := w.process()
	s.look() // the lab makes its tables when they are first asked for
	return s
}

// Ten thousand stored secrets are one round trip, as ten are, and cost little more memory.
func TestTenThousandStoredSecrets(t *testing.T) {
	cost := func(more int) uint64 {
		s := manyStored(t, more)
		defer s.close()
		least := uint64(1) << 60
		for range 3 {
			var before, after runtime.MemStats
			batches := 0
			s.w.lab.Statements(countStored(&batches))
			runtime.GC()
			runtime.ReadMemStats(&before)
			s.look()
			runtime.ReadMemStats(&after)
			if least = min(least, after.TotalAlloc-before.TotalAlloc); batches != 1 {
				t.Errorf("%d secrets: %d round trips", more, batches)
			}
		}
		return least
	}
	few, many := cost(10), cost(10_000)
	t.Logf("10: %d KB; 10,000: %d KB", few>>10, many>>10)
	const most = 20_000_000
	if more := int64(many) - int64(few); more > most {
		t.Errorf("%d bytes more", more)
	}
}

// A look and a plan, the lab's model of SQL Server included. 10,000 stored secrets are to add at most 300 ms and 20 MB to 10.
func BenchmarkStoredSecrets(b *testing.B) {
	for _, more := range []int{10, 10_000} {
		b.Run(strconv.Itoa(more), func(b *testing.B) {
			s := manyStored(b, more)
			defer s.close()
			b.ReportAllocs()
			for b.Loop() {
				s.look()
			}
		})
	}
}
