package live

import (
	"runtime/metrics"
	"sync"
	"time"
)

// lagging is how long what could run may wait for a processor before this machine does not keep up.
const lagging = 5 * time.Millisecond

// Busy returns a function that says whether this process lacks processors: whether, since it was asked last and at least a moment ago,
// one in ten of what could run has waited for long.
func Busy() func() bool {
	const moment = 5 * time.Millisecond
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	var mu sync.Mutex
	var before []uint64
	var asked time.Time
	var busy bool
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(asked) < moment {
			return busy
		}
		asked = time.Now()
		metrics.Read(sample)
		h := sample[0].Value.Float64Histogram()
		var all, late uint64
		for i, n := range h.Counts {
			if before != nil {
				n -= before[i]
			}
			all += n
			if h.Buckets[i] >= lagging.Seconds() {
				late += n
			}
		}
		before = append(before[:0], h.Counts...)
		busy = 10*late >= all && late > 0
		return busy
	}
}
