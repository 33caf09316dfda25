package live_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/live"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// open is a site with nothing but an Admin API.
func open(t *testing.T, url string) *live.Site {
	t.Helper()
	c, err := adminapi.New(adminapi.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	s := live.New(live.Config{API: c, Poll: 20 * time.Millisecond,
		Salt: func(context.Context) (secret.Value, error) { return secret.NewString("salt"), nil }})
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func do(t *testing.T, s *live.Site, op reconciler.Op) reconciler.Report {
	t.Helper()
	r := s.Do(t.Context(), site.API, []reconciler.Step{{Name: "it", Phase: reconciler.Verify, Op: op}}, func(reconciler.Event) {})
	if len(r) != 1 {
		t.Fatalf("%d reports", len(r))
	}
	return r[0]
}

// An undo starts Admin, and asks it to read its license before it listens.
func TestAReloadWaitsUntilAdminListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			asked.Add(1)
		}
		w.WriteHeader(http.StatusNoContent)
	}), ReadHeaderTimeout: time.Second}
	defer func() { _ = server.Close() }()
	time.AfterFunc(300*time.Millisecond, func() {
		if again, err := net.Listen("tcp", address); err == nil {
			_ = server.Serve(again)
		}
	})
	if r := do(t, open(t, "http://"+address), site.ReloadLicense{}); r.Outcome != state.Done || asked.Load() != 1 {
		t.Errorf("%+v, asked %d times", r, asked.Load())
	}
}

// What a relay list may say, and what it proves.
func TestProofOfRelays(t *testing.T) {
	restart := time.Now().Truncate(time.Second)
	relay := func(name string, connected any, beat time.Time) map[string]any {
		return map[string]any{"name": name, "connected": connected, "lastHeartbeatUtc": beat.UTC()}
	}
	fresh, stale := restart.Add(10*time.Second), restart.Add(-10*time.Second)
	for _, c := range []struct {
		name, reason string
		list         []map[string]any
		outcome      state.Outcome
		missing      int
	}{
		{"both", "each is connected with a new heartbeat", []map[string]any{relay("R1", true, fresh), relay("r2", true, fresh)}, state.Done, 0},
		{"a stale heartbeat", "connected may be about the time before", []map[string]any{relay("r1", true, fresh), relay("r2", true, stale)}, state.Failed, 1},
		{"not connected", "a heartbeat alone is not a connection", []map[string]any{relay("r1", true, fresh), relay("r2", false, fresh)}, state.Failed, 1},
		{"not listed", "who is not there is not connected", []map[string]any{relay("r1", true, fresh)}, state.Failed, 1},
		{"the list does not say", "unknown is not connected", []map[string]any{relay("r1", nil, fresh), relay("r2", nil, fresh)}, state.Failed, 0},
		{"nobody", "an empty list proves nothing", []map[string]any{}, state.Failed, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Log(c.reason)
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				list := c.list
				if asked.Add(1) == 1 { // before the restart
					list = []map[string]any{relay("r1", true, stale), relay("r2", true, stale)}
				}
				_ = json.NewEncoder(w).Encode(list)
			}))
			defer server.Close()
			r := do(t, open(t, server.URL), site.ProveRelays{Relays: []string{"r1.example", "r2.example"}, Timeout: 400 * time.Millisecond})
			if r.Outcome != c.outcome || len(r.Missing) != c.missing {
				t.Errorf("%+v", r)
			}
			if r.Outcome != state.Done && (r.Err == nil || reconciler.HintOf(r.Err) == "") {
				t.Errorf("no hint: %v", r.Err)
			}
		})
	}
	t.Run("every relay left behind", func(t *testing.T) {
		op := site.ProveRelays{Relays: []string{"r1"}, Timeout: time.Second}.Without(func(string) bool { return true })
		if r := do(t, open(t, "http://127.0.0.1:1"), op); r.Outcome == state.Done {
			t.Errorf("a proof without a relay: %+v", r)
		}
	})
}
