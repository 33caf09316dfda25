package lab

import (
	"cmp"
	"net/http"
	"sync/atomic"
)

// loads counts reloads, and does none. Both endpoints are odd, so it is no odd answer of one.
func loads(l *Lab, h *Host) error {
	var n atomic.Int64
	err := answering(reload, http.MethodPost, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		n.Add(1)
		w.WriteHeader(http.StatusAccepted)
	})(l, h)
	return cmp.Or(err, telling(license, func(served map[string]any) any {
		served["number"] = n.Load()
		return served
	})(l, h))
}

// lags has the third answer after a reload from before it, as from a cache or another process.
func lags(l *Lab, h *Host) error {
	var n atomic.Int64
	var before atomic.Value
	n.Store(9)
	err := answering(reload, http.MethodPost, func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
		before.Store(served(l.Served()))
		sound.ServeHTTP(w, r)
		n.Store(0)
	})(l, h)
	return cmp.Or(err, telling(license, func(now map[string]any) any {
		if n.Add(1) == 3 {
			return before.Load()
		}
		return now
	})(l, h))
}
