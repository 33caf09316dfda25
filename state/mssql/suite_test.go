package mssql_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"meshrotate/state"
	"meshrotate/state/mssql"
	"meshrotate/state/statetest"
)

// everywhere runs f against a server in memory and one on TCP, as the owner of the database, who makes the tables, and as
// somebody for whom the script has made them.
func everywhere(t *testing.T, f func(t *testing.T, fresh func(t *testing.T) (w *world, login string))) {
	for _, c := range []struct {
		name   string
		tcp    bool
		script bool
	}{{"memory", false, false}, {"memory, by the script", false, true}, {"TCP", true, false}, {"TCP, by the script", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			f(t, func(t *testing.T) (*world, string) {
				w := newWorld(t, c.tcp)
				t.Cleanup(w.close)
				if !c.script {
					return w, owner
				}
				w.script(t)
				return w, runner
			})
		})
	}
}

// script carries out what the database's administrator is given.
func (w *world) script(t testing.TB) {
	t.Helper()
	text, err := mssql.Script(mssql.DefaultSchema)
	if err != nil {
		t.Fatal(err)
	}
	x, err := w.as(owner)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	for batch := range strings.SplitSeq(text+"ALTER ROLE meshrotate_runner ADD MEMBER "+runner, "\nGO\n") {
		if err := x.Select(t.Context(), batch, nil, func(int, func(...any) error) error { return nil }); err != nil {
			t.Fatalf("%s: %v", batch, err)
		}
	}
}

// virtual runs f on a clock of its own, with a server in memory.
func virtual(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	authority() // its key is made outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		defer w.close()
		f(t, w)
	})
}

func TestLedger(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func(t *testing.T) (*world, string)) {
		statetest.Ledger(t, func(t *testing.T) func() state.Ledger {
			w, login := fresh(t)
			return func() state.Ledger { return w.open(login) }
		})
	})
}

func TestBlobs(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func(t *testing.T) (*world, string)) {
		statetest.Blobs(t, func(t *testing.T) func() state.Blobs {
			w, login := fresh(t)
			return func() state.Blobs { return w.open(login) }
		})
	})
}

// Who owns the tables may remove a value; who runs meshrotate may not, and is told what the administrator has to do.
func TestRemoval(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func(t *testing.T) (*world, string)) {
		w, login := fresh(t)
		if login == owner {
			statetest.Removal(t, func() state.Blobs { return w.open(login) })
			return
		}
		store := w.open(login)
		if err := store.Create(t.Context(), "relaykey/7.age", []byte("seven")); err != nil {
			t.Fatal(err)
		}
		err := store.Remove(t.Context(), "relaykey/7.age")
		var h interface{ Hint() string }
		if !errors.As(err, &h) || !strings.Contains(h.Hint(), "DELETE FROM [meshrotate].[kept] WHERE folder = 'relaykey' AND name = '7.age'") {
			t.Errorf("the runner removed a value, or is not helped: %v", err)
		}
		if content, err := store.Read(t.Context(), "relaykey/7.age"); err != nil || string(content) != "seven" {
			t.Errorf("%q, %v", content, err)
		}
	})
}

// leases are those that were acquired, to end the heartbeats of those that nobody gave back.
type leases struct {
	mu  sync.Mutex
	all []state.Lease
}

func (l *leases) end() {
	for _, lease := range l.all {
		_ = lease.Release(context.Background()) // it may be lost
	}
}

// remembering is a lock that notes its leases.
type remembering struct {
	state.Lock
	leases *leases
}

func (r remembering) Acquire(ctx context.Context, h state.Holder) (state.Lease, error) {
	lease, err := r.Lock.Acquire(ctx, h)
	if err == nil {
		r.leases.mu.Lock()
		defer r.leases.mu.Unlock()
		r.leases.all = append(r.leases.all, lease)
	}
	return lease, err
}

func TestLock(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func(t *testing.T) (*world, string)) {
		statetest.Lock(t, func(t *testing.T) statetest.Locks {
			w, login := fresh(t)
			all := &leases{}
			t.Cleanup(all.end)
			return statetest.Locks{
				Open:   func() state.Lock { return remembering{w.open(login), all} },
				Damage: func() { w.do(t, "UPDATE [meshrotate].[state] SET holder = N'{', token = NULL") },
				Expire: func() {
					w.do(t, "UPDATE [meshrotate].[state] SET heartbeat = DATEADD(second, -301, SYSUTCDATETIME())")
					w.model.Drop(nil) // its session is gone, too
				},
			}
		})
	})
}
