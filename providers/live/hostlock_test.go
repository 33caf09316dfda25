package live

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever waits for a host does not keep a virtual clock from going on for who has it.
func TestHostLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l hostLock
		var all sync.WaitGroup
		held := 0
		for range 5 {
			all.Go(func() {
				l.Lock()
				defer l.Unlock()
				held++
				if held != 1 || l.TryLock() {
					t.Error("two have it")
				}
				time.Sleep(time.Second) // who waits for it meanwhile is waiting, not at work
				held--
			})
		}
		all.Wait()
		if !l.TryLock() || l.TryLock() {
			t.Error("it is free, and then taken")
		}
	})
}
