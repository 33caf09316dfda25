package wsman

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// errGone says that the client went away while its request waited: nobody is left to answer.
var errGone = errors.New("wsman: the client went away")

// process is a command in a shell: its program's streams and what became of it.
type process struct {
	id, line string
	cancel   context.CancelFunc
	limit    int // bytes held of each stream

	mu     sync.Mutex
	wake   chan struct{} // closed at the next change; nil while nobody waits
	in     []byte
	inEnd  bool
	out    [2][]byte // standard output, standard error
	exited bool
	exit   uint32
	told   bool // the client knows the exit code
	killed bool // by Signal, Delete or Close
}

// streams are the names of process.out.
func streams() [2]string { return [2]string{"stdout", "stderr"} }

// change wakes whoever waits. The lock is held.
func (p *process) change() {
	if p.wake != nil {
		close(p.wake)
		p.wake = nil
	}
}

// next is closed at the next change. The lock is held.
func (p *process) next() <-chan struct{} {
	if p.wake == nil {
		p.wake = make(chan struct{})
	}
	return p.wake
}

// kill ends the program and everything that waits for it.
func (p *process) kill() {
	p.mu.Lock()
	p.killed = true
	p.change()
	p.mu.Unlock()
	p.cancel()
}

// finished keeps the exit code.
func (p *process) finished(exit uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exited, p.exit, p.in = true, exit, nil
	p.change()
}

// stdin is the program's end of standard input.
type stdin struct{ p *process }

func (s stdin) Read(b []byte) (int, error) {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.killed:
			return 0, io.ErrClosedPipe
		case len(b) == 0:
			return 0, nil
		case len(p.in) > 0:
			n := copy(b, p.in)
			if p.in = p.in[n:]; len(p.in) == 0 {
				p.in = nil
			}
			p.change()
			return n, nil
		case p.inEnd:
			return 0, io.EOF
		}
		changed := p.next()
		p.mu.Unlock()
		<-changed
		p.mu.Lock()
	}
}

// output is the program's end of an output stream.
type output struct {
	p      *process
	stream int
}

func (o output) Write(b []byte) (int, error) {
	p, written := o.p, 0
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.killed {
			return written, io.ErrClosedPipe
		}
		if room := p.limit - len(p.out[o.stream]); room > 0 {
			n := min(room, len(b)-written)
			p.out[o.stream] = append(p.out[o.stream], b[written:written+n]...)
			written += n
			p.change()
		}
		if written == len(b) {
			return written, nil
		}
		changed := p.next()
		p.mu.Unlock()
		<-changed
		p.mu.Lock()
	}
}

// patience is how long an operation may wait, and for whom.
type patience struct {
	timeout time.Duration
	gather  time.Duration
	watch   func() (gone <-chan struct{}, stop func())
	quit    <-chan struct{}
}

// until calls ready under the lock at every change until it says true. It returns a fault when time is up and errGone
// when the client or the server is. gathering, set by ready, cuts the wait short.
func (p *process) until(w patience, ready func() bool, gathering *bool) error {
	p.mu.Lock()
	if ready() {
		p.mu.Unlock()
		return nil
	}
	timer := time.NewTimer(w.timeout)
	defer timer.Stop()
	gone, stop := w.watch()
	defer stop()
	var gathered <-chan time.Time
	for {
		changed := p.next()
		if gathered == nil && gathering != nil && *gathering {
			gathered = time.After(w.gather)
		}
		p.mu.Unlock()
		select {
		case <-changed:
		case <-gathered:
			return nil
		case <-timer.C:
			return &fault{code: codeTimedOut, text: "The WS-Management operation did not end within its OperationTimeout."}
		case <-gone:
			return errGone
		case <-w.quit:
			return errGone
		}
		p.mu.Lock()
		if ready() {
			p.mu.Unlock()
			return nil
		}
	}
}

// send hands data to the program. It waits while more than the limit is unread. When the time is up the data stays
// where it is and will be read: a client that sends it again sends it twice.
func (p *process) send(data []byte, end bool, w patience) error {
	p.mu.Lock()
	switch {
	case p.killed || p.exited:
		p.mu.Unlock()
		return errNoCommand()
	case len(p.in) > p.limit:
		p.mu.Unlock()
		return &fault{code: codeBusy, text: "The requested resource is in use: an earlier Send is not finished."}
	case p.inEnd:
		p.mu.Unlock()
		return &fault{code: codeInvalidParameter, text: "The input stream was ended before."}
	}
	p.in = append(p.in, data...)
	p.inEnd = end
	p.change()
	p.mu.Unlock()
	err := p.until(w, func() bool { return p.killed || p.exited || len(p.in) <= p.limit }, nil)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return errAborted()
	}
	return nil
}

// received is what one Receive brings.
type received struct {
	out  [2][]byte
	done bool
	exit uint32
}

// receive takes up to budget bytes of the wanted streams, waiting for the first. Done comes only when everything
// before it was taken.
func (p *process) receive(want [2]bool, budget int, w patience) (received, error) {
	var gathering bool
	waiting := func() (n int) {
		for i, b := range p.out {
			if want[i] {
				n += len(b)
			}
		}
		return n
	}
	err := p.until(w, func() bool {
		n := waiting()
		gathering = n > 0
		return p.killed || p.told || p.exited || n >= min(budget, p.limit) || n > 0 && w.gather < 0
	}, &gathering)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.Is(err, errGone):
		return received{}, err
	case p.killed:
		return received{}, errAborted()
	case p.told:
		return received{}, errNoCommand()
	case err != nil && waiting() == 0:
		return received{}, err
	}
	var r received
	for i := range p.out {
		if !want[i] {
			continue
		}
		n := min(budget, len(p.out[i]))
		r.out[i], p.out[i] = p.out[i][:n:n], p.out[i][n:]
		if len(p.out[i]) == 0 {
			p.out[i] = nil
		}
		budget -= n
	}
	if r.done = p.exited && waiting() == 0; r.done {
		r.exit, p.told = p.exit, true
	}
	p.change()
	return r, nil
}

func errNoCommand() error {
	return &fault{code: codeUnexpectedSelectors, text: "The request for the Windows Remote Shell failed because the command was not found on the server."}
}

func errAborted() error {
	return &fault{code: codeAborted, text: "The I/O operation has been aborted because of either a thread exit or an application request."}
}
