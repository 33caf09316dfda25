package live_test

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/live"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// A way back starts Admin, and asks it to read its file before it listens.
func TestACallWaitsUntilAdminListens(t *testing.T) {
	virtual(t, func(t *testing.T) {
		a := &admin{list: func(int, time.Time) []map[string]any { return nil }}
		a.start(t) // it listens; this client does not reach it at first
		var dialled atomic.Int32
		begin := time.Now()
		c, err := adminapi.New(adminapi.Config{URL: "http://127.0.0.1:1", DialContext: func(_ context.Context, n, _ string) (net.Conn, error) {
			if dialled.Add(1); time.Since(begin) < 5*time.Second {
				return nil, &net.OpError{Op: "dial", Net: n, Err: syscall.ECONNREFUSED}
			}
			ours, theirs := net.Pipe()
			a.accept <- theirs
			return ours, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		s := siteOf(t, live.Config{API: c}, nil)
		if r := only(t, s, site.Call{Path: "/api/again", What: "read it again"}); r.Outcome != state.Done || a.asked.Load() != 1 {
			t.Errorf("%+v, asked %d times, %d connections tried", r, a.asked.Load(), dialled.Load())
		}
		if took := time.Since(begin); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// What a relay list may say, and what it proves.
func TestProofOfRelays(t *testing.T) {
	const fresh, stale = 10 * time.Second, -10 * time.Second
	for _, c := range []struct {
		name, reason string
		list         func(at func(time.Duration) time.Time) []map[string]any
		outcome      state.Outcome
		missing      int
	}{
		{"both", "each is connected with a new heartbeat", func(at func(time.Duration) time.Time) []map[string]any {
			return []map[string]any{relay("R1", true, at(fresh)), relay("r2", true, at(fresh))}
		}, state.Done, 0},
		{"a stale heartbeat", "connected may be about the time before", func(at func(time.Duration) time.Time) []map[string]any {
			return []map[string]any{relay("r1", true, at(fresh)), relay("r2", true, at(stale))}
		}, state.Failed, 1},
		{"not connected", "a heartbeat alone is not a connection", func(at func(time.Duration) time.Time) []map[string]any {
			return []map[string]any{relay("r1", true, at(fresh)), relay("r2", false, at(fresh))}
		}, state.Failed, 1},
		{"not listed", "who is not there is not connected", func(at func(time.Duration) time.Time) []map[string]any {
			return []map[string]any{relay("r1", true, at(fresh))}
		}, state.Failed, 1},
		{"the list does not say", "unknown is neither connected nor disconnected", func(at func(time.Duration) time.Time) []map[string]any {
			return []map[string]any{relay("r1", nil, at(fresh)), relay("r2", nil, at(fresh))}
		}, state.Unknown, 0},
		{"a word that nobody knows", "neither is a word that nobody knows", func(at func(time.Duration) time.Time) []map[string]any {
			return []map[string]any{relay("r1", "100% well", at(fresh)), relay("r2", "100% well", at(fresh))}
		}, state.Unknown, 0},
		{"the list does not say of one", "what is not known of one refutes nothing where none works", func(at func(time.Duration) time.Time) []map[string]any {
			return []map[string]any{relay("r1", nil, at(fresh)), relay("r2", false, at(fresh))}
		}, state.Unknown, 0},
		{"no heartbeats", "connected, and nobody knows since when", func(func(time.Duration) time.Time) []map[string]any {
			return []map[string]any{{"name": "r1", "connected": true}, {"name": "r2", "connected": true}}
		}, state.Unknown, 0},
		{"nothing moves", "all is as it was before the change, of whoever works too", func(at func(time.Duration) time.Time) []map[string]any {
			return []map[string]any{relay("r1", true, at(stale)), relay("r2", true, at(stale))}
		}, state.Unknown, 0},
		{"the same in another order", "that is no news of anybody", func(at func(time.Duration) time.Time) []map[string]any {
			return []map[string]any{relay("r2", true, at(stale)), relay("r1", true, at(stale))}
		}, state.Unknown, 0},
		{"one goes off", "then the list lives, and what it says of the other counts", func(at func(time.Duration) time.Time) []map[string]any {
			return []map[string]any{relay("r1", true, at(stale)), relay("r2", false, at(stale))}
		}, state.Failed, 0},
		{"another one moves", "then the list lives, and says of both that nobody has heard of them", func(at func(time.Duration) time.Time) []map[string]any {
			return []map[string]any{relay("r1", true, at(stale)), relay("r2", true, at(stale)), relay("r3", true, at(fresh))}
		}, state.Failed, 0},
		{"nobody", "an empty list after one that was not says nothing of anybody", func(func(time.Duration) time.Time) []map[string]any { return []map[string]any{} }, state.Unknown, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Log(c.reason)
			virtual(t, func(t *testing.T) {
				begin := time.Now()
				at := func(d time.Duration) time.Time { return begin.Add(d) }
				a := &admin{list: func(_ int, now time.Time) []map[string]any {
					if now.Before(at(fresh)) {
						return []map[string]any{relay("r1", true, at(stale)), relay("r2", true, at(stale))}
					}
					return c.list(at)
				}}
				r := only(t, siteOf(t, live.Config{API: a.start(t)}, nil),
					site.ProveRelays{Relays: []string{"r1.example", "r2.example"}, Timeout: reconciler.Span(30 * time.Second)})
				if r.Outcome != c.outcome || len(r.Missing) != c.missing {
					t.Errorf("%+v", r)
				}
				if r.Outcome != state.Done && (r.Err == nil || reconciler.HintOf(r.Err) == "") {
					t.Errorf("no hint: %v", r.Err)
				}
			})
		})
	}
	t.Run("every relay left behind", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			a := &admin{list: func(int, time.Time) []map[string]any { return nil }}
			op, _ := site.ProveRelays{Relays: []string{"r1"}, Timeout: reconciler.Span(time.Second)}.Without(func(string) bool { return true })
			if r := only(t, siteOf(t, live.Config{API: a.start(t)}, nil), op); r.Outcome == state.Done || a.asked.Load() > 0 {
				t.Errorf("a proof without a relay: %+v", r)
			}
		})
	})
}

// A proof demands what its fields say: moments as moments, the rest as text.
func TestProofOfAnAnswer(t *testing.T) {
	due := time.Date(2027, 11, 1, 0, 0, 0, 0, time.UTC)
	want := []site.Field{{Name: "who", Of: []string{"customerName"}, Want: "Contoso"}, {Name: "kind", Of: []string{"tier"}, Fold: true, Want: "Gold"},
		{Name: "until", Of: []string{"expiresUtc"}, Time: true, Want: due.Format(time.RFC3339Nano)}}
	for _, c := range []struct {
		reason string
		answer map[string]any
		proven bool
	}{
		{"all as wanted", map[string]any{"customerName": "Contoso", "tier": "gold", "expiresUtc": "2027-11-01T01:00:00+01:00"}, true},
		{"case counts where nobody says otherwise", map[string]any{"customerName": "CONTOSO", "tier": "Gold", "expiresUtc": "2027-11-01T00:00:00Z"}, false},
		{"another moment", map[string]any{"customerName": "Contoso", "tier": "Gold", "expiresUtc": "2027-11-01T00:00:01Z"}, false},
		{"a field that is not there", map[string]any{"customerName": "Contoso", "tier": "Gold"}, false},
		{"nothing", map[string]any{}, false},
	} {
		t.Run(c.reason, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				a := &admin{object: c.answer}
				s := siteOf(t, live.Config{API: a.start(t)}, nil)
				r := only(t, s, site.ProveAnswer{Path: "/api/it", Want: want, Timeout: reconciler.Span(10 * time.Second), What: "it"})
				if (r.Outcome == state.Done) != c.proven || (r.Err == nil) != c.proven {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}
