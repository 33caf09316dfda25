package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"

	"meshrotate/state"
)

// A process that was suspended in the middle of a write holds that file's lock for as long as nobody wakes it. Others wait for
// a bounded time and say what they waited for; who only reads does not wait.
func TestAWriterThatIsSuspended(t *testing.T) {
	for name, use := range map[string]func(ctx context.Context, dir string) error{
		"ledger.lock": func(ctx context.Context, dir string) error {
			return open(t, dir).Append(ctx, state.Entry{Outcome: state.Done})
		},
		"lease.lock": func(ctx context.Context, dir string) error {
			_, err := open(t, dir).Acquire(ctx, state.Holder{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, lines := written(t, 2)
			synctest.Test(t, func(t *testing.T) {
				suspended := flock.New(filepath.Join(dir, name))
				if err := suspended.Lock(); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				err := use(t.Context(), dir)
				if err == nil || time.Since(begin) > time.Minute {
					t.Errorf("after %s: %v", time.Since(begin), err)
				}
				var hint interface{ Hint() string }
				if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "suspended") || !strings.Contains(err.Error(), name) {
					t.Errorf("%v", err)
				}
				if all, err := open(t, dir).Entries(t.Context()); err != nil || len(all) != len(lines) {
					t.Errorf("%d entries, %v", len(all), err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := use(ctx, dir); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("an interrupt: %v", err)
				}
				if err := suspended.Unlock(); err != nil {
					t.Fatal(err)
				}
				if name == "ledger.lock" { // a lease renews itself: it would outlive the bubble
					if err := use(t.Context(), dir); err != nil {
						t.Errorf("and now: %v", err)
					}
				}
			})
		})
	}
}

// A process that is there and renews nothing has not ended: it may be suspended. Its lease is taken over all the same.
func TestAHolderThatIsSuspended(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	dir, clock := t.TempDir(), &clock{}
	s := open(t, dir)
	s.Now = clock.Now
	content := `{"run":"old","host":` + strconv.Quote(host) + `,"pid":` + strconv.Itoa(os.Getpid()) + `,"process":` + strconv.Quote(leaseOfThisProcess(t)) +
		`,"ttl":30,"fence":41,"heartbeat":"` + clock.Now().Add(-40*time.Second).Format(time.RFC3339Nano) + `"}`
	if err := os.WriteFile(filepath.Join(dir, "lease.json"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if h, held, err := s.Current(t.Context()); err != nil || !held || !h.Ended || !h.Silent {
		t.Errorf("%+v, %v, %v", h, held, err)
	}
}
