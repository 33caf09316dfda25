package providers_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/live"
	"meshrotate/providers/winhost"
	"meshrotate/providers/winrm"
	"meshrotate/state"
)

// shutDoor is a shell that lets nobody in while it is closed: nothing of what is asked then has run, and that is known.
type shutDoor struct {
	live.Shell
	shut func() bool
}

func (d shutDoor) Start(ctx context.Context, commandLine string) (winhost.Pipe, error) {
	if d.shut() {
		return nil, &winrm.Error{Class: winrm.Denied}
	}
	p, err := d.Shell.Start(ctx, commandLine)
	return shutPipe{p, d}, err
}

type shutPipe struct {
	winhost.Pipe
	door shutDoor
}

func (p shutPipe) Send(ctx context.Context, b []byte, end bool) error {
	if p.door.shut() {
		return &winrm.Error{Class: winrm.Denied}
	}
	return p.Pipe.Send(ctx, b, end)
}

// A host lets nobody in at a proof's question: what else its service may read, or whether its process is the same after a while. It is known that nothing of it was asked, and that refutes nothing either: nothing is taken back.
func TestAFurtherQuestionThatNobodyIsLetInFor(t *testing.T) {
	vendor()
	for _, c := range []struct {
		name, kind string
		host       func(w *world) *lab.Host
		beside     string // the settings file that has another one beside it; "" is none
		after      string // the op after which nobody is let in
		answers    bool   // it lets everybody in, and cannot say
	}{
		{"what else has a setting", "relaykey", func(w *world) *lab.Host { return w.lab.Admin }, lab.AdminSettings, "environment.read", false},
		{"what else has a list", "codesigning", func(w *world) *lab.Host { return w.relay(1) }, lab.RelaySettings, "environment.read", false},
		{"whether the process stays", "relaykey", func(w *world) *lab.Host { return w.lab.Admin }, "", "machine.identity", false},
		{"the same, and the service manager is busy", "relaykey", func(w *world) *lab.Host { return w.lab.Admin }, "", "machine.identity", true},
		{"anything", "relaykey", func(w *world) *lab.Host { return w.lab.Admin }, "", "service.start", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, c.kind)
				h := c.host(w)
				if c.beside != "" {
					if err := h.Machine.FS.Create(strings.Replace(c.beside, "appsettings.json", "appsettings.Production.json", 1), []byte("{}"), ""); err != nil {
						t.Fatal(err)
					}
					w.restarted(h) // so nobody is surprised by it
				}
				var mu sync.Mutex
				var started bool
				var until time.Time
				h.Points(func(p machine.Point) (a machine.Action) {
					mu.Lock()
					defer mu.Unlock()
					started = started || p.Op == "service.start" && p.When == machine.After
					if started && p.Op == c.after && p.When == machine.After && until.IsZero() && !w.marks(p) {
						until = time.Now().Add(90 * time.Second)
					}
					if c.answers && p.Op == "service.query" && p.When == machine.Before && time.Now().Before(until) {
						a.Fail = 1053
					}
					return a
				})
				w.through = func(host string, s live.Shell) live.Shell {
					return shutDoor{s, func() bool {
						mu.Lock()
						defer mu.Unlock()
						return host == h.Name && !c.answers && time.Now().Before(until)
					}}
				}
				_, o := w.run()
				if until.IsZero() || len(o.With(state.Back)) > 0 {
					t.Errorf("%v", o)
				}
				entries, err := w.state.Ledger.Entries(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				told := map[state.Outcome]int{}
				for _, e := range entries {
					if strings.HasPrefix(e.Step, "verify/prove") && slices.Contains(e.Hosts, h.Name) {
						told[e.Outcome]++
					}
				}
				if told[state.Unknown] == 0 || told[state.Failed] > 0 {
					t.Errorf("%v: %v", told, o)
				}
				time.Sleep(20 * time.Minute)
				w.through = nil
				if p, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 1 {
					t.Errorf("%v, %+v", o, p.Changes)
				}
			})
		})
	}
}
