package machine

import "sync"

// turns is a lock that may be held while time passes: who waits for it waits by a condition, which a virtual clock
// (testing/synctest) takes for waiting. A sync.Mutex it takes for work, and would never go on.
type turns struct {
	mu    sync.Mutex
	free  *sync.Cond
	taken bool
}

func (t *turns) Lock() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free == nil {
		t.free = sync.NewCond(&t.mu)
	}
	for t.taken {
		t.free.Wait()
	}
	t.taken = true
}

func (t *turns) Unlock() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = false
	t.free.Signal()
}
