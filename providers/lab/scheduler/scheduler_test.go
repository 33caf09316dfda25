package scheduler_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers/lab/scheduler"
)

// life is what many goroutines did, in order, and the trace of it. Each passes, waits for a time that others wait for too,
// and passes again.
func life(t *testing.T, seed uint64) (did, trace []string) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		s := scheduler.Start(seed, func(e scheduler.Event) scheduler.Fate[int] {
			f := scheduler.Fate[int]{Value: e.N}
			if e.N%10 == 0 {
				f.Text = "a tenth"
			}
			return f
		})
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				for step := range 5 {
					name := fmt.Sprintf("%02d step %d", i, step)
					n := s.Pass(name, nil)
					mu.Lock()
					did = append(did, fmt.Sprintf("%d %s", n, name))
					mu.Unlock()
					time.Sleep(time.Duration(step) * time.Second)
				}
			})
		}
		all.Wait()
		s.Stop()
		trace = s.Trace()
	})
	return did, trace
}

func TestOneSeedIsOneStory(t *testing.T) {
	stories := map[string]bool{}
	for seed := range uint64(20) {
		did, trace := life(t, seed)
		again, trace2 := life(t, seed)
		if !slices.Equal(did, again) || !slices.Equal(trace, trace2) {
			t.Fatalf("seed %d has two stories:\n%s\n%s", seed, strings.Join(trace, "\n"), strings.Join(trace2, "\n"))
		}
		if len(did) != 100 || len(trace) != 100 || !strings.Contains(trace[9], "a tenth") {
			t.Fatalf("%d, %q", len(did), trace)
		}
		stories[strings.Join(trace, "\n")] = true
	}
	if len(stories) != 20 {
		t.Errorf("twenty seeds have %d stories", len(stories))
	}
}

// Time passes only when nothing waits, and what comes after an event finds nothing going on.
func TestOneThingAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		busy := 0
		s := scheduler.Start(1, func(e scheduler.Event) (f scheduler.Fate[bool]) {
			if busy > 0 {
				t.Errorf("%s while another goes on", e.Name)
			}
			events = append(events, e.Name)
			f.After = func() { events = append(events, "after "+e.Name) }
			return f
		})
		began := time.Now()
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				s.Pass(fmt.Sprint("first ", i), nil)
				busy++ // no lock: the race detector sees whoever is not alone
				busy--
				s.Pass(fmt.Sprint("second ", i), nil)
			})
		}
		all.Wait()
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("nothing was waited for, and it took %s", took)
		}
		s.Stop()
		for i := 0; i+1 < len(events); i += 2 {
			if events[i+1] != "after "+events[i] {
				t.Errorf("%q comes after %q", events[i+1], events[i])
			}
		}
		if s.Events() != 20 || s.Pass("late", nil) {
			t.Errorf("%d", s.Events())
		}
	})
}

// Whoever waits when it is stopped goes on.
func TestStop(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		s := scheduler.Start(1, func(scheduler.Event) scheduler.Fate[int] { return scheduler.Fate[int]{Value: 1} })
		s.Pass("one", nil)
		got := make(chan int, 1)
		go func() { got <- s.Pass("two", nil) }()
		<-got
		s.Note("%s", "a note")
		s.Stop()
		if trace := s.Trace(); len(trace) != 3 || !strings.HasSuffix(trace[2], "a note") {
			t.Errorf("%q", trace)
		}
	})
}
