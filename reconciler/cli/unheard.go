package cli

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// unheard is a writer that never waits for its reader: a terminal that was stopped with Ctrl-S, a pager, a collector that hangs must
// not hold up a run, least of all while services are down. What nobody reads in time is dropped, and counted.
type unheard struct {
	w     io.Writer
	begin sync.Once
	queue chan written
	lost  atomic.Int64
	deaf  atomic.Bool // Flush has waited in vain, and does not wait again
}

// written are bytes to be written; or a mark, which is closed when all before it is.
type written struct {
	data []byte
	mark chan struct{}
}

// unheardMost is how many writes wait at the most, unheardPatience how long Flush waits for the reader.
const (
	unheardMost     = 512
	unheardPatience = 2 * time.Second
)

func newUnheard(w io.Writer) *unheard { return &unheard{w: w, queue: make(chan written, unheardMost)} }

func (u *unheard) Write(b []byte) (int, error) {
	u.begin.Do(func() { go u.drain() })
	select {
	case u.queue <- written{data: bytes.Clone(b)}:
	default:
		u.lost.Add(1)
	}
	return len(b), nil
}

func (u *unheard) drain() {
	for next := range u.queue {
		if next.mark != nil {
			close(next.mark)
			continue
		}
		if n := u.lost.Swap(0); n > 0 {
			fmt.Fprintf(u.w, "(nobody read in time: %d more lines are left out)\n", n)
		}
		_, _ = u.w.Write(next.data)
	}
}

// Flush waits until all is written, and not for ever.
func (u *unheard) Flush() {
	if u.deaf.Load() {
		return
	}
	u.begin.Do(func() { go u.drain() })
	patience := time.NewTimer(unheardPatience)
	defer patience.Stop()
	mark := make(chan struct{})
	select {
	case u.queue <- written{mark: mark}:
	case <-patience.C:
		u.deaf.Store(true)
		return
	}
	select {
	case <-mark:
	case <-patience.C:
		u.deaf.Store(true)
	}
}
