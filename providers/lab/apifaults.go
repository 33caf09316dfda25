package lab

import (
	"context"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"

	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
)

// WireAPI injects faults into the Admin API: nil injects none. An event's action is the request's method and path, as
// "GET /api/relays"; in memory there is also Connect, for each connection. Kinds that belong to WinRM alone do nothing.
func (l *Lab) WireAPI(faults func(wsman.Event) wsman.Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.apiFaults = faults
}

func (l *Lab) apiEvent(client string, a wsman.Action) wsman.Fault {
	l.mu.Lock()
	if l.apiCounts == nil {
		l.apiCounts = map[wsman.Action]int{}
	}
	l.apiCounts[a]++
	e, faults := wsman.Event{Client: client, Action: a, N: l.apiCounts[a]}, l.apiFaults
	l.mu.Unlock()
	if faults == nil {
		return wsman.Fault{}
	}
	return faults(e)
}

// stall is the part of a fault that takes time: its delay, or all there is when it hangs before the effect.
func stall(ctx context.Context, f wsman.Fault) bool {
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-ctx.Done():
		}
	}
	if f.Kind == wsman.Hang {
		<-ctx.Done()
	}
	return ctx.Err() == nil
}

// striking puts the faults around every request.
func (l *Lab) striking(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := l.apiEvent(clientName(r.Context()), wsman.Action(r.Method+" "+r.URL.Path))
		if !stall(r.Context(), f) {
			panic(http.ErrAbortHandler)
		}
		switch f.Kind {
		case wsman.Refuse, wsman.CutBefore:
			panic(http.ErrAbortHandler)
		case wsman.Status:
			http.Error(w, "injected by the lab", f.Status)
		case wsman.CutAfter, wsman.CutMid, wsman.HangAfter:
			whole := &kept{header: http.Header{}, status: http.StatusOK}
			inner.ServeHTTP(whole, r)
			if f.Kind == wsman.HangAfter {
				<-r.Context().Done()
			}
			if f.Kind == wsman.CutMid && len(whole.body) > 0 {
				whole.half(w)
			}
			panic(http.ErrAbortHandler)
		default:
			if killed(r.Context()) {
				panic(http.ErrAbortHandler) // by the hook, before this request was sent
			}
			inner.ServeHTTP(w, r)
		}
	})
}

// kept is an answer that nobody has got yet.
type kept struct {
	header http.Header
	status int
	body   []byte
}

func (k *kept) Header() http.Header    { return k.header }
func (k *kept) WriteHeader(status int) { k.status = status }
func (k *kept) Write(b []byte) (int, error) {
	k.body = append(k.body, b...)
	return len(b), nil
}

// half sends an answer as far as its middle.
func (k *kept) half(w http.ResponseWriter) {
	maps.Copy(w.Header(), k.header)
	w.Header().Set("Content-Length", strconv.Itoa(len(k.body)))
	w.WriteHeader(k.status)
	_, _ = w.Write(k.body[:len(k.body)/2])
	_ = http.NewResponseController(w).Flush()
}

type clientKey struct{}

// connContext gives a connection its login, and its client where that is known.
func connContext(ctx context.Context, c net.Conn) context.Context {
	if m, ok := c.(*memoryConn); ok {
		ctx = context.WithValue(ctx, clientKey{}, m.client)
	}
	return webauth.ConnContext(ctx, c)
}

func killed(ctx context.Context) bool {
	c, ok := ctx.Value(clientKey{}).(*Client)
	return ok && c.life.Err() != nil
}

func clientName(ctx context.Context) string {
	if c, ok := ctx.Value(clientKey{}).(*Client); ok {
		return c.Name
	}
	return ""
}
