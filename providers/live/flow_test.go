package live

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers/winrm"
)

// passed lets hosts through a flow, and tells how many were in at most and how long it took. Each takes as long, and ends, as
// answer says of how many are in when it comes.
func passed(t *testing.T, f *flow, hosts int, answer func(in int) (time.Duration, error)) (most int, took time.Duration) {
	t.Helper()
	began := time.Now()
	var mu sync.Mutex
	var wg sync.WaitGroup
	in := 0
	for range hosts {
		wg.Go(func() {
			turn, err := f.enter(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			in++
			most = max(most, in)
			long, err := answer(in)
			mu.Unlock()
			time.Sleep(long)
			mu.Lock()
			in--
			mu.Unlock()
			f.leave("look", turn, err)
		})
		synctest.Wait() // in turn
	}
	wg.Wait()
	return most, time.Since(began)
}

func TestFlow(t *testing.T) {
	steady := func(int) (time.Duration, error) { return time.Second, nil }
	quota := &winrm.Error{Class: winrm.Quota}
	for _, c := range []struct {
		reason      string
		ceiling     int
		patience    time.Duration
		busy        func() bool
		hosts       int
		answer      func(in int) (time.Duration, error)
		least, most int // in at once
		within      time.Duration
	}{
		{"it grows to its ceiling, and not beyond", 400, 0, nil, 3000, steady, 400, 400, 11 * time.Second},
		{"a low ceiling means what it says", 3, 0, nil, 10, steady, 3, 3, 4 * time.Second},
		{"where more only makes answers late, there come no more", 5000, 0, nil, 3000,
			func(in int) (time.Duration, error) { return time.Duration(max(in, 200)) * 5 * time.Millisecond, nil }, 300, 1500, time.Minute},
		{"a machine that does not keep up gets no more", 5000, 0, func() bool { return true }, 1000, steady, Begins, Begins, 10 * time.Second},
		{"a quota that is met halves it, and it comes back to what is borne", 5000, 0, nil, 3000,
			func(in int) (time.Duration, error) {
				if in > 150 {
					return 10 * time.Millisecond, quota
				}
				return time.Second, nil
			}, 150, 300, 30 * time.Second},
		{"those who hang hold up others for seconds only", everybody, rushPatience, nil, 5000, func(int) (time.Duration, error) { return 5 * time.Minute, context.DeadlineExceeded },
			5000, 5000, 5*time.Minute + 31*time.Second},
		{"who answers lets others in, not the patience", everybody, rushPatience, func() bool { return true }, 2000, steady, Begins, Begins, 20 * time.Second},
	} {
		t.Run(c.reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				most, took := passed(t, newFlow(Begins, c.ceiling, c.patience, time.Now, c.busy), c.hosts, c.answer)
				if most < c.least || most > c.most || took > c.within {
					t.Errorf("%d at most, in %v; want %d to %d within %v", most, took, c.least, c.most, c.within)
				}
			})
		})
	}
}

// Who gives up while waiting takes nobody's turn.
func TestFlowGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlow(1, 1, 0, time.Now, nil)
		turn, _ := f.enter(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		var gaveUp error
		var wg sync.WaitGroup
		wg.Go(func() { _, gaveUp = f.enter(ctx) })
		synctest.Wait()
		var came atomic.Bool
		wg.Go(func() {
			later, err := f.enter(t.Context())
			came.Store(err == nil)
			f.leave("look", later, nil)
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		if came.Load() || !errors.Is(gaveUp, context.Canceled) {
			t.Errorf("came %v, gave up with %v", came.Load(), gaveUp)
		}
		f.leave("look", turn, nil)
		wg.Wait()
		if !came.Load() {
			t.Error("the other one did not come")
		}
	})
}
