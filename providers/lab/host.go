package lab

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/winhost"
)

// Host is one machine and its WinRM service.
type Host struct {
	Name    string // as in the document
	Machine *machine.Machine
	Address string // "" in memory
	server  *wsman.Server
	manager ServiceManager // nil when the machine itself is
	started atomic.Int64   // processes that WinRM was asked for

	mu     sync.Mutex
	down   bool
	both   bool // Admin and Engine are here
	skew   time.Duration
	faults func(wsman.Event) wsman.Fault
	points func(machine.Point) machine.Action
	noSQL  bool // SQL Server is not reached from here
	// oddTLS is how its WinRM speaks TLS for now, nil for the usual way.
	oddTLS *tls.Config
	// stringAt is the key of the connection string that its service reads, "" for the product's own.
	stringAt string
	// held close the files that a mishap holds open; removed is the service that one has removed, nil for none.
	held    []func()
	removed *machine.Service
}

func (h *Host) services() []string {
	switch h.Machine.Name {
	case "IM-ADMIN":
		if h.both {
			return []string{AdminService, EngineService}
		}
		return []string{AdminService}
	case "IM-ENGINE":
		return []string{EngineService}
	case "IM-BUILD":
		return nil
	default:
		return []string{RelayService}
	}
}

// service is the one that the product has on the host, "" when it has none.
func (h *Host) service() string {
	for _, name := range h.services() {
		return name
	}
	return ""
}

// newHost makes a machine and, unless the lab is in memory, its listener.
func (l *Lab) newHost(name string) (*Host, error) {
	h := &Host{Name: name, Machine: machine.New(upper(label(name)))}
	m := h.Machine
	m.Domain, m.GUID, m.Installed, m.PowerShellStart = "lab.example", guid(name), installed, l.timing.PowerShell
	run := func(ctx context.Context, p wsman.Process) uint32 {
		h.started.Add(1)
		return m.Run(ctx, p.CommandLine, p.Stdin, p.Stdout, p.Stderr)
	}
	if e := l.config.Engine; e != nil {
		fs, err := e.Disk(name)
		if err != nil {
			return nil, err
		}
		m.FS = fs
		h.manager, _ = e.(ServiceManager)
		run = func(ctx context.Context, p wsman.Process) uint32 {
			h.started.Add(1)
			return e.Run(ctx, m, p)
		}
	}
	l.join(h)
	m.Hook, m.Now = h.point, h.clock
	m.Booted()
	m.Port = func(string, uint16) uint32 { return l.portFrom(h) }
	m.SQL = func(text string) winhost.SQLAnswer { return l.signInFrom(h, text) }
	if r := l.config.Record; r != nil {
		m.Record = func(kind, text string) { r(name, kind, text) }
	}
	h.server = &wsman.Server{Auth: webauth.Rules{NTLM: l.ntlm(m.Name), Negotiate: true}, Run: run, Faults: h.fault, TLS: l.listening(h)}
	if l.config.Memory {
		return h, nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	h.Address = ln.Addr().String()
	go func() { _ = h.server.Serve(ln) }() // ends with Close
	return h, nil
}

func (l *Lab) ntlm(host string) ntlm.Server {
	return ntlm.Server{Domain: Domain, Host: host, Password: func(user string) (string, bool) { return l.Password, user == User }}
}
