package live

import (
	"context"
	"fmt"
	"sync"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// host is one machine during one run. One PowerShell process serves all its batches.
type host struct {
	name string
	site *Site

	mu         sync.Mutex
	shell      Shell
	session    *winhost.Session
	computer   string
	files      map[string]*file
	dependents map[string][]string // by service: what its stop took down
}

// file is what the run knows about one file.
type file struct {
	content secret.Value // as it was seen; zero when there was none
	base    string       // its SHA-256, "" when there was none
	staged  string       // SHA-256 of what was staged, "" when nothing was
}

// open connects and starts PowerShell, once.
func (h *host) open(ctx context.Context) (*winhost.Session, error) {
	if h.session != nil {
		return h.session, nil
	}
	select {
	case h.site.opening <- struct{}{}:
		defer func() { <-h.site.opening }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	shell, err := h.site.config.Dial(ctx, h.name)
	if err != nil {
		return nil, err
	}
	program := ""
	if h.site.config.PowerShell != nil {
		program = h.site.config.PowerShell(h.name)
	}
	session, err := winhost.Open(ctx, shell, winhost.Config{Program: program})
	if err != nil {
		_ = shell.Close(ctx)
		return nil, err
	}
	h.shell, h.session = shell, session
	return session, nil
}

// close ends the shell, and with it the idle PowerShell process: between requests it has nothing under way.
func (h *host) close(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(ctx)
}

func (h *host) drop(ctx context.Context) {
	if h.shell != nil {
		_ = h.shell.Close(ctx) // the host ends an abandoned shell by itself
	}
	h.shell, h.session = nil, nil
}

// forget lets go of file contents.
func (h *host) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files = map[string]*file{}
}

// ask sends ops in one request and closes the session after an error: it is of no more use.
func (h *host) ask(ctx context.Context, ops []winhost.Op, look bool) ([]winhost.Result, error) {
	session, err := h.open(ctx)
	if err != nil {
		return nil, err
	}
	send := session.Do
	if look {
		send = session.Look
	}
	results, err := send(ctx, ops)
	if err == nil && len(results) != len(ops) {
		err = fmt.Errorf("%s: %d answers to %d questions", h.name, len(results), len(ops))
	}
	if err != nil {
		h.drop(context.WithoutCancel(ctx))
		return nil, err
	}
	return results, nil
}

// look answers the reads in one request.
func (h *host) look(ctx context.Context, reads []reconciler.Read, salt secret.Value) reconciler.Look {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := &questions{host: h, salt: salt}
	for _, r := range reads {
		q.add(r)
	}
	sent := h.site.config.Now()
	results, err := h.ask(ctx, q.ops, true)
	if err != nil {
		return reconciler.Look{Reach: reach(err), Err: err}
	}
	q.sent, q.received = sent, h.site.config.Now()
	look := reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
	for _, r := range reads {
		answer, err := q.answer(ctx, r, results)
		if err != nil {
			// A part that is not known makes the whole host unknown: nobody acts on half a look.
			return reconciler.Look{Reach: reconciler.Broken, Err: fmt.Errorf("%s: %w", h.name, err)}
		}
		look.Results[r.Key()] = answer
		if m, ok := answer.(*site.MachineSeen); ok {
			h.computer = m.ComputerName
		}
	}
	return look
}
