package lab

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// stuck lets Admin list its relays for ever as it does now.
func (l *Lab) stuck(h *Host) error {
	whole := &kept{header: http.Header{}, status: http.StatusOK}
	l.getRelays(whole, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/api/relays"}})
	return answering("/api/relays", http.MethodGet, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		maps.Copy(w.Header(), whole.header)
		_, _ = w.Write(whole.body)
	})(l, h)
}

// cached lets a cache that keeps answers (RFC 9111) list the relays as Admin did an hour ago.
func (l *Lab) cached(h *Host) error {
	began := time.Now()
	err := retold(func(e map[string]any) { e["lastHeartbeatUtc"] = began.Add(-time.Hour).UTC() })(l, h)
	if err != nil {
		return err
	}
	const list = "/api/relays"
	l.mu.Lock()
	inner := l.odd[list]
	l.mu.Unlock()
	return answering(list, http.MethodGet, func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
		w.Header().Set("Date", began.Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.Header().Set("Age", strconv.Itoa(int((time.Hour + time.Since(began)).Seconds())))
		inner(w, r, sound)
	})(l, h)
}
