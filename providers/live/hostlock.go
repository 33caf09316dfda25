package live

import "sync"

// hostLock is a mutex that is held while a host is asked. Who waits for it waits by a condition, which a virtual clock
// (testing/synctest) takes for waiting; a sync.Mutex it takes for work, and would never go on.
type hostLock struct {
	mu    sync.Mutex
	free  *sync.Cond // nil until somebody has waited
	taken bool
}

func (l *hostLock) Lock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.taken {
		if l.free == nil {
			l.free = sync.NewCond(&l.mu)
		}
		l.free.Wait()
	}
	l.taken = true
}

// TryLock takes it where nobody has it.
func (l *hostLock) TryLock() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken {
		return false
	}
	l.taken = true
	return true
}

func (l *hostLock) Unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken = false
	if l.free != nil {
		l.free.Signal()
	}
}
