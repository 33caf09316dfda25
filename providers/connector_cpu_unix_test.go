//go:build unix

package providers_test

import (
	"syscall"
	"testing"
	"time"
)

// Ten thousand stored secrets add little to what a look and a plan with ten cost. The CPU is compared, the lab's SQL Server included: on
// a machine that does something else meanwhile the clock says nothing.
func TestTenThousandStoredSecretsAreQuick(t *testing.T) {
	cost := func(more int) time.Duration {
		s := manyStored(t, more)
		defer s.close()
		least := time.Hour
		for range 5 {
			before := usedCPU(t)
			s.look()
			least = min(least, usedCPU(t)-before)
		}
		return least
	}
	few, many := cost(10), cost(10_000)
	t.Logf("10: %s; 10,000: %s", few, many)
	if many-few > 300*time.Millisecond*slower {
		t.Errorf("%s more", many-few)
	}
}

// usedCPU is what this process has used.
func usedCPU(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
