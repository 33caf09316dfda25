package webauth

import (
	"context"
	"net"
	"net/http"
)

type connKey struct{}
type userKey struct{}

// ConnContext gives each connection of an http.Server its login state. Set http.Server.ConnContext to it wherever
// Wrap is used.
func ConnContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, &connSlot{})
}

// connSlot holds the Conn of one connection. It is made by the first request, because the TLS handshake is over only
// then. HTTP/1.1 serves one request of a connection at a time, so it needs no lock; over HTTP/2 NTLM does not exist.
type connSlot struct{ conn *Conn }

// Wrap lets requests through to inner when their caller is known; inner asks User who it is.
func (r *Rules) Wrap(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		slot, ok := req.Context().Value(connKey{}).(*connSlot)
		if !ok || req.ProtoMajor != 1 {
			http.Error(w, "webauth: the server must set ConnContext and speak HTTP/1.1", http.StatusInternalServerError)
			return
		}
		if slot.conn == nil {
			slot.conn = r.NewConn(req.TLS)
		}
		answer := slot.conn.Authenticate(req.Header.Get("Authorization"))
		for _, c := range answer.Challenges {
			w.Header().Add("WWW-Authenticate", c)
		}
		if answer.User == "" {
			w.WriteHeader(answer.Status)
			return
		}
		inner.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), userKey{}, answer.User)))
	})
}

// User is who sent the request that ctx belongs to; empty outside Wrap.
func User(ctx context.Context) string {
	user, _ := ctx.Value(userKey{}).(string)
	return user
}
