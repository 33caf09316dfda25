package live

import (
	"context"
	"fmt"
	"time"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// host is one machine during one run. One PowerShell process serves all its batches.
type host struct {
	name string
	site *Site

	mu      hostLock
	shell   Shell
	session *winhost.Session
	files   few[*file]
	running few[run]              // by service: the process that this run has started
	stopped few[bool]             // by service: this run has stopped it, and not started it since
	failed  map[string]error      // by service: why its start failed, where it has not started since
	newer   map[string]string     // by service: how its program was changed since the process that the look has seen started
	barred  map[string]error      // by service: why its account could not log on at its start, unless this run has set its logon since
	logons  map[string]logon      // by service: what this run has set
	sealer  *site.MachineIdentity // by whom this batch seals secrets; nil: it has not asked
	took    map[string][]string   // by service: what its stop took down that nobody had planned for
	turn    time.Time             // when the present look's began
	tell    func(line string)     // told what a program of the present batch writes; nil: nobody is
	silent  bool                  // a batch was given up, and it has not answered since
	heard   bool                  // it has answered
}

// run is a process that this run has started, and when it had, by our clock, or, when that is late, some time before.
type run struct {
	name string // in the outages
	pid  uint32
	at   time.Time
	late bool
}

// file is what the run knows about one file.
type file struct {
	content secret.Value // as it was seen; zero when there was none
	base    string       // its SHA-256, "" when there was none
	staged  string       // SHA-256 of what was staged, "" when nothing was
	read    bool         // this run has looked at it
	written time.Time    // by its own word, as it was seen
	// replaced: this run has made another one live.
	replaced bool
}

// put makes a host's map with its first entry: most of ten thousand hosts have none.
func put[V any](of *map[string]V, key string, value V) {
	if *of == nil {
		*of = map[string]V{}
	}
	(*of)[key] = value
}

// connect opens a shell, once.
func (h *host) connect(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shell != nil {
		return nil
	}
	shell, err := h.site.config.Dial(ctx, h.name)
	if err == nil {
		h.shell = shell
	}
	return err
}

// queue waits for the host's turn to be looked at.
func (h *host) queue(ctx context.Context) (err error) {
	h.turn, err = h.site.turns.enter(ctx)
	return err
}

// start runs PowerShell in the shell, once.
func (h *host) start(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.startLocked(ctx)
}

func (h *host) startLocked(ctx context.Context) error {
	if h.session != nil {
		return nil
	}
	program := ""
	if h.site.config.PowerShell != nil {
		program = h.site.config.PowerShell(h.name)
	}
	session, err := winhost.Open(ctx, h.shell, winhost.Config{Program: program})
	if err != nil {
		h.drop(context.WithoutCancel(ctx))
		return err
	}
	h.session = session
	return nil
}

// open does both, for a host whose connection was lost, or that was not looked at.
func (h *host) open(ctx context.Context) error {
	if h.session != nil {
		return nil
	}
	if h.shell == nil {
		shell, err := h.site.config.Dial(ctx, h.name)
		if err != nil {
			return err
		}
		h.shell = shell
	}
	return h.startLocked(ctx)
}

// close ends the shell, and with it the idle PowerShell process: between requests it has nothing under way.
func (h *host) close(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(ctx)
}

// dropMost is how long a host is waited for that is to end a shell: one that hangs must not hold up the next try, nor the end.
const dropMost = 2 * time.Second

func (h *host) drop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, dropMost)
	defer cancel()
	if h.shell != nil {
		_ = h.shell.Close(ctx) // the host ends an abandoned shell by itself
	}
	h.shell, h.session = nil, nil
}

// forget lets go of file contents.
func (h *host) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files = nil
}

// ask sends ops in one request and closes the session after an error: it is of no more use.
func (h *host) ask(ctx context.Context, ops []winhost.Op, look bool) ([]winhost.Result, error) {
	if err := h.open(ctx); err != nil {
		return nil, err
	}
	results, err := []winhost.Result(nil), error(nil)
	if look {
		results, err = h.session.Look(ctx, ops)
	} else {
		results, err = h.session.Follow(ctx, ops, h.tell)
	}
	if err == nil && len(results) != len(ops) {
		err = fmt.Errorf("%s: %d answers to %d questions", h.name, len(results), len(ops))
	}
	if err != nil {
		h.drop(context.WithoutCancel(ctx))
		return nil, err
	}
	h.silent, h.heard = false, true
	return results, nil
}
