package machine_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost/winhosttest"
)

// Two processes on one machine take turns at its files, also while the first waits for somebody who holds one.
func TestTurnsPassOnAVirtualClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, content := winhosttest.Content("old"), winhosttest.Content("new")
		disk := &machine.Memory{}
		disk.Write(path, old)
		m := machine.New("HOST")
		m.FS = disk
		release, err := disk.Hold(path, machine.ShareRead)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(70*time.Millisecond, release)
		begin := time.Now()
		var all sync.WaitGroup
		swapped := make(chan bool, 2)
		for range 2 {
			all.Go(func() {
				results, err := rotate(context.Background(), m, old, content)
				swapped <- err == nil && results[1].Done()
			})
		}
		all.Wait()
		if first, second := <-swapped, <-swapped; !first && !second {
			t.Error("neither swapped the file")
		}
		if passed := time.Since(begin); passed < 70*time.Millisecond {
			t.Errorf("done after %s, before the file was let go", passed)
		}
	})
}
