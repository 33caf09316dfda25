package lab

import (
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab/webauth"
)

// serveAPI starts the Admin API. It answers while Admin's process runs; otherwise connections are reset.
func (l *Lab) serveAPI() error {
	ln, err := l.listen()
	if err != nil {
		return err
	}
	l.apiAddr = ln.Addr().String()
	l.gate = &gate{Listener: ln, open: l.adminUp, conns: map[net.Conn]bool{}}
	rules := webauth.Rules{NTLM: l.ntlm("IM-ADMIN"), Negotiate: true}
	if l.config.Memory {
		rules.Bearer = func(token string) (string, bool) { return User, token == l.Password }
	}
	guarded := http.NewServeMux()
	guarded.HandleFunc("GET /api/license", l.getLicense)
	guarded.HandleFunc("POST /api/license/reload", l.reloadLicense)
	guarded.HandleFunc("GET /api/relays", l.getRelays)
	guarded.HandleFunc("GET /api/dashboard", l.getDashboard)
	guarded.HandleFunc("GET /api/connectors", l.getConnectors)
	mux := http.NewServeMux()
	mux.Handle("GET /health/ready", l.oddities(http.HandlerFunc(l.getReady)))
	mux.Handle("/", rules.Wrap(l.written(l.oddities(guarded))))
	l.api = &http.Server{Handler: l.striking(mux), ConnContext: connContext, ConnState: l.gate.track, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = l.api.Serve(l.gate) }() // ends with Close
	return nil
}

func (l *Lab) listen() (net.Listener, error) {
	if l.config.Memory {
		return newMemoryListener(), nil
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// URL is the Admin API's.
func (l *Lab) URL() string { return "http://" + l.apiAddr }

func (l *Lab) adminUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Kestrel listens some time after the process has started, and before the product is ready.
	return l.admin.process != nil && time.Now().After(l.admin.ready.Add(-l.timing.AdminReady/2))
}

// gate is a listener that resets connections while nobody listens behind it.
type gate struct {
	net.Listener
	open func() bool

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil || g.open() {
			return c, err
		}
		reset(c)
	}
}

func reset(c net.Conn) {
	switch c := c.(type) {
	case *net.TCPConn:
		_ = c.SetLinger(0)
	case *memoryConn:
		c.reset.Store(true)
	}
	_ = c.Close()
}

func (g *gate) track(c net.Conn, s http.ConnState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s == http.StateClosed || s == http.StateHijacked {
		delete(g.conns, c)
	} else {
		g.conns[c] = true
	}
}

// drop resets the connections of a process that ended.
func (g *gate) drop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		reset(c)
	}
	clear(g.conns)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v) // the client notices a cut
}

// Ready says whether Admin is ready now. As when its API is asked, it looks at its database.
func (l *Lab) Ready() bool {
	l.mu.Lock()
	ok := !l.ailing && l.admin.process != nil && time.Now().After(l.admin.ready)
	l.mu.Unlock()
	return ok && l.database.admin.healthy()
}

func (l *Lab) getReady(w http.ResponseWriter, _ *http.Request) {
	if !l.Ready() {
		http.Error(w, "Unhealthy", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("Healthy"))
}

func (l *Lab) getLicense(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	lic := l.admin.license
	l.mu.Unlock()
	answer(w, served(lic))
}

// reloadLicense reads the file again; a file that is not the vendor's leaves the license as it was.
func (l *Lab) reloadLicense(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.admin.reloads++
	if lic := l.readLicense(l.Admin); lic != nil {
		l.admin.license = lic
	}
	w.WriteHeader(http.StatusNoContent)
}

// getDashboard needs the database, and shows live configuration: a settings file that was broken while the service runs blanks it, without a
// crash and without a word in the log.
func (l *Lab) getDashboard(w http.ResponseWriter, _ *http.Request) {
	if !l.database.admin.healthy() {
		http.Error(w, "An error occurred while processing your request.", http.StatusInternalServerError)
		return
	}
	b, _, _ := l.Admin.Machine.FS.Read(AdminSettings)
	s, err := appsettings.Get(b, "IdentityMesh:Name")
	name := ""
	if err == nil {
		name = string(s.Value.Expose())
	}
	answer(w, map[string]any{"name": name, "relays": len(l.Relays), "connected": l.Connected()})
}
